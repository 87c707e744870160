//! Appends to a journal beside the raw device and SQLite, and opening a long journal.

mod appends;
mod long;
mod peer;

use std::path::PathBuf;

use clap::Args;
use madrigal_core::tasks::StopSignal;
use serde_json::{Value, json};

use crate::report::{Common, Report, Tell, count, some_seconds};

/// Appends to a journal beside the raw device and SQLite in the same run, then opens a long journal.
///
/// Closed loop: each appender waits until its batch is durable. The raw device writes and syncs the same bytes by one thread:
/// each batch by itself, and in groups of as many batches as there are appenders. SQLite (WAL, synchronous=FULL) inserts them, one batch a
/// transaction, one connection. All in this process. CPU time and context switches are the whole process's, per call.
///
/// Beside other work a sync seems to take a timer tick (4 ms): what waits for the device is not put back on a core before.
/// `chrt -f 5` in front of the command takes that away.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many append at once.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,8,32,256", value_parser = count)]
    pub appenders: Vec<u64>,
    /// Sizes of a record in bytes.
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "200,1024", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub bytes: Vec<u32>,
    /// How many records are appended in one piece.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,10,100", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batches: Vec<u32>,
    /// Seconds for each row of the table in each round, and again for the raw device beside it.
    #[arg(long, default_value = "1", value_parser = some_seconds)]
    pub seconds: f64,
    /// How often everything is measured: rates and ratios are medians of the rounds, latencies those of all of them.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// How many records of 200 bytes the long journal has; 0 leaves it out. Ten million take 2.2 GB on the disk for a while.
    #[arg(long, default_value_t = 10_000_000)]
    pub records: u64,
    /// Opens this journal instead, and does nothing else: how long it takes and how much memory the process has then.
    #[arg(long, value_name = "DIR")]
    pub open: Option<PathBuf>,
    /// The binary that opens the long journal as a process of its own; this one by default.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// Runs it.
///
/// # Errors
/// Where the disk refuses, the journal cannot be opened, or [`crate::Interrupted`].
pub async fn run(options: &Options, tell: Tell, stop: &StopSignal) -> anyhow::Result<Value> {
    let settings = json!({
        "appenders": options.appenders, "bytes": options.bytes, "batches": options.batches, "seconds": options.seconds,
        "rounds": options.rounds,
        "records": options.records, "open": options.open,
    });
    let mut report = Report::begin("journal", &options.common, &settings, "fdatasync before every answer", tell, stop)?;
    if let Some(dir) = &options.open {
        let opened = long::open(dir)?;
        report.line(&format!("open        {opened}"));
        report.put("open", opened);
        return report.finish();
    }
    appends::measure(options, &mut report).await?;
    if options.records > 0 {
        long::measure(options, &mut report).await?;
    }
    report.finish()
}

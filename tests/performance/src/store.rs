//! An event store: single appends, streams with and without snapshots, the whole log, and opening a large store.

mod fill;
mod loads;
mod singly;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Host, LogName, Position, tasks};
use madrigal_event_store::{EventStore, EventStoreOptions, JournalEventStore};
use serde_json::{Value, json};

use crate::report::{Common, Report, Tell, Wanted, check, count, some_seconds};
use crate::{cold, machine, reopen};

/// Appends singly, loads aggregates with and without snapshots, scans the log, and opens a large store.
///
/// The streams that are loaded are spread over the whole log, between streams of five events. *Cold* means that the kernel was asked to
/// forget the files before each load. With a snapshot (in SQLite) ten events more than it holds are read.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many append at once, each one event at a time.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,8,32,256", value_parser = count)]
    pub appenders: Vec<u64>,
    /// Seconds for each number of appenders.
    #[arg(long, default_value = "2", value_parser = some_seconds)]
    pub seconds: f64,
    /// Lengths of the streams that are loaded.
    #[arg(long, value_name = "EVENTS", value_delimiter = ',', default_value = "10,1000,100000", value_parser = count)]
    pub streams: Vec<u64>,
    /// How often each is loaded while it lies in memory; a fifth of it from the disk.
    #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = count)]
    pub loads: u64,
    /// How many events the store has. Ten million take about 3 GB on the disk for a while.
    #[arg(long, value_name = "NUMBER", default_value = "10000000", value_parser = count)]
    pub events: u64,
    /// Opens this store instead, and does nothing else: how long it takes and how much memory the process has then.
    #[arg(long, value_name = "DIR")]
    pub open: Option<PathBuf>,
    /// The binary that opens the large store as a process of its own; this one by default.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// Runs it.
///
/// # Errors
/// Where the disk refuses, the store cannot be opened, or [`crate::Interrupted`].
pub async fn run(options: &Options, tell: Tell, stop: &StopSignal) -> anyhow::Result<Value> {
    let settings = json!({
        "appenders": options.appenders, "seconds": options.seconds, "streams": options.streams, "loads": options.loads,
        "events": options.events, "open": options.open,
    });
    let mut report = Report::begin("store", &options.common, &settings, "fdatasync before every answer", tell, stop)?;
    if let Some(dir) = &options.open {
        let opened = measure_open(dir)?;
        report.line(&format!("open        {opened}"));
        report.put("open", opened);
        return report.finish();
    }
    singly::measure(options, &mut report).await?;
    let dir = report.dir().join("large");
    let store = fill::fill(&dir, options, &mut report).await?;
    loads::measure(&store, &dir, options, &mut report).await?;
    scan(&store, &dir, &mut report).await?;
    drop(store);
    let opened = reopen::measure("store", &dir, options.binary.as_deref(), &report).await?;
    if options.events >= 10_000_000 {
        reopen::goals(&mut report, &opened, 5.0, 200);
    }
    report.put("opened", opened);
    report.finish()
}

fn open(dir: &Path) -> anyhow::Result<Arc<JournalEventStore>> {
    let log = LogName::parse("measured").ok_or_else(|| anyhow::anyhow!("a log's name has letters"))?;
    Ok(Arc::new(JournalEventStore::open(dir, log, EventStoreOptions::default(), &Host::system())?))
}

fn measure_open(dir: &Path) -> anyhow::Result<Value> {
    // Opening would make a new one.
    anyhow::ensure!(dir.join("epoch").is_file(), "{} is not a store's directory", dir.display());
    let (before, _) = machine::own_memory();
    let began = tasks::instant();
    let store = open(dir)?;
    let took = began.elapsed();
    let (resident, most) = machine::own_memory();
    Ok(json!({
        "events": store.end().0, "seconds": took.as_secs_f64(), "residentBytesBefore": before,
        "residentBytes": resident, "mostResidentBytes": most, "bytesOnDisk": cold::bytes_below(dir),
    }))
}

/// Reads the whole log, first from the disk, then as it lies in memory.
async fn scan(store: &Arc<JournalEventStore>, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let mut scans = json!({});
    for state in ["cold", "warm"] {
        if state == "cold" {
            cold::forget(dir)?;
        }
        let (began, mut after, mut bytes) = (tasks::instant(), Position::START, 0);
        while after < store.end() {
            check(report.stop())?;
            let read = store.read_log(after, 10_000).await?;
            bytes += read.events.iter().map(|event| event.event_data.as_bytes().len()).sum::<usize>();
            after = read.scanned_through;
        }
        let rate = after.0 as f64 / began.elapsed().as_secs_f64();
        report.line(&format!("scan        {state}: {rate:.0} events a second, {bytes} bytes of data"));
        scans[state] = json!(rate);
    }
    if let Some(rate) = scans["warm"].as_f64() {
        report.goal("events a second, the whole log, warm", Wanted::AtLeast(1_000_000.0), rate);
    }
    report.put("scanEventsPerSecond", scans);
    Ok(())
}

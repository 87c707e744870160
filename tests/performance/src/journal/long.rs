//! A long journal: written, then opened by a process of its own.

use std::path::Path;
use std::sync::Arc;

use madrigal_core::{Host, Timestamp, tasks};
use madrigal_journal::{Batch, Journal, JournalOptions};
use serde_json::{Value, json};

use super::Options;
use crate::report::{Report, check};
use crate::{cold, machine, reopen};

/// Bytes of a record.
const RECORD: usize = 200;
/// Records that are appended in one piece.
const BATCH: u64 = 500;
/// How many append at once.
const WRITERS: u64 = 8;

/// Opens the journal in `dir`: how long it took, and this process's memory then.
pub(super) fn open(dir: &Path) -> anyhow::Result<Value> {
    // Opening would make a new one.
    anyhow::ensure!(dir.join("epoch").is_file(), "{} is not a journal's directory", dir.display());
    let (before, _) = machine::own_memory();
    let began = tasks::instant();
    let (journal, _) = Journal::open(dir, JournalOptions::default(), &Host::system())?;
    let took = began.elapsed();
    let (resident, most) = machine::own_memory();
    Ok(json!({
        "records": journal.end().0, "seconds": took.as_secs_f64(), "residentBytesBefore": before,
        "residentBytes": resident, "mostResidentBytes": most, "bytesOnDisk": cold::bytes_below(dir),
    }))
}

pub(super) async fn measure(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let dir = report.dir().join("long");
    let (journal, _) = Journal::open(&dir, JournalOptions::default(), &Host::system())?;
    let (journal, began, records) = (Arc::new(journal), tasks::instant(), options.records);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (journal, stop) = (Arc::clone(&journal), report.stop().clone());
            let share = records / WRITERS + u64::from(writer < records % WRITERS);
            tasks::spawn("writer", async move {
                let mut left = share;
                while left > 0 {
                    check(&stop)?;
                    let mut batch = Batch::new();
                    for _ in 0..left.min(BATCH) {
                        batch.push(&[7; RECORD]);
                    }
                    journal.append(&batch, Timestamp::default()).await?;
                    left -= u64::from(batch.len());
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    let rate = records as f64 / began.elapsed().as_secs_f64();
    report.line(&format!("long        {records} records of {RECORD} bytes written, {rate:.0} a second, {WRITERS} appenders, batches of {BATCH}"));
    drop(journal);
    let opened = reopen::measure("journal", &dir, options.binary.as_deref(), report).await?;
    if records >= 10_000_000 {
        reopen::goals(report, &opened, 5.0, 200);
    }
    report.put("long", json!({ "records": records, "bytes": RECORD, "writtenPerSecond": rate, "opened": opened }));
    Ok(())
}

//! Appends to a journal: every number of appenders, size and batch, each beside the raw device.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, Timestamp};
use madrigal_journal::{Batch, Journal, JournalOptions};
use serde_json::{Value, json};

use super::{Options, peer};
use crate::device::RawFile;
use crate::latency::Latencies;
use crate::report::{Report, Wanted, check};

/// The header, the end mark and the padding of a batch in a journal; `docs/journal-format.md`.
const FRAME_BYTES: usize = 48;
/// The raw device is written in groups of at most so much: the most that may wait for a journal's writer.
const MAX_GROUP_BYTES: usize = 8 << 20;
/// The raw device's file.
const RAW_BYTES: u64 = 256 << 20;

/// What one row of the table is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    appenders: u64,
    pub(super) bytes: usize,
    pub(super) batch: u32,
}

/// How it went.
pub(super) struct Outcome {
    pub(super) records: u64,
    pub(super) failures: u64,
    pub(super) latencies: Latencies,
    pub(super) took: Duration,
}

impl Outcome {
    pub(super) fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "recordsPerSecond": self.rate().round(), "failures": self.failures, "latency": self.latencies.json(),
        })
    }
}

impl Load {
    fn content(self) -> Batch {
        let mut content = Batch::new();
        let payload = vec![7; self.bytes];
        for _ in 0..self.batch {
            content.push(&payload);
        }
        content
    }

    /// How many batches make a group if all appenders wait for the same one.
    fn batches_in_a_group(self) -> usize {
        let most = MAX_GROUP_BYTES / (self.content().bytes() + FRAME_BYTES);
        usize::try_from(self.appenders).unwrap_or(most).clamp(1, most.max(1))
    }
}

pub(super) async fn measure(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let limit = Duration::from_secs_f64(options.seconds);
    let mut raw = RawFile::create(report.dir(), RAW_BYTES)?;
    report.line(&format!(
        "{:>9} {:>6} {:>6} {:>11} {:>8} {:>8} {:>9} | {:>11} {:>8} {:>8} {:>9} | {:>6} {:>7} {:>8}",
        "appenders",
        "bytes",
        "batch",
        "records/s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "raw rec/s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "of raw",
        "p99/raw",
        "failures"
    ));
    let mut rows = Vec::new();
    for (&bytes, &batch) in
        options.bytes.iter().flat_map(|bytes| options.batches.iter().map(move |batch| (bytes, batch)))
    {
        for &appenders in &options.appenders {
            let load = Load { appenders, bytes: bytes as usize, batch };
            let beside = raw_beside(&mut raw, load, limit, report.stop())?;
            let outcome = append(&report.dir().join("journal"), load, limit, report.stop()).await?;
            check(report.stop())?;
            rows.push(row(report, load, &outcome, &beside));
        }
    }
    goals(report, &rows);
    report.put("appends", Value::Array(rows));
    let mut peers = Vec::new();
    for (&bytes, &batch) in
        options.bytes.iter().flat_map(|bytes| options.batches.iter().map(move |batch| (bytes, batch)))
    {
        let load = Load { appenders: 1, bytes: bytes as usize, batch };
        let (dir, stop) = (report.dir().to_owned(), report.stop().clone());
        let outcome = tasks::blocking(move || peer::insert(&dir, load, limit, &stop)).await??;
        report.line(&format!(
            "{:>9} {bytes:>6} {batch:>6} {:>11.0} {:>8} {:>8} {:>9} | SQLite, WAL, synchronous=FULL, in process",
            1,
            outcome.rate(),
            outcome.latencies.micros(0.5),
            outcome.latencies.micros(0.99),
            outcome.latencies.micros(0.999)
        ));
        let mut told = outcome.json();
        (told["bytes"], told["batch"]) = (json!(bytes), json!(batch));
        peers.push(told);
    }
    report.put("sqlite", Value::Array(peers));
    Ok(())
}

/// The same bytes, in groups as the appenders offer them: as if all of them waited for each sync.
fn raw_beside(raw: &mut RawFile, load: Load, limit: Duration, stop: &StopSignal) -> anyhow::Result<Outcome> {
    let group = load.batches_in_a_group();
    let bytes = vec![7; group * (load.content().bytes() + FRAME_BYTES)];
    let (latencies, took) = raw.write_and_sync(&bytes, limit, stop)?;
    let records = latencies.count() * group as u64 * u64::from(load.batch);
    Ok(Outcome { records, failures: 0, latencies, took })
}

async fn append(dir: &Path, load: Load, limit: Duration, stop: &StopSignal) -> anyhow::Result<Outcome> {
    let (journal, _) = Journal::open(dir, JournalOptions::default(), &Host::system())?;
    let (journal, content) = (Arc::new(journal), Arc::new(load.content()));
    let began = tasks::instant();
    let appenders: Vec<_> = (0..load.appenders)
        .map(|_| {
            let (journal, content, stop) = (Arc::clone(&journal), Arc::clone(&content), stop.clone());
            tasks::spawn("appender", async move {
                let (mut latencies, mut failures) = (Latencies::new()?, 0u64);
                while began.elapsed() < limit && !stop.is_cancelled() {
                    let call = tasks::instant();
                    match journal.append(&content, Timestamp::default()).await {
                        Ok(_) => latencies.record(call.elapsed()),
                        Err(_) => failures += 1,
                    }
                }
                anyhow::Ok((latencies, failures))
            })
        })
        .collect();
    let (mut latencies, mut failures) = (Latencies::new()?, 0);
    for appender in appenders {
        let (of_one, failed) = appender.await??;
        latencies.add(&of_one)?;
        failures += failed;
    }
    let took = began.elapsed();
    drop(journal);
    std::fs::remove_dir_all(dir)?;
    Ok(Outcome { records: latencies.count() * u64::from(load.batch), failures, latencies, took })
}

fn row(report: &Report, load: Load, outcome: &Outcome, beside: &Outcome) -> Value {
    let Load { appenders, bytes, batch } = load;
    let (own, raw) = (&outcome.latencies, &beside.latencies);
    let of_raw = outcome.rate() / beside.rate();
    let p99_to_raw = own.micros(0.99) as f64 / raw.micros(0.99).max(1) as f64;
    report.line(&format!(
        "{appenders:>9} {bytes:>6} {batch:>6} {:>11.0} {:>8} {:>8} {:>9} | {:>11.0} {:>8} {:>8} {:>9} | {:>5.0}% {p99_to_raw:>7.2} {:>8}",
        outcome.rate(), own.micros(0.5), own.micros(0.99), own.micros(0.999), beside.rate(), raw.micros(0.5),
        raw.micros(0.99), raw.micros(0.999), of_raw * 100.0, outcome.failures
    ));
    json!({
        "appenders": appenders, "bytes": bytes, "batch": batch, "journal": outcome.json(), "raw": beside.json(),
        "rawBatchesInAGroup": load.batches_in_a_group(), "ofRaw": of_raw, "p99ToRawP99": p99_to_raw,
    })
}

fn goals(report: &mut Report, rows: &[Value]) {
    let all: Vec<&Value> = rows.iter().collect();
    let worst = |field: &str, of: &dyn Fn(&Value) -> bool| {
        all.iter().filter(|row| of(row)).filter_map(|row| row[field].as_f64()).reduce(f64::min)
    };
    if let Some(share) = worst("ofRaw", &|row| row["batch"] == 100) {
        report.goal("batches of 100, the worst row, as a share of the raw device", Wanted::AtLeast(0.5), share);
    }
    let many = all.iter().find(|row| row["appenders"] == 256 && row["batch"] == 1 && row["bytes"] == 200);
    if let Some(rate) = many.and_then(|row| row["journal"]["recordsPerSecond"].as_f64()) {
        report.goal("records a second, singly by 256 appenders", Wanted::AtLeast(300_000.0), rate);
    }
    let one = all.iter().find(|row| row["appenders"] == 1 && row["batch"] == 1 && row["bytes"] == 200);
    if let Some(ratio) = one.and_then(|row| row["p99ToRawP99"].as_f64()) {
        report.goal("one appender's p99 to the device's", Wanted::AtMost(2.0), ratio);
    }
}

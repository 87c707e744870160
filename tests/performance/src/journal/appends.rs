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
use crate::process::Usage;
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
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) records: u64,
    pub(super) failures: u64,
    pub(super) latencies: Latencies,
    pub(super) took: Duration,
    pub(super) used: Usage,
}

/// One row in one round: the journal, the device in groups of one batch, and in groups as large as all appenders together offer.
struct Sample {
    own: Outcome,
    by_batch: Outcome,
    by_group: Outcome,
}

impl Outcome {
    fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
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
    let contents: Vec<(usize, u32)> = options
        .bytes
        .iter()
        .flat_map(|&bytes| options.batches.iter().map(move |&batch| (bytes as usize, batch)))
        .collect();
    let loads: Vec<Load> = contents
        .iter()
        .flat_map(|&(bytes, batch)| options.appenders.iter().map(move |&appenders| Load { appenders, bytes, batch }))
        .collect();
    let mut samples: Vec<Vec<Sample>> = loads.iter().map(|_| Vec::new()).collect();
    let mut peers: Vec<Vec<Outcome>> = contents.iter().map(|_| Vec::new()).collect();
    for round in 1..=options.rounds {
        report.line(&format!("round       {round} of {}", options.rounds));
        for (load, samples) in loads.iter().zip(&mut samples) {
            let stop = report.stop();
            let by_batch = raw_beside(&mut raw, *load, 1, limit, stop)?;
            let group = load.batches_in_a_group();
            let by_group = if group == 1 { by_batch.clone() } else { raw_beside(&mut raw, *load, group, limit, stop)? };
            let own = append(&report.dir().join("journal"), *load, limit, stop).await?;
            check(stop)?;
            samples.push(Sample { own, by_batch, by_group });
        }
        for (&(bytes, batch), peers) in contents.iter().zip(&mut peers) {
            let (dir, stop) = (report.dir().to_owned(), report.stop().clone());
            let load = Load { appenders: 1, bytes, batch };
            peers.push(tasks::blocking(move || peer::insert(&dir, load, limit, &stop)).await??);
            check(report.stop())?;
        }
    }
    report.line(&format!(
        "{:>9} {:>6} {:>6} | {:>11} {:>8} {:>8} {:>9} {:>8} {:>8} | {:>11} {:>8} | {:>11} {:>8} | {:>8} {:>8} {:>8} {:>8}",
        "appenders", "bytes", "batch", "records/s", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "switches", "raw/batch",
        "p99 µs", "raw/group", "p99 µs", "of batch", "of group", "p99/raw", "failures"
    ));
    let mut rows = Vec::new();
    for (load, samples) in loads.iter().zip(&samples) {
        rows.push(row(report, *load, samples)?);
    }
    for (&(bytes, batch), outcomes) in contents.iter().zip(&peers) {
        let (told, line) = told(outcomes)?;
        report.line(&format!("{:>9} {bytes:>6} {batch:>6} | {line} | SQLite, WAL, synchronous=FULL", 1));
        rows.push(json!({ "peer": "SQLite", "appenders": 1, "bytes": bytes, "batch": batch, "sqlite": told }));
    }
    goals(report, &rows);
    let (sqlite, appends): (Vec<Value>, Vec<Value>) = rows.into_iter().partition(|row| row["peer"].is_string());
    report.put("appends", Value::Array(appends));
    report.put("sqlite", Value::Array(sqlite));
    Ok(())
}

/// The same bytes, so many batches in a group.
fn raw_beside(
    raw: &mut RawFile,
    load: Load,
    group: usize,
    limit: Duration,
    stop: &StopSignal,
) -> anyhow::Result<Outcome> {
    let bytes = vec![7; group * (load.content().bytes() + FRAME_BYTES)];
    let before = Usage::now();
    let (latencies, took) = raw.write_and_sync(&bytes, limit, stop)?;
    let records = latencies.count() * group as u64 * u64::from(load.batch);
    Ok(Outcome { records, failures: 0, latencies, took, used: Usage::now().since(&before) })
}

async fn append(dir: &Path, load: Load, limit: Duration, stop: &StopSignal) -> anyhow::Result<Outcome> {
    // Segments of the full size from the start, as a log of some 100 MiB has them: each byte that is appended costs one that
    // is zeroed ahead, within the measured time.
    let defaults = JournalOptions::default();
    let options = JournalOptions { first_segment_bytes: defaults.segment_bytes, ..defaults };
    let (journal, _) = Journal::open(dir, options, &Host::system())?;
    let (journal, content) = (Arc::new(journal), Arc::new(load.content()));
    let before = Usage::now();
    let began = tasks::instant();
    let appenders: Vec<_> = (0..load.appenders)
        .map(|_| {
            let (journal, content, stop) = (Arc::clone(&journal), Arc::clone(&content), stop.clone());
            tasks::spawn("appender", async move {
                let (mut latencies, mut failures) = (Latencies::new()?, 0u64);
                // At least one, however busy the machine.
                while latencies.count() == 0 || began.elapsed() < limit {
                    check(&stop)?;
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
    let (took, used) = (began.elapsed(), Usage::now().since(&before));
    drop(journal);
    std::fs::remove_dir_all(dir)?;
    Ok(Outcome { records: latencies.count() * u64::from(load.batch), failures, latencies, took, used })
}

/// The median rate of the rounds, and the latencies of all of them; as JSON and as a line.
fn told(outcomes: &[Outcome]) -> anyhow::Result<(Value, String)> {
    let mut latencies = Latencies::new()?;
    for outcome in outcomes {
        latencies.add(&outcome.latencies)?;
    }
    let calls = latencies.count().max(1) as f64;
    let rate = median(outcomes.iter().map(Outcome::rate));
    let failures: u64 = outcomes.iter().map(|outcome| outcome.failures).sum();
    let cpu = outcomes.iter().map(|outcome| outcome.used.cpu.as_secs_f64()).sum::<f64>() * 1e6 / calls;
    let switches = outcomes.iter().map(|outcome| outcome.used.switches).sum::<u64>() as f64 / calls;
    let line = format!(
        "{rate:>11.0} {:>8} {:>8} {:>9} {cpu:>8.1} {switches:>8.2}",
        latencies.micros(0.5),
        latencies.micros(0.99),
        latencies.micros(0.999)
    );
    let told = json!({
        "recordsPerSecond": rate, "failures": failures, "latency": latencies.json(),
        "cpuMicrosPerCall": cpu, "contextSwitchesPerCall": switches,
    });
    Ok((told, line))
}

fn row(report: &Report, load: Load, samples: &[Sample]) -> anyhow::Result<Value> {
    let Load { appenders, bytes, batch } = load;
    let of = |part: fn(&Sample) -> &Outcome| samples.iter().map(|sample| part(sample).clone()).collect::<Vec<_>>();
    let (own, line) = told(&of(|sample| &sample.own))?;
    let (by_batch, _) = told(&of(|sample| &sample.by_batch))?;
    let (by_group, _) = told(&of(|sample| &sample.by_group))?;
    let of_batch = median(samples.iter().map(|sample| sample.own.rate() / sample.by_batch.rate()));
    let of_group = median(samples.iter().map(|sample| sample.own.rate() / sample.by_group.rate()));
    let p99 = |outcome: &Outcome| outcome.latencies.micros(0.99).max(1) as f64;
    let p99_to_raw = median(samples.iter().map(|sample| p99(&sample.own) / p99(&sample.by_batch)));
    let raw = |told: &Value| {
        let (rate, p99) = (told["recordsPerSecond"].as_f64(), told["latency"]["p99Micros"].as_u64());
        format!("{:>11.0} {:>8}", rate.unwrap_or(f64::NAN), p99.unwrap_or(0))
    };
    report.line(&format!(
        "{appenders:>9} {bytes:>6} {batch:>6} | {line} | {} | {} | {:>7.0}% {:>7.0}% {p99_to_raw:>8.2} {:>8}",
        raw(&by_batch),
        raw(&by_group),
        of_batch * 100.0,
        of_group * 100.0,
        own["failures"].as_u64().unwrap_or(0)
    ));
    Ok(json!({
        "appenders": appenders, "bytes": bytes, "batch": batch, "journal": own, "rawByBatch": by_batch,
        "rawByGroup": by_group, "batchesInAGroup": load.batches_in_a_group(), "ofRawByBatch": of_batch,
        "ofRawByGroup": of_group, "p99ToRawByBatch": p99_to_raw,
    }))
}

fn goals(report: &mut Report, rows: &[Value]) {
    let of = |field: &str, is: &dyn Fn(&Value) -> bool| {
        rows.iter()
            .filter(|row| row["journal"].is_object() && is(row))
            .filter_map(|row| row[field].as_f64())
            .reduce(f64::min)
    };
    if let Some(share) = of("ofRawByBatch", &|row| row["batch"] == 100) {
        let goal = "batches of 100 as a share of the raw device in groups of 100, the worst row";
        report.goal(goal, Wanted::AtLeast(0.5), share);
    }
    let many = rows.iter().find(|row| row["appenders"] == 256 && row["batch"] == 1 && row["bytes"] == 200);
    if let Some(rate) = many.and_then(|row| row["journal"]["recordsPerSecond"].as_f64()) {
        report.goal("records a second, singly by 256 appenders", Wanted::AtLeast(300_000.0), rate);
    }
    let one = |row: &Value| row["appenders"] == 1 && row["batch"] == 1 && row["bytes"] == 200;
    if let Some(ratio) = of("p99ToRawByBatch", &one) {
        report.goal("one appender's p99 to the device's", Wanted::AtMost(2.0), ratio);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

//! Appends per second, beside the raw device and SQLite, in one run on the same directory.
//!
//! `cargo run --release -p madrigal-journal --example append_rate [DIRECTORY] [SECONDS]`
//!
//! Closed loop, 200-byte records, two worker threads, everything durable before it counts. *Raw* writes the same bytes
//! into a zeroed file with one `pwrite` and one `fdatasync` for each group of so many records, on one thread.
#![expect(clippy::print_stdout, reason = "prints its table")]

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use madrigal_core::{Host, Timestamp, tasks};
use madrigal_journal::{Batch, Journal, JournalOptions};

const RECORD: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().unwrap_or_else(|| "target/append-rate".to_owned()));
    let limit = Duration::from_secs_f64(arguments.next().map_or(Ok(2.0), |seconds| seconds.parse())?);
    std::fs::create_dir_all(&dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("load average before: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    println!("{:<44} {:>12} {:>10} {:>10}", "", "records/s", "p50 µs", "p99 µs");
    for group in [1, 100, 1_000] {
        report(&format!("raw pwrite + fdatasync, groups of {group}"), &raw(&dir, group, limit)?);
    }
    for (appenders, batch) in [(1, 1), (8, 1), (32, 1), (256, 1), (1_024, 1), (1, 100), (8, 100), (32, 100)] {
        let run = runtime.block_on(journal(&dir, appenders, batch, limit))?;
        report(&format!("journal, {appenders} appenders, batches of {batch}"), &run);
    }
    for batch in [1, 100] {
        report(&format!("SQLite WAL synchronous=FULL, {batch} a transaction"), &sqlite(&dir, batch, limit)?);
    }
    println!("load average after: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

struct Run {
    records: u64,
    took: Duration,
    /// Of one call each, sorted, in microseconds.
    latencies: Vec<u64>,
}

fn report(name: &str, run: &Run) {
    let rate = run.records as f64 / run.took.as_secs_f64();
    let quantile = |q: f64| run.latencies.get((run.latencies.len() as f64 * q) as usize).copied().unwrap_or(0);
    println!("{name:<44} {rate:>12.0} {:>10} {:>10}", quantile(0.5), quantile(0.99));
}

fn raw(dir: &Path, group: usize, limit: Duration) -> Result<Run, Box<dyn Error>> {
    const SIZE: u64 = 256 << 20;
    let path = dir.join("raw");
    let file: File = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    file.write_all_at(&vec![0; SIZE as usize], 0)?;
    file.sync_all()?;
    // The bytes that the journal writes for them: records in batches of at most 100.
    let bytes = vec![7u8; group * (RECORD + 4) + group.div_ceil(100) * 48];
    let (began, mut at, mut records, mut latencies) = (tasks::instant(), 0, 0, Vec::new());
    while began.elapsed() < limit {
        let call = tasks::instant();
        file.write_all_at(&bytes, at)?;
        file.sync_data()?;
        latencies.push(call.elapsed().as_micros() as u64);
        records += group as u64;
        at = if at + 2 * bytes.len() as u64 > SIZE { 0 } else { at + bytes.len() as u64 };
    }
    let took = began.elapsed();
    std::fs::remove_file(&path)?;
    latencies.sort_unstable();
    Ok(Run { records, took, latencies })
}

async fn journal(dir: &Path, appenders: usize, batch: usize, limit: Duration) -> Result<Run, Box<dyn Error>> {
    let dir = dir.join("journal");
    let (journal, _) = Journal::open(&dir, JournalOptions::default(), &Host::system())?;
    let (journal, records) = (Arc::new(journal), Arc::new(AtomicU64::new(0)));
    let began = tasks::instant();
    let appenders: Vec<_> = (0..appenders)
        .map(|_| {
            let (journal, records) = (Arc::clone(&journal), Arc::clone(&records));
            tasks::spawn("appender", async move {
                let mut content = Batch::new();
                for _ in 0..batch {
                    content.push(&[7; RECORD]);
                }
                let mut latencies = Vec::new();
                while began.elapsed() < limit {
                    let call = tasks::instant();
                    if journal.append(&content, Timestamp::default()).await.is_ok() {
                        latencies.push(call.elapsed().as_micros() as u64);
                        records.fetch_add(batch as u64, Ordering::Relaxed);
                    }
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for appender in appenders {
        latencies.extend(appender.await?);
    }
    let took = began.elapsed();
    drop(journal);
    std::fs::remove_dir_all(&dir)?;
    latencies.sort_unstable();
    Ok(Run { records: records.load(Ordering::Relaxed), took, latencies })
}

fn sqlite(dir: &Path, batch: usize, limit: Duration) -> Result<Run, Box<dyn Error>> {
    let path = dir.join(format!("peer-{batch}.sqlite"));
    let mut database = rusqlite::Connection::open(&path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, payload BLOB NOT NULL)", [])?;
    let (began, mut records, mut latencies) = (tasks::instant(), 0, Vec::new());
    while began.elapsed() < limit {
        let call = tasks::instant();
        let transaction = database.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO events (payload) VALUES (?1)")?;
            for _ in 0..batch {
                insert.execute([&[7u8; RECORD][..]])?;
            }
        }
        transaction.commit()?;
        latencies.push(call.elapsed().as_micros() as u64);
        records += batch as u64;
    }
    let took = began.elapsed();
    drop(database);
    latencies.sort_unstable();
    Ok(Run { records, took, latencies })
}

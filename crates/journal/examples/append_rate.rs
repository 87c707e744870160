//! Appends per second, beside the raw device and SQLite, in one run on the same directory; and the journal's goals.
//!
//! `cargo run --release -p madrigal-journal --example append_rate [DIRECTORY] [SECONDS] [ROUNDS]`
//!
//! Closed loop, 200-byte records, two worker threads, everything durable before it counts. *Raw* writes the same bytes
//! into a zeroed file with one `pwrite` and one `fdatasync` for each group of so many records, on one thread. Each round
//! measures everything once; the table has the medians of the rounds, and the goals the medians of what each round says,
//! so that a disturbance hits both sides. Segments have their full size from the start, as in a log of some 100 MiB:
//! each byte appended costs one byte zeroed ahead, within the measured time.
//!
//! Beside other work a sync seems to take a timer tick (4 ms): what waits for the device is not put back on a core
//! before. `chrt -f 5` in front of the program takes that away.
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
    let limit = Duration::from_secs_f64(arguments.next().map_or(Ok(1.0), |seconds| seconds.parse())?);
    let rounds: usize = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    std::fs::create_dir_all(&dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table: Vec<(String, Vec<Run>)> = Vec::new();
    println!("load average before: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    for round in 0..rounds.max(1) {
        let mut add = |name: String, run: Run| {
            if round == 0 {
                table.push((name.clone(), Vec::new()));
            }
            if let Some((_, runs)) = table.iter_mut().find(|(known, _)| *known == name) {
                runs.push(run);
            }
        };
        add(DEVICE.to_owned(), raw(&dir, 4_096, 1, limit)?);
        for group in [1, 100, 1_000] {
            // The bytes that the journal writes for them: records in batches of at most 100.
            let bytes = group * (RECORD + 4) + group.div_ceil(100) * 48;
            add(raw_name(group), raw(&dir, bytes, group, limit)?);
        }
        for (appenders, batch) in [(1, 1), (8, 1), (32, 1), (256, 1), (1_024, 1), (1, 100), (8, 100), (32, 100)] {
            add(journal_name(appenders, batch), runtime.block_on(journal(&dir, appenders, batch, limit))?);
        }
        for batch in [1, 100] {
            add(format!("SQLite WAL synchronous=FULL, {batch} a transaction"), sqlite(&dir, batch, limit)?);
        }
    }
    let columns = ["records/s", "p50 µs", "p99 µs", "CPU µs", "switches"];
    println!("{:<44} {:>12} {:>8} {:>8} {:>8} {:>8}", "", columns[0], columns[1], columns[2], columns[3], columns[4]);
    for (name, runs) in &table {
        let of = |value: fn(&Run) -> f64| median(runs.iter().map(value));
        let (rate, p50, p99) = (of(Run::rate), of(|run| run.quantile(0.5)), of(|run| run.quantile(0.99)));
        let (cpu, switches) = (of(|run| run.per_call(run.cpu_nanos) / 1_000.0), of(|run| run.per_call(run.switches)));
        println!("{name:<44} {rate:>12.0} {p50:>8.0} {p99:>8.0} {cpu:>8.1} {switches:>8.2}");
    }
    println!("CPU and context switches are those of the whole process, for each call that was answered.");
    goals(&table);
    println!("load average after: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

const DEVICE: &str = "device: 4 KiB pwrite + fdatasync";

fn raw_name(group: usize) -> String {
    format!("raw pwrite + fdatasync, groups of {group}")
}

fn journal_name(appenders: usize, batch: usize) -> String {
    format!("journal, {appenders} appenders, batches of {batch}")
}

/// Prints what the goals say about the medians of the rounds.
fn goals(table: &[(String, Vec<Run>)]) {
    let runs = |name: &str| table.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, runs)| runs);
    let each = |left: &str, right: &str, value: fn(&Run) -> f64| {
        median(runs(left).iter().zip(runs(right)).map(|(left, right)| value(left) / value(right)))
    };
    let verdict = |met: bool| if met { "met" } else { "NOT met" };
    for appenders in [1, 8, 32] {
        let part = each(&journal_name(appenders, 100), &raw_name(100), Run::rate);
        let name = format!("{appenders} appenders, batches of 100, of the raw rate in groups of 100 (≥ 0.5)");
        println!("{name:<86} {part:>10.2} {}", verdict(part >= 0.5));
    }
    let rate = median(runs(&journal_name(256, 1)).iter().map(Run::rate));
    println!("{:<86} {rate:>10.0} {}", "256 appenders, singly, records/s (≥ 300,000)", verdict(rate >= 300_000.0));
    let times = each(&journal_name(1, 1), DEVICE, |run| run.quantile(0.99));
    println!("{:<86} {times:>10.2} {}", "one appender's p99 by the device's (< 2)", verdict(times < 2.0));
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Run {
    records: u64,
    took: Duration,
    /// Of one call each, sorted, in microseconds.
    latencies: Vec<u64>,
    /// Of the whole process, in nanoseconds.
    cpu_nanos: u64,
    /// Of all its threads.
    switches: u64,
}

impl Run {
    fn new(records: u64, took: Duration, mut latencies: Vec<u64>, used: &Usage) -> Self {
        latencies.sort_unstable();
        let now = Usage::now();
        let (cpu_nanos, switches) =
            (now.cpu_nanos.saturating_sub(used.cpu_nanos), now.switches.saturating_sub(used.switches));
        Self { records, took, latencies, cpu_nanos, switches }
    }

    fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }

    fn quantile(&self, q: f64) -> f64 {
        self.latencies.get((self.latencies.len() as f64 * q) as usize).map_or(f64::NAN, |micros| *micros as f64)
    }

    fn per_call(&self, of: u64) -> f64 {
        of as f64 / self.latencies.len() as f64
    }
}

/// What the process's threads have used so far; of threads that ended nothing is known.
struct Usage {
    cpu_nanos: u64,
    switches: u64,
}

impl Usage {
    fn now() -> Self {
        let mut usage = Self { cpu_nanos: 0, switches: 0 };
        let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        for thread in threads.map(|entry| entry.path()) {
            let text = |name: &str| std::fs::read_to_string(thread.join(name)).unwrap_or_default();
            let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            usage.cpu_nanos += number(text("schedstat").split(' ').next());
            let status = text("status");
            let counts = status.lines().filter(|line| line.contains("voluntary_ctxt_switches:"));
            usage.switches += counts.map(|line| number(line.split_whitespace().last())).sum::<u64>();
        }
        usage
    }
}

fn raw(dir: &Path, bytes: usize, records: usize, limit: Duration) -> Result<Run, Box<dyn Error>> {
    const SIZE: u64 = 256 << 20;
    let path = dir.join("raw");
    let file: File = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    file.write_all_at(&vec![0; SIZE as usize], 0)?;
    file.sync_all()?;
    let bytes = vec![7u8; bytes];
    let used = Usage::now();
    let (began, mut at, mut written, mut latencies) = (tasks::instant(), 0, 0, Vec::new());
    while began.elapsed() < limit {
        let call = tasks::instant();
        file.write_all_at(&bytes, at)?;
        file.sync_data()?;
        latencies.push(call.elapsed().as_micros() as u64);
        written += records as u64;
        at = if at + 2 * bytes.len() as u64 > SIZE { 0 } else { at + bytes.len() as u64 };
    }
    let run = Run::new(written, began.elapsed(), latencies, &used);
    std::fs::remove_file(&path)?;
    Ok(run)
}

async fn journal(dir: &Path, appenders: usize, batch: usize, limit: Duration) -> Result<Run, Box<dyn Error>> {
    let dir = dir.join("journal");
    let options = JournalOptions { first_segment_bytes: 64 << 20, ..JournalOptions::default() };
    let (journal, _) = Journal::open(&dir, options, &Host::system())?;
    let (journal, records) = (Arc::new(journal), Arc::new(AtomicU64::new(0)));
    let used = Usage::now();
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
    let run = Run::new(records.load(Ordering::Relaxed), began.elapsed(), latencies, &used);
    drop(journal);
    std::fs::remove_dir_all(&dir)?;
    Ok(run)
}

fn sqlite(dir: &Path, batch: usize, limit: Duration) -> Result<Run, Box<dyn Error>> {
    let path = dir.join("peer.sqlite");
    let mut database = rusqlite::Connection::open(&path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, payload BLOB NOT NULL)", [])?;
    let used = Usage::now();
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
    let run = Run::new(records, began.elapsed(), latencies, &used);
    drop(database);
    for end in ["", "-wal", "-shm"] {
        let file = dir.join(format!("peer.sqlite{end}"));
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    Ok(run)
}

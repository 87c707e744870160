//! Power cuts at every moment, on a simulated disk that forgets what was not synced.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use madrigal_core::{FaultOutcome, Host, Timestamp, tasks};
use madrigal_journal::{Batch, Journal, JournalOptions, MemoryDisk, Workers};

use crate::log::{all, small};

const DIR: &str = "/log";

fn options(disk: &MemoryDisk) -> JournalOptions {
    JournalOptions { disk: Arc::new(disk.clone()), workers: Workers::Tasks, ..small() }
}

fn reopen(disk: &MemoryDisk, seed: u64) -> Journal {
    let opened = Journal::open(Path::new(DIR), options(disk), &Host::seeded(seed));
    opened.unwrap_or_else(|error| panic!("seed {seed}: {error}")).0
}

/// What happened, in the order in which it did.
type Trace = Arc<Mutex<Vec<String>>>;

/// Four appenders, each one batch after the other, until the power goes; the batches that were acknowledged.
async fn append_until_dark(journal: Journal, life: u64, trace: &Trace) -> Vec<String> {
    let journal = Arc::new(journal);
    let appenders: Vec<_> = (0..4)
        .map(|appender| {
            let (journal, trace) = (Arc::clone(&journal), Arc::clone(trace));
            tasks::spawn("appender", async move {
                let mut acknowledged = Vec::new();
                for number in 0usize.. {
                    let name = format!("{life}.{appender}.{number}");
                    let mut batch = Batch::new();
                    for part in 0..=number % 3 {
                        batch.push(format!("{name}.{part}.{}", "x".repeat(number * 67 % 900)).as_bytes());
                    }
                    match journal.append(&batch, Timestamp::default()).await {
                        Ok(ticket) => {
                            trace.lock().unwrap().push(format!("{name} at {}", ticket.first().0));
                            acknowledged.push(name);
                        }
                        Err(_) => break,
                    }
                    tasks::sleep(Duration::from_millis((number as u64 * 7 + appender) % 5)).await;
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for appender in appenders {
        acknowledged.extend(appender.await.unwrap());
    }
    acknowledged
}

/// Every batch whole or not at all; every one that was acknowledged there once, in the order of its appender.
fn check(journal: &Journal, acknowledged: &[String], seed: u64) {
    let mut batches: Vec<(String, usize)> = Vec::new();
    for record in all(journal) {
        let text = String::from_utf8(record.payload.to_vec()).unwrap();
        let words: Vec<&str> = text.split('.').collect();
        let name = words[..3].join(".");
        match batches.last_mut() {
            Some((last, parts)) if *last == name => *parts += 1,
            _ => batches.push((name, 1)),
        }
    }
    for (name, parts) in &batches {
        let number: usize = name.rsplit_once('.').unwrap().1.parse().unwrap();
        assert_eq!(*parts, number % 3 + 1, "seed {seed}: all of {name} or nothing");
    }
    for name in acknowledged {
        let times = batches.iter().filter(|(batch, _)| batch == name).count();
        assert_eq!(times, 1, "seed {seed}: {name} was acknowledged");
    }
    for (at, (name, _)) in batches.iter().enumerate() {
        let (appender, number) = name.rsplit_once('.').unwrap();
        let number: usize = number.parse().unwrap();
        let before = batches[..at].iter().filter(|(other, _)| other.rsplit_once('.').unwrap().0 == appender).count();
        assert_eq!(before, number, "seed {seed}: {name} in its order");
    }
}

/// Three lives of a log on one disk, each ended by a power cut at a moment that the seed chooses.
fn lives(seed: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let trace = Trace::default();
    runtime.block_on(async {
        let disk = MemoryDisk::new(seed);
        let mut acknowledged = Vec::new();
        for life in 0..3 {
            let cut = 1 + (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % [40, 90, 400][(seed as usize + 1) % 3];
            disk.set(|faults| {
                faults.sync_takes = Some(Duration::from_millis(1)..=Duration::from_millis(12));
                faults.power_off_after = Some(cut + life * 13);
                faults.write_at_most = seed.is_multiple_of(5).then_some(300);
            });
            if let Ok((journal, _)) = Journal::open(Path::new(DIR), options(&disk), &Host::seeded(seed)) {
                acknowledged.extend(append_until_dark(journal, life, &trace).await);
            }
            assert!(disk.is_off(), "seed {seed}: nothing else ends a life");
            disk.power_on();
            disk.set(|faults| faults.write_at_most = None);
            let journal = reopen(&disk, seed);
            check(&journal, &acknowledged, seed);
            trace.lock().unwrap().push(format!("life {life} ends at {}", journal.end().0));
        }
    });
    std::mem::take(&mut *trace.lock().unwrap())
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let kept: usize = (0..400).map(|seed| lives(seed).len()).sum();
    assert!(kept > 10_000, "the lives were too short to show anything: {kept}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 4, 5] {
        assert_eq!(lives(seed), lives(seed));
    }
    assert_ne!(lives(3), lives(4));
}

#[test]
fn a_failed_sync_stops_the_log_and_opening_again_decides_what_is_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for seed in 0..100 {
        runtime.block_on(async {
            let disk = MemoryDisk::new(seed);
            let journal = reopen(&disk, seed);
            journal.append(&Batch::of(b"first"), Timestamp::default()).await.unwrap();
            disk.set(|faults| faults.syncs_fail = true);
            let fault = journal.append(&Batch::of(&[7; 2_000]), Timestamp::default()).await.unwrap_err();
            assert_eq!(fault.outcome, FaultOutcome::Unknown);
            disk.set(|faults| faults.syncs_fail = false);
            assert!(journal.append(&Batch::of(b"refused"), Timestamp::default()).await.is_err());
            drop(journal);
            // What readers see after opening again is there after a power cut too, although the system took the pages
            // of the failed sync for written.
            let seen = all(&reopen(&disk, seed)).len();
            disk.power_off();
            disk.power_on();
            assert_eq!(all(&reopen(&disk, seed)).len(), seen, "seed {seed}");
        });
    }
}

#[test]
fn a_directory_that_cannot_be_synced_stops_the_log_before_anything_in_the_new_segment_is_durable() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for seed in 0..20 {
        runtime.block_on(async {
            let disk = MemoryDisk::new(seed);
            let journal = reopen(&disk, seed);
            let mut acknowledged = 0;
            disk.set(|faults| faults.dir_syncs_fail = true);
            while journal.append(&Batch::of(&[7; 1_500]), Timestamp::default()).await.is_ok() {
                acknowledged += 1;
                assert!(acknowledged < 1_000, "a segment began all the same");
            }
            assert!(journal.failure().is_some_and(|reason| reason.contains("segment")), "{journal:?}");
            assert_eq!(all(&journal).len(), acknowledged, "reading goes on");
            drop(journal);
            disk.set(|faults| faults.dir_syncs_fail = false);
            disk.power_off();
            disk.power_on();
            let there = all(&reopen(&disk, seed)).len();
            assert!(there == acknowledged || there == acknowledged + 1, "seed {seed}: {there} of {acknowledged}");
        });
    }
}

#[test]
fn a_read_that_fails_is_an_error_and_no_end_of_the_log() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let disk = MemoryDisk::new(1);
        let journal = reopen(&disk, 1);
        journal.append(&Batch::of(b"one"), Timestamp::default()).await.unwrap();
        disk.set(|faults| faults.reads_fail = true);
        assert!(journal.read(madrigal_core::Position::START, 10, 1_000).is_err());
        journal.append(&Batch::of(b"two"), Timestamp::default()).await.unwrap();
        drop(journal);
        assert!(Journal::open(Path::new(DIR), options(&disk), &Host::seeded(1)).is_err(), "and never opened as empty");
        disk.set(|faults| faults.reads_fail = false);
        assert_eq!(all(&reopen(&disk, 1)).len(), 2);
    });
}

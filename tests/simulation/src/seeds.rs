//! Seeds that ever failed: they are run again with every change.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::run::{Outcome, run};

/// The checked-in list: one seed a line, with a word about what it found; `#` begins a comment.
const KEPT: &str = include_str!("../seeds.txt");

/// All kept seeds.
pub fn kept() -> Vec<u64> {
    let first_word = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    KEPT.lines().filter(|line| !line.starts_with('#')).filter_map(first_word).collect()
}

/// Runs seeds on several threads (by default as many as there are cores), each seed on one; tells `done` of each as it
/// ends, with how many have. Returns the seeds that failed.
///
/// # Errors
/// Where the system refuses resources.
///
/// # Panics
/// Where a run panicked; the seed is in the message before.
#[expect(clippy::expect_used, reason = "a panic in a run is a failure of the simulation")]
pub fn run_all(seeds: &[u64], threads: Option<usize>, done: impl Fn(usize, &Outcome) + Sync) -> io::Result<Vec<u64>> {
    let threads = threads.or_else(|| thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
    let (next, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut failed = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = run(*seed, None)?;
            if !outcome.violations.is_empty() {
                failed.push(*seed);
            }
            done(ended.fetch_add(1, Ordering::Relaxed) + 1, &outcome);
        }
        Ok::<_, io::Error>(failed)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut failed = Vec::new();
        for worker in workers {
            failed.extend(worker.join().expect("no run panics")?);
        }
        failed.sort_unstable();
        Ok(failed)
    })
}

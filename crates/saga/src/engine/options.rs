//! How an engine behaves.

use std::time::Duration;

/// How an engine behaves. Every bound that is not a definition's is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SagaOptions {
    /// Whose engine it is, in spans. Default `unnamed`.
    pub service: &'static str,
    /// Whether this engine is the only one on its store: then open sagas that do not run here are taken up at once. Otherwise only
    /// after [`SagaOptions::takeover_after`] without progress. Default true.
    pub exclusive: bool,
    /// How long a saga of another runner may be silent before it is taken over. Default 2 min.
    pub takeover_after: Duration,
    /// How often open sagas are looked for. Default 1 min.
    pub recover_every: Duration,
    /// The most sagas taken up per second. Default 1,000.
    pub resume_per_second: u32,
    /// The most sagas in memory; beyond them starts are refused. From half of it on, sagas that have answered their callers and
    /// only wait for a participant that is down leave the memory until there is room. Default 20,000, some 5 KB each.
    pub max_live: usize,
    /// How many ended sagas are kept in memory for those who ask soon. Default 1,024.
    pub keep_ended: usize,
    /// How often a stuck undo is tried again, ± 20 %. Default 15 min.
    pub stuck_retry: Duration,
    /// How long the recovery waits for the directory at start. Default 1 min.
    pub directory_wait: Duration,
    /// How long [`crate::SagaEngine::run`] lets sagas come to their end when it is stopped. Default 10 s.
    pub drain: Duration,
}

impl Default for SagaOptions {
    fn default() -> Self {
        Self {
            service: "unnamed",
            exclusive: true,
            takeover_after: Duration::from_mins(2),
            recover_every: Duration::from_mins(1),
            resume_per_second: 1_000,
            max_live: 20_000,
            keep_ended: 1_024,
            stuck_retry: Duration::from_mins(15),
            directory_wait: Duration::from_mins(1),
            drain: Duration::from_secs(10),
        }
    }
}

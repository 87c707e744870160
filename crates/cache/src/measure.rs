//! What a cache counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Histogram};

/// What a cache did since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Answers from the first level, fresh.
    pub first_hits: u64,
    /// Questions that the first level could not answer.
    pub first_misses: u64,
    /// Answers from the second level, fresh.
    pub second_hits: u64,
    /// Questions that the second level could not answer.
    pub second_misses: u64,
    /// Questions and changes that the second level failed at, or took too long for.
    pub second_failures: u64,
    /// Loads from the owner.
    pub loads: u64,
    /// Loads that failed or were given up.
    pub failed_loads: u64,
    /// Questions that waited for somebody else's load.
    pub joined: u64,
    /// Loads whose result was not kept, because of an invalidation.
    pub refused: u64,
    /// Expired values that were served.
    pub stale: u64,
    /// Invalidations.
    pub invalidations: u64,
}

/// Counters, each twice: for the process's metrics, and for [`CacheStats`].
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) first_hit: Count,
    pub(crate) first_miss: Count,
    pub(crate) second_hit: Count,
    pub(crate) second_miss: Count,
    pub(crate) second_failure: Count,
    pub(crate) load: Count,
    pub(crate) failed_load: Count,
    pub(crate) joined: Count,
    pub(crate) refused: Count,
    pub(crate) stale: Count,
    pub(crate) invalidated: Count,
    load_seconds: Histogram,
}

#[derive(Debug)]
pub(crate) struct Count {
    own: AtomicU64,
    counter: Counter,
}

impl Count {
    const fn of(counter: Counter) -> Self {
        Self { own: AtomicU64::new(0), counter }
    }

    pub(crate) fn one(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
        self.counter.increment(1);
    }

    fn get(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }
}

impl Measured {
    /// Counters under the cache's name, of the recorder that is installed now.
    pub(crate) fn of(cache: &'static str) -> Self {
        let asked = |level: &'static str, result: &'static str| {
            Count::of(metrics::counter!("cache_requests_total", "cache" => cache, "level" => level, "result" => result))
        };
        let loads = |result: &'static str| {
            Count::of(metrics::counter!("cache_loads_total", "cache" => cache, "result" => result))
        };
        Self {
            first_hit: asked("first", "hit"),
            first_miss: asked("first", "miss"),
            second_hit: asked("second", "hit"),
            second_miss: asked("second", "miss"),
            second_failure: asked("second", "failure"),
            load: loads("began"),
            failed_load: loads("failed"),
            refused: loads("refused"),
            joined: loads("joined"),
            stale: Count::of(metrics::counter!("cache_stale_served_total", "cache" => cache)),
            invalidated: Count::of(metrics::counter!("cache_invalidations_total", "cache" => cache)),
            load_seconds: metrics::histogram!("cache_load_duration_seconds", "cache" => cache),
        }
    }

    pub(crate) fn took(&self, time: Duration) {
        self.load_seconds.record(time.as_secs_f64());
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            first_hits: self.first_hit.get(),
            first_misses: self.first_miss.get(),
            second_hits: self.second_hit.get(),
            second_misses: self.second_miss.get(),
            second_failures: self.second_failure.get(),
            loads: self.load.get(),
            failed_loads: self.failed_load.get(),
            joined: self.joined.get(),
            refused: self.refused.get(),
            stale: self.stale.get(),
            invalidations: self.invalidated.get(),
        }
    }
}

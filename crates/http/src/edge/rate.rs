//! Requests per caller.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use madrigal_core::tasks::{self, Instant};
use moka::sync::Cache;

/// The most callers that are told apart at the same time; beyond it the least used start over with a full bucket.
const MAX_CALLERS: u64 = 100_000;
/// How long a quiet caller is remembered; far longer than a bucket takes to fill.
const QUIET: Duration = Duration::from_secs(60);

/// A bucket per caller that holds one second's worth of requests.
///
/// # Source
/// The generic cell rate algorithm (ITU-T I.371, annex A), in its virtual scheduling form: a bucket is one instant.
pub(super) struct RateLimit<K> {
    start: Instant,
    nanos_per_request: u64,
    burst_nanos: u64,
    buckets: Cache<K, Arc<AtomicU64>>,
}

impl<K: Hash + Eq + Send + Sync + 'static> RateLimit<K> {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        let nanos_per_request = (1_000_000_000 / u64::from(per_second.get())).max(1);
        let buckets = Cache::builder().max_capacity(MAX_CALLERS).time_to_idle(QUIET).build();
        Self { start: tasks::instant(), nanos_per_request, burst_nanos: 1_000_000_000, buckets }
    }

    /// Takes one request from the caller's bucket, or says how long until there is one.
    pub(super) fn take(&self, caller: K) -> Result<(), Duration> {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX / 2);
        self.take_at(caller, now)
    }

    fn take_at(&self, caller: K, now: u64) -> Result<(), Duration> {
        let bucket = self.buckets.get_with(caller, Arc::default);
        // The bucket holds the instant at which it will be full again.
        let mut full_at = bucket.load(Ordering::Relaxed);
        loop {
            let after = full_at.max(now) + self.nanos_per_request;
            if after > now + self.burst_nanos {
                return Err(Duration::from_nanos(after - now - self.burst_nanos));
            }
            match bucket.compare_exchange_weak(full_at, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(current) => full_at = current,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_gets_a_burst_and_then_the_rate_and_others_do_not_notice() {
        let limit = RateLimit::new(NonZeroU32::new(10).unwrap());
        assert_eq!((0..20).filter(|_| limit.take_at("a", 0).is_ok()).count(), 10);
        assert_eq!(limit.take_at("a", 0), Err(Duration::from_millis(100)));
        assert_eq!(limit.take_at("b", 0), Ok(()));
        assert_eq!(limit.take_at("a", 100_000_000), Ok(()));
        assert!(limit.take_at("a", 100_000_000).is_err());
    }
}

//! How long the engine waits before it tries again.

use std::time::Duration;

use madrigal_core::Host;

/// A wait before the next attempt: exponential with full jitter, `first` doubled per attempt, at most `cap`.
///
/// # Source
/// Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter spreads competing clients best.
pub(crate) fn backoff(host: &Host, first: Duration, cap: Duration, attempt: u32) -> Duration {
    let ceiling = first.saturating_mul(1u32 << attempt.saturating_sub(1).min(20)).min(cap);
    let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(host.random_u64() % micros + 1)
}

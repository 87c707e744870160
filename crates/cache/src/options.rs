//! How large a cache may grow and how long it waits.

use std::time::Duration;

/// The bounds of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// How much the first level may hold, in bytes as they are weighed: keys, tags, values and what keeping them costs.
    /// Default 16 MiB.
    pub weight: u64,
    /// Invalidations that are remembered, of keys and of tags each. What is pushed out costs loads that are under way their
    /// place in the cache, and lets an owner's late copy through again. Default 16,384.
    pub remembered: usize,
    /// When an expired value is served while the load goes on. Default 250 ms.
    pub soft: Duration,
    /// When a load is given up. Default 5 s.
    pub hard: Duration,
    /// How long the second level may take. Default 250 ms.
    pub second: Duration,
    /// How long the owner is left alone after it failed, where an expired value is served. Default 1 s.
    pub rest: Duration,
}

impl CacheOptions {
    /// The longest key that is kept, in bytes. Longer ones are loaded each time.
    pub const MAX_KEY: usize = 512;
    /// The most tags of an entry. One with more is not kept.
    pub const MAX_TAGS: usize = 16;
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            weight: 16 * 1024 * 1024,
            remembered: 16_384,
            soft: Duration::from_millis(250),
            hard: Duration::from_secs(5),
            second: Duration::from_millis(250),
            rest: Duration::from_secs(1),
        }
    }
}

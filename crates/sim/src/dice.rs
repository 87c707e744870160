//! Chance that follows from a seed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::Randomness;
use madrigal_core::host::SeededRandomness;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A stream of chance. Clones draw from the same stream; each part of a simulation should have one of its own, so that
/// what one part draws does not change what happens to the others.
#[derive(Debug, Clone)]
pub struct Dice(Arc<SeededRandomness>);

impl Dice {
    /// The stream of the part named `part` under a seed.
    pub fn of(seed: u64, part: &str) -> Self {
        Self(Arc::new(SeededRandomness::new(seed_of(seed, part))))
    }

    /// A uniformly random number.
    pub fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// True in `percent` of 100 cases.
    pub fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A duration in whole milliseconds, the tokio clock's resolution.
    pub fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end.saturating_sub(range.start)))
    }

    /// One of several; the slice must not be empty.
    pub fn pick<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or_default()]
    }
}

/// A seed for the part of a simulation that is named so.
pub fn seed_of(seed: u64, part: &str) -> u64 {
    xxh3_64_with_seed(part.as_bytes(), seed)
}

//! The monitor's settings.

use serde::{Deserialize, Serialize};

/// The monitor of copies, in sync-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencySection {
    /// Seconds from the beginning of one sweep by versions to the next. Default 20.
    pub versions_every_seconds: u64,
    /// Seconds from one sweep by contents to the next. Default 900.
    pub content_every_seconds: u64,
    /// The share of its time that a sweep by schedule may work while half of the processors' time is free, in percent, 1 to
    /// 100. Default 25.
    pub share_percent: u32,
    /// The share that is left to it where a tenth of the processors' time is free, in percent, 1 to 100; in between it falls
    /// in a line. Default 5.
    pub share_when_busy_percent: u32,
    /// The share of changes that are looked at just after they were applied, in percent, 0 to 100. Default 100.
    pub sampled_percent: u32,
    /// At most so many of them a second, each in every copy of its row; 0 is none. Default 20.
    pub sampled_rows_per_second: u32,
    /// Rows of one pair that are repaired without a person in an hour, *missing* and *stale* ones only; 0 is none.
    /// Default 100.
    pub repairs_per_hour: u32,
    /// Whether operators may damage copies to see whether that is found; always where the shop is a demo. Default false.
    pub allow_damage: bool,
}

impl Default for ConsistencySection {
    fn default() -> Self {
        Self {
            versions_every_seconds: 20,
            content_every_seconds: 900,
            share_percent: 25,
            share_when_busy_percent: 5,
            sampled_percent: 100,
            sampled_rows_per_second: 20,
            repairs_per_hour: 100,
            allow_damage: false,
        }
    }
}

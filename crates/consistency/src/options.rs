//! How a check is made.

use std::time::Duration;

use crate::pace::Pace;
use crate::row::Detail;

/// How a check is made.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// A version sweep or a content sweep.
    pub detail: Detail,
    /// Rows in a chunk, at least 1.
    pub chunk_rows: u64,
    /// Chunks that are asked for at once, at least 1.
    pub chunks: usize,
    /// Chunks of at most so many rows are compared row by row, 1 to [`crate::row_set::MAX_PAGE`].
    pub leaf_rows: u64,
    /// The longest that one check waits for a copy, all fences together.
    pub patience: Duration,
    /// How often a row that moves is looked at before it counts as unverified, at least 2.
    pub rounds: u32,
    /// How much of the time the check may work; it rests for the others in between.
    pub pace: Pace,
}

impl CheckOptions {
    /// A version sweep that may use all of its time.
    pub const VERSIONS: Self = Self {
        detail: Detail::Versions,
        chunk_rows: 4_096,
        chunks: 16,
        leaf_rows: 256,
        patience: Duration::from_secs(5),
        rounds: 16,
        pace: Pace::FULL,
    };

    /// A content sweep that may use all of its time.
    pub const CONTENT: Self = Self { detail: Detail::Content, chunk_rows: 1_024, chunks: 4, ..Self::VERSIONS };

    /// The sweep of this detail.
    pub const fn of(detail: Detail) -> Self {
        match detail {
            Detail::Versions => Self::VERSIONS,
            Detail::Content => Self::CONTENT,
        }
    }

    /// The same, at this pace.
    #[must_use]
    pub const fn at(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }
}

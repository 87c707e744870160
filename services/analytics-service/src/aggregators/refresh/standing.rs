//! What recomputing found, since the process started.

use std::collections::VecDeque;

use madrigal_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::RefreshReport;

/// How many differences are kept: the newest.
pub const KEPT: usize = 20;

/// Rows of rollups that differed from what the facts come to, and were mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RollupDifference)]
pub struct Difference {
    /// When it was found and mended.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `days` (orders by day and by hour, products and customers of a day) or `customers` (over all days).
    #[schema(value_type = String, example = "days")]
    pub rollup: &'static str,
    /// The day of UTC, or the customers by their numbers.
    #[schema(example = "2026-11-23")]
    pub of: String,
    /// How many rows.
    pub mended: u64,
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefreshStanding {
    /// When everything was recomputed last, to the end, and what came of it.
    pub last: Option<(Timestamp, RefreshReport)>,
    /// When it last broke off because the engine did, if it has not come to its end since.
    pub failed_at: Option<Timestamp>,
    /// How many rows were mended, over all times.
    pub mended: u64,
    /// Which, the newest first, at most [`KEPT`].
    pub differences: VecDeque<Difference>,
}

impl RefreshStanding {
    /// Whether the last time that came to its end found nothing to mend, and none broke off since; where there was none yet,
    /// nothing is known to be wrong.
    pub fn is_calm(&self) -> bool {
        self.failed_at.is_none() && self.last.is_none_or(|(_, report)| report.mended == 0)
    }

    pub(super) fn ended(&mut self, at: Timestamp, report: RefreshReport) {
        self.last = Some((at, report));
        self.failed_at = None;
    }

    pub(super) fn failed(&mut self, at: Timestamp) {
        self.failed_at = Some(at);
    }

    pub(super) fn found(&mut self, difference: Difference) {
        self.mended = self.mended.saturating_add(difference.mended);
        self.differences.push_front(difference);
        self.differences.truncate(KEPT);
    }
}

//! What a check says: of a row, and of a pair.

use std::time::Duration;

use madrigal_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::row::{Detail, Row};

/// What is wrong with a row of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Issue {
    /// The owner has it, the copy has not.
    Missing,
    /// The copy has it, the owner has not (any more).
    Extra,
    /// The copy has an older version than it says to have applied.
    Stale,
    /// The copy has another content under the same version, or a version that the owner has never reached.
    Different,
}

impl Issue {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Extra, Self::Stale, Self::Different];

    /// As in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Stale => "stale",
            Self::Different => "different",
        }
    }
}

/// A row of which the copy does not say what its owner says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Divergence {
    /// The row.
    pub key: String,
    /// What is wrong.
    pub issue: Issue,
    /// The owner's row, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Row>,
    /// The copy's row, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<Row>,
}

/// A copy that has not applied what its owner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// So many positions are missing, over all logs; `None` where it follows another history of a log.
    pub by: Option<u64>,
    /// Since when every look has found it behind.
    pub since: Timestamp,
}

/// What is said of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every row was verified and is equal.
    Consistent,
    /// Rows diverge; they are named.
    Divergent,
    /// Nothing diverges, and not all rows could be verified.
    Unverified,
}

/// What one check of a pair found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairReport {
    /// The pair.
    pub pair: String,
    /// What was compared.
    pub detail: Detail,
    /// When it began: what the owner had then was compared, but for unverified rows.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Rows that are equal.
    pub consistent: u64,
    /// Rows that diverge.
    pub divergent: u64,
    /// Rows that could not be verified: the copy is behind, or they changed whenever they were looked at.
    pub unverified: u64,
    /// How far the copy is behind, if it kept rows from being verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// What kept the pair from being checked to its end, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Rows that diverge, at most [`PairReport::MAX_LISTED`]; all are counted.
    pub divergences: Vec<Divergence>,
    /// What it took.
    pub cost: Cost,
}

impl PairReport {
    /// The most rows that are named.
    pub const MAX_LISTED: usize = 1_000;

    pub(crate) fn begun(pair: &str, detail: Detail, at: Timestamp) -> Self {
        Self {
            pair: pair.to_owned(),
            detail,
            began_at: at,
            ended_at: at,
            consistent: 0,
            divergent: 0,
            unverified: 0,
            behind: None,
            trouble: None,
            divergences: Vec::new(),
            cost: Cost::default(),
        }
    }

    /// A pair that could not be checked at all.
    pub fn failed(pair: &str, detail: Detail, at: Timestamp, trouble: String) -> Self {
        Self { trouble: Some(trouble), ..Self::begun(pair, detail, at) }
    }

    /// All rows that were looked at.
    pub const fn total(&self) -> u64 {
        self.consistent + self.divergent + self.unverified
    }

    /// What is said of the pair.
    pub const fn verdict(&self) -> Verdict {
        if self.divergent > 0 {
            Verdict::Divergent
        } else if self.unverified > 0 || self.trouble.is_some() {
            Verdict::Unverified
        } else {
            Verdict::Consistent
        }
    }

    /// The share of rows that are verified and equal; 1 where there are none.
    #[expect(clippy::cast_precision_loss, reason = "a share for people and metrics")]
    pub fn score(&self) -> f64 {
        if self.total() == 0 { 1.0 } else { self.consistent as f64 / self.total() as f64 }
    }

    pub(crate) fn diverges(&mut self, divergence: Divergence) {
        self.divergent += 1;
        if self.divergences.len() < Self::MAX_LISTED {
            self.divergences.push(divergence);
        }
    }
}

/// What a check took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Rows that digests were made of, at both sides.
    pub digested: u64,
    /// Rows that were read.
    pub rows_read: u64,
    /// Rows that were looked at one by one.
    pub rows_judged: u64,
    /// Pages of rows or digests that were asked for, at both sides.
    pub pages: u64,
    /// How often the copy was waited for.
    pub fences: u64,
    /// The most rows that were in memory at once.
    pub most_rows_held: u64,
    /// The least share of its time that it was to work, in percent: less than the usual one where the machine was busy.
    pub least_share: u32,
    /// How long it worked, waiting for the copy left out.
    #[serde(rename = "workedMillis", with = "millis")]
    pub worked: Duration,
    /// How long it held back for the others.
    #[serde(rename = "restedMillis", with = "millis")]
    pub rested: Duration,
}

impl Default for Cost {
    fn default() -> Self {
        let none = Duration::ZERO;
        Self {
            digested: 0,
            rows_read: 0,
            rows_judged: 0,
            pages: 0,
            fences: 0,
            most_rows_held: 0,
            least_share: 100,
            worked: none,
            rested: none,
        }
    }
}

impl Cost {
    /// How long a page took on average, in milliseconds; `None` where none was asked for.
    #[expect(clippy::cast_precision_loss, reason = "an average for people")]
    pub fn millis_a_page(&self) -> Option<f64> {
        let pages = (self.pages > 0).then_some(self.pages as f64)?;
        Some(self.worked.as_secs_f64() * 1_000.0 / pages)
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

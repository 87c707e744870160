//! Repair: the owner's row once more into the copy, where the copy still is what was seen.

use madrigal_core::{Fault, Host, RowVersion, Timestamp};
use serde::{Deserialize, Serialize};

use crate::options::CheckOptions;
use crate::pair::Pair;
use crate::row::{Detail, Row};
use crate::row_set::{RepairRow, Repaired, Seen};
use crate::verdict::{Divergence, Issue, Verdict};

/// What became of one row's repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// It would be repaired: this was a dry run.
    WouldRepair,
    /// The copy says what its owner says now; it was looked at afterwards.
    Repaired,
    /// It needed none: the row was equal when it was looked at again.
    Healed,
    /// It cannot be said whether it diverges: the copy is behind, or the row moves.
    Unverified,
    /// The copy changed between the look and the write, every time.
    Contended,
    /// It was written and diverges still.
    StillDivergent,
    /// The copy does not allow it.
    Refused {
        /// Why.
        why: String,
    },
}

/// One row's repair, for the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepairEntry {
    /// The pair.
    pub pair: String,
    /// When.
    pub at: Timestamp,
    /// Who asked for it: an operator, or `policy`.
    pub by: String,
    /// The row as it diverged when it was looked at again (or was reported, where it does no more).
    pub divergence: Divergence,
    /// What became of it.
    pub outcome: Outcome,
}

/// How often a row is looked at and written while somebody else writes it too.
const ATTEMPTS: u32 = 5;

impl Pair {
    /// Repairs one row that was reported: looks at it again, and where it still diverges writes the owner's row into the
    /// copy, if that is what was seen; then looks whether it did help. Without `apply` nothing is written.
    ///
    /// # Errors
    /// A [`Fault`] if the owner or the copy does not answer.
    ///
    /// # Cancellation
    /// Safe to repeat: a row is repaired or not.
    pub async fn repair(&self, reported: Divergence, apply: bool, by: &str, host: &Host) -> Result<RepairEntry, Fault> {
        let mut divergence = reported;
        let mut outcome = Outcome::Contended;
        for attempt in 0..ATTEMPTS {
            match self.look_again(&divergence.key, host).await? {
                Look::Divergent(now) => divergence = now,
                Look::Consistent => {
                    outcome = if attempt == 0 { Outcome::Healed } else { Outcome::Repaired };
                    break;
                }
                Look::Unverified => {
                    outcome = Outcome::Unverified;
                    break;
                }
            }
            if !apply {
                outcome = Outcome::WouldRepair;
                break;
            }
            let fields = &self.described().fields;
            let repair = RepairRow {
                key: divergence.key.clone(),
                seen: divergence.copy.as_ref().map(|copy| Seen::of(copy, fields)),
                fields: fields.clone(),
                row: self.wanted(&divergence).await?,
            };
            outcome = match self.copy.repair(repair).await? {
                Repaired::Changed => continue,
                Repaired::Refused { why } => Outcome::Refused { why },
                Repaired::Done => match self.look_again(&divergence.key, host).await? {
                    Look::Consistent => Outcome::Repaired,
                    Look::Divergent(_) => Outcome::StillDivergent,
                    Look::Unverified => Outcome::Unverified,
                },
            };
            break;
        }
        Ok(RepairEntry { pair: self.name().to_owned(), at: host.now(), by: by.to_owned(), divergence, outcome })
    }

    /// What the copy should have. Where the owner has no row it may know the last version of its key: a tombstone that is newer
    /// than everything.
    async fn wanted(&self, divergence: &Divergence) -> Result<Option<Row>, Fault> {
        if divergence.owner.is_some() {
            return Ok(divergence.owner.clone());
        }
        let epoch = divergence.copy.as_ref().and_then(|copy| copy.version).map_or(1, |version| version.epoch().max(1));
        let Ok(last) = RowVersion::new(epoch, RowVersion::MAX_COUNT) else { return Ok(None) };
        let told = self.owner.history(&divergence.key, last, last).await?;
        Ok(told.and_then(|mut rows| rows.pop()).filter(|row| row.deleted))
    }

    async fn look_again(&self, key: &str, host: &Host) -> Result<Look, Fault> {
        let keys = [key.to_owned()];
        let mut report = self.check_rows(&keys, &CheckOptions::of(Detail::Content), host).await;
        if let Some(trouble) = report.trouble {
            return Err(Fault::not_applied("consistency", "look-again", trouble));
        }
        Ok(match (report.verdict(), report.divergences.pop()) {
            (Verdict::Divergent, Some(divergence)) => Look::Divergent(divergence),
            (Verdict::Consistent, _) => Look::Consistent,
            _ => Look::Unverified,
        })
    }
}

enum Look {
    Divergent(Divergence),
    Consistent,
    Unverified,
}

/// Which rows of a pair may be repaired without a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What may be.
    pub automatic: Vec<Issue>,
    /// At most so many rows of the pair in an hour.
    pub per_hour: u32,
}

impl Policy {
    /// *Missing* and *stale* rows: writing them can take nothing away that anybody else has.
    pub fn careful(per_hour: u32) -> Self {
        Self { automatic: vec![Issue::Missing, Issue::Stale], per_hour }
    }

    /// Nothing.
    pub const fn ask() -> Self {
        Self { automatic: Vec::new(), per_hour: 0 }
    }

    /// Whether a row with this issue may be.
    pub fn allows(&self, issue: Issue) -> bool {
        self.automatic.contains(&issue)
    }
}

/// How much of a policy's hour is used.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    began: Timestamp,
    used: u32,
}

impl Budget {
    /// Takes one repair out of the hour; false where the hour has none left.
    pub fn take(&mut self, policy: &Policy, now: Timestamp) -> bool {
        if now.since(self.began).as_secs() >= 3_600 {
            *self = Self { began: now, used: 0 };
        }
        let left = self.used < policy.per_hour;
        self.used += u32::from(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_hour_has_as_many_repairs_as_the_policy_says() {
        let (policy, mut budget) = (Policy::careful(2), Budget::default());
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        assert_eq!([0, 1, 2].map(|_| budget.take(&policy, now)), [true, true, false]);
        let later = now.plus(Duration::from_secs(3_600));
        assert!(budget.take(&policy, later));
        assert!(!Budget::default().take(&Policy::ask(), now));
        assert!(policy.allows(Issue::Stale) && !policy.allows(Issue::Different) && !policy.allows(Issue::Extra));
    }
}

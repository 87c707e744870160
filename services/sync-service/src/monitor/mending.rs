//! Repairs: by hand, by policy, and their record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Budget, CheckOptions, Damage, Detail, Divergence, KeyRange, Outcome, Planted, Policy, RepairEntry,
};
use madrigal_core::Fault;
use madrigal_sqlite::{Database, Migration};
use serde::{Deserialize, Serialize};

use super::Monitor;
use super::pairs::DeclaredPair;
use super::state::PairState;
use crate::capture::Retold;

/// The most rows that one run may repair.
pub const CEILING: usize = 500;
/// Rows of one step of a rebuild.
const STEP: usize = 200;
/// Entries of the record that are kept; older ones go.
const KEPT: i64 = 10_000;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "the record of repairs",
    sql: "CREATE TABLE repairs (id INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL) STRICT;",
}];

/// A repair as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// What was done.
    #[serde(flatten)]
    pub entry: RepairEntry,
    /// Why, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The record of repairs, and what the policy has used of its hour.
#[derive(Debug)]
pub struct Repairs {
    database: Database,
    budgets: Mutex<BTreeMap<&'static str, Budget>>,
}

impl Repairs {
    pub(super) async fn open(database: Database) -> Result<Self, Fault> {
        database.migrate("monitor", STEPS).await?;
        Ok(Self { database, budgets: Mutex::default() })
    }

    async fn record(&self, entry: &Recorded) -> Result<(), Fault> {
        // What the rows said may be personal, and this record outlives them.
        let mut entry = entry.clone();
        for row in [&mut entry.entry.divergence.owner, &mut entry.entry.divergence.copy].into_iter().flatten() {
            row.content = None;
        }
        let text =
            serde_json::to_string(&entry).map_err(|error| Fault::permanent("monitor", "record repair", error))?;
        let written = self.database.write("record-repair", move |tx| {
            tx.execute("INSERT INTO repairs (entry) VALUES (?1)", [text])?;
            tx.execute("DELETE FROM repairs WHERE id <= (SELECT max(id) FROM repairs) - ?1", [KEPT])?;
            Ok(())
        });
        written.await
    }

    /// The latest entries, newest first.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn latest(&self, limit: usize) -> Result<Vec<Recorded>, Fault> {
        let limit = i64::try_from(limit.min(1_000)).unwrap_or(1_000);
        let read = self.database.read("list-repairs", move |connection| {
            let mut select = connection.prepare_cached("SELECT entry FROM repairs ORDER BY id DESC LIMIT ?1")?;
            let rows = select.query_map([limit], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<String>, _>>()
        });
        let entries = read.await?;
        Ok(entries.iter().filter_map(|entry| serde_json::from_str(entry).ok()).collect())
    }

    fn allows(&self, pair: &'static str, policy: &Policy, now: madrigal_core::Timestamp) -> bool {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.entry(pair).or_default().take(policy, now)
    }
}

impl Monitor {
    /// Repairs one row that was reported; without `apply` only says what would be done.
    ///
    /// # Errors
    /// A [`Fault`] where the services do not answer, or the pair is not there (any more).
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn repair(
        &self,
        declared: DeclaredPair,
        divergence: Divergence,
        apply: bool,
        by: &str,
    ) -> Result<RepairEntry, Fault> {
        Ok(self.repair_because(declared, divergence, apply, by, None).await?.entry)
    }

    /// As [`Monitor::repair`], with a reason that is kept in the record.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn repair_because(
        &self,
        declared: DeclaredPair,
        divergence: Divergence,
        apply: bool,
        by: &str,
        reason: Option<String>,
    ) -> Result<Recorded, Fault> {
        let found = self.parts.pairs.find(Some(declared.name)).await;
        let Some((_, pair)) = found.pairs.into_iter().next() else {
            return Err(Fault::not_applied("monitor", "repair", format!("{} cannot be compared", declared.name)));
        };
        let key = divergence.key.clone();
        let entry = pair.repair(divergence, apply, by, &self.parts.host).await?;
        if matches!(entry.outcome, Outcome::Repaired | Outcome::Healed) {
            self.parts.states.cured(declared.name, &key, self.parts.host.now());
        }
        let entry = Recorded { entry, reason };
        if apply {
            tracing::info!(pair = declared.name, outcome = ?entry.entry.outcome, by, "a row of a copy was repaired");
            self.parts.repairs.record(&entry).await?;
        }
        Ok(entry)
    }

    /// Damages a row of this pair's copy, if the service that keeps it allows that; `None` where there is no such pair.
    ///
    /// # Errors
    /// A [`Fault`] where the service does not answer.
    ///
    /// # Cancellation
    /// The damage may or may not be done.
    pub async fn plant(&self, pair: &str, key: &str, damage: Damage) -> Result<Option<Planted>, Fault> {
        let found = self.parts.pairs.find(Some(pair)).await;
        match found.pairs.into_iter().next() {
            Some((_, pair)) => pair.copy().plant(key, damage).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes a copy's rows behind the key `after` what their owner has, as many as one step takes: each that diverges is
    /// repaired, of whatever kind it is. What became of them, and where the next step goes on (`None` at the end). Single rows
    /// are not recorded.
    ///
    /// # Errors
    /// A [`Fault`] where the services do not answer, or the pair is not there.
    ///
    /// # Cancellation
    /// Some rows may be repaired; safe to repeat.
    pub async fn retell(
        &self,
        declared: DeclaredPair,
        after: Option<String>,
        by: &str,
    ) -> Result<(Retold, Option<String>), Fault> {
        let found = self.parts.pairs.find(Some(declared.name)).await;
        let Some((_, pair)) = found.pairs.into_iter().next() else {
            return Err(Fault::not_applied("monitor", "retell", format!("{} cannot be compared", declared.name)));
        };
        let page = || PageRead {
            range: KeyRange { after: after.clone(), through: None },
            limit: STEP,
            detail: Detail::Versions,
        };
        let copied = pair.copy().read_page(page()).await?.rows;
        // A copy of some rows has none of its owner's too few.
        let owned = if pair.described().partial { Vec::new() } else { pair.owner().read_page(page()).await?.rows };
        let full = [&copied, &owned].into_iter().filter(|rows| rows.len() >= STEP);
        let through = full.filter_map(|rows| rows.last()).map(|row| row.key.clone()).min();
        let keys: BTreeSet<String> = [copied, owned]
            .into_iter()
            .flatten()
            .map(|row| row.key)
            .filter(|key| through.as_ref().is_none_or(|through| key <= through))
            .collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let report = pair.check_rows(&keys, &CheckOptions::of(Detail::Content), &self.parts.host).await;
        if let Some(trouble) = report.trouble {
            return Err(Fault::not_applied("monitor", "retell", trouble));
        }
        let mut retold = Retold { rows: report.consistent, left: report.unverified, ..Retold::default() };
        for divergence in report.divergences {
            let key = divergence.key.clone();
            let entry = pair.repair(divergence, true, by, &self.parts.host).await?;
            let wanted = entry.divergence.owner.is_some_and(|row| !row.deleted);
            retold.rows += u64::from(wanted);
            match entry.outcome {
                Outcome::Repaired if wanted => retold.written += 1,
                Outcome::Repaired => retold.removed += 1,
                Outcome::Healed => {}
                _ => retold.left += 1,
            }
            if matches!(entry.outcome, Outcome::Repaired | Outcome::Healed) {
                self.parts.states.cured(declared.name, &key, self.parts.host.now());
            }
        }
        Ok((retold, through))
    }

    /// The record of repairs, newest first.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn repairs(&self, limit: usize) -> Result<Vec<Recorded>, Fault> {
        self.parts.repairs.latest(limit).await
    }

    /// Repairs what these pairs diverge in, whatever it is, up to [`CEILING`] rows.
    pub(super) async fn repair_all(&self, states: &[PairState], by: &str) {
        let mut rows: Vec<(DeclaredPair, Divergence)> = Vec::new();
        for state in states {
            let left = CEILING - rows.len();
            rows.extend(state.report.divergences.iter().take(left).map(|row| (state.declared, row.clone())));
        }
        for (declared, row) in rows {
            self.repair_or_tell(declared, row, by).await;
        }
    }

    /// Repairs what the policy allows.
    pub(super) async fn repair_by_policy(&self, states: &[PairState]) {
        let policy = Policy::careful(self.parts.config.repairs_per_hour);
        let mut rows: Vec<(DeclaredPair, Divergence)> = Vec::new();
        for state in states {
            for row in state.report.divergences.iter().filter(|row| policy.allows(row.issue)) {
                let now = self.parts.host.now();
                if rows.len() >= CEILING || !self.parts.repairs.allows(state.declared.name, &policy, now) {
                    break;
                }
                rows.push((state.declared, row.clone()));
            }
        }
        for (declared, row) in rows {
            self.repair_or_tell(declared, row, "policy").await;
        }
    }

    async fn repair_or_tell(&self, declared: DeclaredPair, row: Divergence, by: &str) {
        if let Err(fault) = self.repair(declared, row, true, by).await {
            tracing::warn!(pair = declared.name, error = %fault.chain(), "a row could not be repaired");
        }
    }
}

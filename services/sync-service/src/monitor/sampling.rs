//! The first tier: some of the changes, each looked at just after it was applied.
//!
//! Once a second the owners are asked which rows the last events changed, and some of them are compared in every copy of
//! theirs, by the rule for single rows: the owner is read, the copy waited for until it says to have applied as much, and
//! then read by content. So a projection that folds wrongly is found with the first rows that it touches, and not by the
//! next sweep by contents. It costs the same whatever the shop does: at most a stated number of rows a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use madrigal_consistency::{CheckOptions, Pair, PairReport};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{PositionToken, Timestamp};
use metrics::counter;
use serde::Serialize;
use utoipa::ToSchema;

use super::Monitor;
use super::pairs::DeclaredPair;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);
/// How many of the newest events are looked through for rows that they changed.
const WINDOW: usize = 256;
/// A copy that is further behind has its rows counted as unverified.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was looked at just after it was applied, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sampled {
    /// Rows that were looked at and are equal.
    pub consistent: u64,
    /// Rows that diverged then.
    pub divergent: u64,
    /// Rows that could not be verified: the copy was behind for longer than a second, or they moved.
    pub unverified: u64,
    /// When the last ones were looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
}

/// What was sampled, by pair.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<BTreeMap<&'static str, Sampled>>);

impl Samples {
    /// What was sampled of a pair.
    pub(super) fn of(&self, pair: &str) -> Option<Sampled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(pair).copied()
    }

    fn add(&self, pair: &'static str, report: &PairReport) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sampled = samples.entry(pair).or_default();
        sampled.consistent += report.consistent;
        sampled.divergent += report.divergent;
        sampled.unverified += report.unverified;
        sampled.last_at = Some(report.ended_at);
    }
}

/// How far each owner was looked at.
type Looked = BTreeMap<&'static str, PositionToken>;

impl Monitor {
    /// Looks at changes until `stop`; not at all where no share of them is wanted.
    pub(super) async fn sample_changes(&self, stop: StopSignal) {
        let mut looked = Looked::new();
        let config = &self.parts.config;
        let wanted = config.sampled_share > 0 && config.sampled_per_second > 0;
        while wanted && !tasks::sleep_or_stopped(EVERY, &stop).await {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look_at_changes(&mut looked) => {}
            }
        }
    }

    async fn look_at_changes(&self, looked: &mut Looked) {
        let mut owners: BTreeMap<&'static str, Vec<(DeclaredPair, Arc<Pair>)>> = BTreeMap::new();
        for (declared, pair) in self.parts.pairs.known() {
            owners.entry(declared.owner).or_default().push((declared, pair));
        }
        let mut changed = Vec::new();
        for (owner, pairs) in owners {
            let Some((_, first)) = pairs.first() else { continue };
            match first.owner().changed(looked.get(owner).cloned(), WINDOW).await {
                Ok(Some(changes)) => {
                    looked.insert(owner, changes.through);
                    changed.push((pairs, self.drawn(changes.keys)));
                }
                Ok(None) => {}
                // The next sweep says what is wrong with it.
                Err(fault) => tracing::debug!(owner, error = %fault.chain(), "changes could not be looked at"),
            }
        }
        let busy = changed.iter().filter(|(_, keys)| !keys.is_empty()).count().max(1);
        let most = (self.parts.config.sampled_per_second as usize / busy).max(1);
        let mut looks = Vec::new();
        for (pairs, mut keys) in changed.into_iter().filter(|(_, keys)| !keys.is_empty()) {
            keys.truncate(most);
            looks.extend(pairs.into_iter().map(|(declared, pair)| self.look_at(declared, pair, keys.clone())));
        }
        join_all(looks).await;
    }

    /// Some of the keys, in any order: each with the probability that is configured.
    fn drawn(&self, keys: Vec<String>) -> Vec<String> {
        let (host, share) = (&self.parts.host, u64::from(self.parts.config.sampled_share.min(100)));
        let drawn = keys.into_iter().filter(|_| host.random_u64() % 100 < share);
        let mut drawn: Vec<(u64, String)> = drawn.map(|key| (host.random_u64(), key)).collect();
        drawn.sort_unstable();
        drawn.into_iter().map(|(_, key)| key).collect()
    }

    async fn look_at(&self, declared: DeclaredPair, pair: Arc<Pair>, keys: Vec<String>) {
        let options = CheckOptions { patience: PATIENCE, rounds: 4, ..CheckOptions::CONTENT };
        let report = pair.check_rows(&keys, &options, &self.parts.host).await;
        if report.trouble.is_some() {
            return;
        }
        self.parts.samples.add(declared.name, &report);
        for (verdict, rows) in
            [("consistent", report.consistent), ("divergent", report.divergent), ("unverified", report.unverified)]
        {
            counter!("consistency_sampled_rows_total", "pair" => declared.name, "verdict" => verdict).increment(rows);
        }
        if report.divergent > 0 {
            self.sampled(declared, report);
        }
    }
}

//! What was found of each pair: the latest sweep, and what content sweeps found that versions do not tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use madrigal_consistency::{Content, Detail, Divergence, PairReport, Verdict};
use madrigal_core::Timestamp;

use super::books;
use super::pairs::DeclaredPair;

/// What is known of a pair.
#[derive(Debug, Clone)]
pub struct PairState {
    /// Which.
    pub declared: DeclaredPair,
    /// The latest sweep, with what earlier content sweeps found and is so still.
    pub report: PairReport,
    /// When the last content sweep ended.
    pub content_at: Option<Timestamp>,
    /// Every row that its owner had then was verified, but for those that are counted as unverified since they moved whenever
    /// they were looked at; a sweep that did not come to its end, or met a copy that was behind, leaves it where it was.
    pub verified_through: Option<Timestamp>,
    /// When each row that diverges was first found, by key.
    pub found_at: BTreeMap<String, Timestamp>,
    /// Since when it could not be checked to its end, or its copy was found behind, every time.
    pub unverified_since: Option<Timestamp>,
    /// How many rows the last sweep that came to its end looked at.
    pub rows: Option<u64>,
}

impl PairState {
    /// What is said of the pair.
    pub const fn verdict(&self) -> Verdict {
        self.report.verdict()
    }

    /// Whether something kept it from being checked to its end; a book that has not come there yet is behind, not broken.
    pub fn is_broken(&self) -> bool {
        is_broken(&self.declared, &self.report)
    }

    /// The same, where nobody has looked at it since and somebody should have: what was equal is unverified since then.
    #[must_use]
    pub(super) fn forgotten(mut self) -> Self {
        let (at, report) = (self.report.ended_at, &mut self.report);
        report.unverified = (report.unverified + report.consistent).max(1);
        report.consistent = 0;
        report.trouble.get_or_insert_with(|| format!("it was not checked since {at}"));
        self.unverified_since.get_or_insert(at);
        self
    }
}

fn is_broken(declared: &DeclaredPair, report: &PairReport) -> bool {
    report.trouble.is_some() && !(report.behind.is_some() && books::is_of_sagas(declared.name))
}

/// The id of a row that diverges: the same as long as it does, whenever it is found.
pub fn divergence_id(pair: &str, key: &str) -> String {
    format!("{:016x}", Content::new().with("pair", pair).with("key", key).hash(&[]))
}

/// All pairs' states.
#[derive(Debug, Default)]
pub struct States {
    pairs: Mutex<BTreeMap<&'static str, PairState>>,
    /// Rows of each pair that were cured, oldest first, at most [`CURES_KEPT`]: a check that began before knows nothing of it.
    cures: Mutex<BTreeMap<&'static str, VecDeque<(String, Timestamp)>>>,
}

/// How many cures of a pair are remembered: twice as many as one run repairs.
const CURES_KEPT: usize = 1_000;

impl States {
    /// All of them, by name.
    pub fn all(&self) -> Vec<PairState> {
        self.states().values().cloned().collect()
    }

    /// One pair's.
    pub fn of(&self, name: &str) -> Option<PairState> {
        self.states().get(name).cloned()
    }

    /// The row with this id that diverges.
    pub fn divergence(&self, id: &str) -> Option<(DeclaredPair, Divergence)> {
        self.states().values().find_map(|state| {
            let name = state.declared.name;
            let found = state.report.divergences.iter().find(|row| divergence_id(name, &row.key) == id);
            found.map(|row| (state.declared, row.clone()))
        })
    }

    /// Takes in a sweep. Where it did not come to its end, what it did not see is unverified: of the `owned` rows that the owner
    /// has, else of those that the last whole sweep looked at, else of one.
    pub fn swept(&self, declared: DeclaredPair, mut report: PairReport, owned: Option<u64>) -> PairState {
        self.leave_out_cured(declared.name, &mut report);
        let mut states = self.states();
        let before = states.remove(declared.name);
        let (rows_before, unverified_before) =
            before.as_ref().map_or((None, None), |it| (it.rows, it.unverified_since));
        let (content_before, verified_before, mut known) =
            before.map_or((None, None, BTreeMap::new()), |it| (it.content_at, it.verified_through, it.found_at));
        let whole = report.trouble.is_none() && report.behind.is_none();
        let rows = if report.trouble.is_none() { Some(report.total()) } else { rows_before };
        if report.trouble.is_some() {
            let all = owned.or(rows_before).filter(|_| is_broken(&declared, &report)).unwrap_or(0);
            let unseen = all.saturating_sub(report.consistent + report.divergent);
            report.unverified = report.unverified.max(unseen).max(1);
        }
        let since = report.behind.map_or(report.began_at, |behind| behind.since);
        let unverified_since = if whole { None } else { Some(unverified_before.unwrap_or(since)) };
        // A sweep by contents takes long: one by versions that began later may have ended before it.
        let verified_through = if whole { verified_before.max(Some(report.began_at)) } else { verified_before };
        let deep = report.detail == Detail::Content && report.trouble.is_none();
        let content_at = if deep { Some(report.ended_at) } else { content_before };
        let found_at = report.divergences.iter().map(|row| {
            let first = known.remove(&row.key).unwrap_or(report.ended_at);
            (row.key.clone(), first)
        });
        let found_at = found_at.collect();
        let state = PairState { declared, report, content_at, verified_through, found_at, unverified_since, rows };
        states.insert(declared.name, state.clone());
        state
    }

    /// Takes in rows that were found to diverge beside the sweeps; the sweeps look at them again.
    pub fn found(&self, declared: DeclaredPair, mut found: PairReport) -> PairState {
        self.leave_out_cured(declared.name, &mut found);
        let mut states = self.states();
        let at = found.ended_at;
        let state = states.entry(declared.name).or_insert_with(|| PairState {
            declared,
            report: PairReport { divergent: 0, divergences: Vec::new(), ..found.clone() },
            content_at: None,
            verified_through: None,
            found_at: BTreeMap::new(),
            unverified_since: None,
            rows: None,
        });
        let report = &mut state.report;
        for row in found.divergences {
            let known = report.divergences.iter().position(|known| known.key == row.key);
            match known {
                Some(known) => report.divergences[known] = row,
                None if report.divergences.len() < PairReport::MAX_LISTED => {
                    state.found_at.insert(row.key.clone(), at);
                    report.divergent += 1;
                    report.consistent = report.consistent.saturating_sub(1);
                    report.divergences.push(row);
                }
                None => {}
            }
        }
        state.clone()
    }

    /// Takes in that a row was looked at once more and is equal now.
    pub fn cured(&self, pair: &'static str, key: &str, at: Timestamp) {
        {
            let mut cures = self.cures.lock().unwrap_or_else(PoisonError::into_inner);
            let cures = cures.entry(pair).or_default();
            cures.push_back((key.to_owned(), at));
            if cures.len() > CURES_KEPT {
                cures.pop_front();
            }
        }
        if let Some(state) = self.states().get_mut(pair) {
            let rows = &mut state.report.divergences;
            let before = rows.len();
            rows.retain(|row| row.key != key);
            let cured = (before - rows.len()) as u64;
            state.report.divergent -= cured;
            state.report.consistent += cured;
            state.found_at.remove(key);
        }
    }

    /// What a check that began before a row was cured says of that row is over.
    fn leave_out_cured(&self, pair: &str, report: &mut PairReport) {
        let cures = self.cures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cures) = cures.get(pair) else { return };
        let (began, before) = (report.began_at, report.divergences.len());
        let is_cured = |key: &str| cures.iter().any(|(cured, at)| *at >= began && cured == key);
        report.divergences.retain(|row| !is_cured(&row.key));
        let cured = (before - report.divergences.len()) as u64;
        report.divergent -= cured;
        report.consistent += cured;
    }

    fn states(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, PairState>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The report of a version sweep, with rows that an earlier content sweep found, were looked at again (`again`), and diverge
/// still: the sweep by versions took them as equal.
pub fn with_known(mut sweep: PairReport, again: PairReport) -> PairReport {
    for row in again.divergences {
        if sweep.divergences.iter().all(|known| known.key != row.key) {
            sweep.divergent += 1;
            sweep.consistent = sweep.consistent.saturating_sub(1);
            if sweep.divergences.len() < PairReport::MAX_LISTED {
                sweep.divergences.push(row);
            }
        }
    }
    sweep
}

#[cfg(test)]
mod tests {
    use madrigal_consistency::Issue;

    use super::super::pairs::PAIRS;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn one_row_differs(began: i64) -> PairReport {
        let row = Divergence { key: "lute".to_owned(), issue: Issue::Different, owner: None, copy: None };
        let report = PairReport::failed(PAIRS[0].name, Detail::Content, at(began), String::new());
        PairReport { trouble: None, divergent: 1, divergences: vec![row], ended_at: at(began + 9), ..report }
    }

    #[test]
    fn rows_that_a_later_sweep_verified_stay_verified_when_an_earlier_one_ends() {
        let (states, pair) = (States::default(), PAIRS[0]);
        let whole = |began| PairReport { divergent: 0, divergences: Vec::new(), ..one_row_differs(began) };
        for began in [20, 1] {
            assert_eq!(states.swept(pair, whole(began), None).verified_through, Some(at(20)));
        }
        assert_eq!(states.swept(pair, whole(21), None).verified_through, Some(at(21)));
    }

    #[test]
    fn a_check_that_began_before_a_row_was_cured_does_not_bring_it_back() {
        let (states, pair) = (States::default(), PAIRS[0]);
        states.swept(pair, one_row_differs(1), None);
        states.cured(pair.name, "lute", at(20));
        for late in [states.found(pair, one_row_differs(15)), states.swept(pair, one_row_differs(15), None)] {
            assert_eq!((late.report.divergent, late.report.consistent), (0, 1));
            assert!(late.report.divergences.is_empty());
        }
        assert_eq!(states.found(pair, one_row_differs(21)).report.divergent, 1, "it differs again");
    }
}

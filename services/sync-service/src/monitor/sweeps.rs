//! Checks: as asked for, and by schedule.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use madrigal_consistency::{CheckOptions, Detail, Pair, PairReport, Verdict};
use madrigal_core::tasks::{self, Instant, StopSignal};
use metrics::gauge;

use super::pairs::DeclaredPair;
use super::report::Report;
use super::state::{PairState, with_known};
use super::{Monitor, books};

/// How long operators' checks are remembered: so many of them.
const REMEMBERED: usize = 20;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckAsked {
    /// Contents too.
    pub deep: bool,
    /// One pair only.
    pub pair: Option<String>,
    /// Rows that diverge are repaired afterwards, by this operator; all kinds of them.
    pub repair_as: Option<String>,
}

/// Checks that operators asked for: running, and done.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<VecDeque<(String, Option<Report>)>>);

impl Running {
    fn begin(&self, id: String) {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.push_back((id, None));
        if checks.len() > REMEMBERED {
            checks.pop_front();
        }
    }

    fn end(&self, id: &str, report: &Report) {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(check) = checks.iter_mut().find(|check| check.0 == id) {
            check.1 = Some(report.clone());
        }
    }

    /// The check with this id, and its report if it is done.
    pub(crate) fn of(&self, id: &str) -> Option<Option<Report>> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().find(|check| check.0 == id).map(|check| check.1.clone())
    }
}

impl Monitor {
    /// Checks all pairs, or one, at full speed; the report is of the pairs that were checked.
    ///
    /// # Cancellation
    /// Safe: pairs that were checked are in the next report.
    pub async fn check(&self, asked: &CheckAsked) -> Report {
        let detail = if asked.deep { Detail::Content } else { Detail::Versions };
        let checked = self.sweep(detail, asked.pair.as_deref(), 100).await;
        let mut names: Vec<&str> = checked.iter().map(|state| state.declared.name).collect();
        if let Some(by) = &asked.repair_as {
            self.repair_all(&checked, by).await;
            // What was repaired is looked at once more, with everything else.
            let again = self.sweep(detail, asked.pair.as_deref(), 100).await;
            names = again.iter().map(|state| state.declared.name).collect();
        }
        let states: Vec<PairState> = names.iter().filter_map(|name| self.parts.states.of(name)).collect();
        Report::of(&states, self.parts.host.now())
    }

    /// Begins such a check in the background; its id, by which its report is asked for.
    pub fn begin_check(&self, asked: CheckAsked) -> String {
        let id = self.parts.host.uuid_v7().simple().to_string();
        self.parts.running.begin(id.clone());
        let (monitor, name) = (self.clone(), id.clone());
        tasks::spawn("consistency-check", async move {
            let report = monitor.check(&asked).await;
            monitor.parts.running.end(&name, &report);
        });
        id
    }

    pub(super) async fn sweep_by_schedule(&self, stop: StopSignal) {
        let config = &self.parts.config;
        let mut last_content: Option<Instant> = None;
        loop {
            // First by versions: it is quick, and so is the first word after a start.
            let deep = last_content.is_some_and(|last| last.elapsed() >= config.content_every);
            if deep || last_content.is_none() {
                last_content = Some(tasks::instant());
            }
            let began = tasks::instant();
            let detail = if deep { Detail::Content } else { Detail::Versions };
            tokio::select! {
                () = stop.cancelled() => return,
                swept = self.sweep(detail, None, config.share) => self.repair_by_policy(&swept).await,
            }
            let rest = config.versions_every.saturating_sub(began.elapsed()).max(config.versions_every / 4);
            if tasks::sleep_or_stopped(rest, &stop).await {
                return;
            }
        }
    }

    /// Sweeps all pairs, or one, one after the other.
    async fn sweep(&self, detail: Detail, only: Option<&str>, share: u32) -> Vec<PairState> {
        let found = self.parts.pairs.find(only).await;
        let mut swept = BTreeMap::new();
        for (declared, trouble) in found.troubles {
            let report = PairReport::failed(declared.name, detail, self.parts.host.now(), trouble);
            swept.insert(declared.name, self.noted(declared, report));
        }
        for (declared, pair) in found.pairs {
            let report = self.sweep_pair(declared, &pair, detail, share).await;
            swept.insert(declared.name, self.noted(declared, report));
            if detail == Detail::Content && declared.copy == books::STOCK.copy {
                let report = books::check(&pair, &self.parts.host).await;
                swept.insert(books::STOCK.name, self.noted(books::STOCK, report));
            }
        }
        swept.into_values().collect()
    }

    async fn sweep_pair(&self, declared: DeclaredPair, pair: &Arc<Pair>, detail: Detail, share: u32) -> PairReport {
        let host = &self.parts.host;
        let sweep = pair.check(&CheckOptions::of(detail).sharing(share), host).await;
        let known = self.parts.states.of(declared.name).map(|state| state.report.divergences).unwrap_or_default();
        if detail == Detail::Content || known.is_empty() {
            return sweep;
        }
        let keys: Vec<String> = known.into_iter().map(|row| row.key).collect();
        let again = pair.check_rows(&keys, &CheckOptions::CONTENT, host).await;
        with_known(sweep, again)
    }

    fn noted(&self, declared: DeclaredPair, report: PairReport) -> PairState {
        let state = self.parts.states.swept(declared, report);
        measure(&state);
        self.measure_scores(declared);
        let report = &state.report;
        if state.verdict() == Verdict::Divergent {
            let (pair, divergent) = (declared.name, report.divergent);
            tracing::warn!(pair, divergent, rows = report.total(), "a copy diverges from its owner");
        }
        state
    }
}

impl Monitor {
    /// A service keeps several copies of one kind: their rows count together.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn measure_scores(&self, of: DeclaredPair) {
        let states = self.parts.states.all();
        let same = |state: &&PairState| {
            (state.declared.service, state.declared.entity) == (of.service, of.entity) && state.report.trouble.is_none()
        };
        let rows = states.iter().filter(same).map(|state| (state.report.consistent, state.report.total()));
        let (consistent, total) = rows.fold((0, 0), |sum, rows| (sum.0 + rows.0, sum.1 + rows.1));
        let score = if total == 0 { 1.0 } else { consistent as f64 / total as f64 };
        gauge!("data_consistency_score", "service" => of.service, "entity_type" => of.entity).set(score);
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn measure(state: &PairState) {
    let (declared, report) = (state.declared, &state.report);
    for (verdict, rows) in
        [("consistent", report.consistent), ("divergent", report.divergent), ("unverified", report.unverified)]
    {
        gauge!("consistency_rows", "pair" => declared.name, "verdict" => verdict).set(rows as f64);
    }
    if report.trouble.is_none() {
        gauge!("consistency_last_check_timestamp_seconds", "pair" => declared.name)
            .set(report.ended_at.as_seconds() as f64);
    }
}

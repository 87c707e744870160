//! Checks: as asked for, and by schedule.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madrigal_consistency::{
    CheckOptions, Cut, Detail, DigestAsk, DynRowSet, KeyRange, Pace, Pair, PairReport, Verdict,
};
use madrigal_core::Timestamp;
use madrigal_core::tasks::{self, Instant, StopSignal};
use metrics::gauge;
use tokio::sync::Notify;

use super::pairs::{DeclaredPair, Unfit};
use super::report::Report;
use super::state::{PairState, with_known};
use super::{Monitor, books, load};

/// How long operators' checks are remembered: so many of them.
const REMEMBERED: usize = 20;

/// The pair whose copy the book of stock is kept over.
const STOCKS: &str = "stock.view";
/// How long the books may work in one sweep by schedule: what is left then is left to the next one.
const BOOKS_BY_SCHEDULE: Duration = Duration::from_secs(2);

/// After so many intervals without a sweep the last verdict about a pair is no verdict any more.
const FORGOTTEN_AFTER: u32 = 3;
/// How long the rows of an owner may be counted where its copy does not answer.
const COUNTING: Duration = Duration::from_secs(5);

/// How everything is swept.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    detail: Detail,
    pace: Pace,
    /// How long the books may work.
    budget: Duration,
    /// Whether the books begin anew.
    anew: bool,
}

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
pub(crate) struct Running {
    checks: Mutex<VecDeque<(String, Option<Report>)>>,
    /// Told whenever one is done, or was begun and pushed another one out.
    changed: Notify,
}

impl Running {
    fn begin(&self, id: String) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.push_back((id, None));
        if checks.len() > REMEMBERED {
            checks.pop_front();
            drop(checks);
            self.changed.notify_waiters();
        }
    }

    fn end(&self, id: &str, report: &Report) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(check) = checks.iter_mut().find(|check| check.0 == id) {
            check.1 = Some(report.clone());
        }
        drop(checks);
        self.changed.notify_waiters();
    }

    /// Waits until the check with this id is done; `None` where it is not remembered (any more).
    pub(crate) async fn done(&self, id: &str) -> Option<Report> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on nothing is missed.
            changed.as_mut().enable();
            match self.of(id)? {
                Some(report) => return Some(report),
                None => changed.await,
            }
        }
    }

    /// The check with this id, and its report if it is done.
    pub(crate) fn of(&self, id: &str) -> Option<Option<Report>> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
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
        let sweep = Sweep { detail, pace: Pace::FULL, budget: Duration::MAX, anew: asked.deep };
        let checked = self.sweep(sweep, asked.pair.as_deref()).await;
        let mut names: Vec<&str> = checked.iter().map(|state| state.declared.name).collect();
        if let Some(by) = &asked.repair_as {
            let copies: Vec<PairState> =
                checked.iter().filter(|state| !books::is_book(state.declared.name)).cloned().collect();
            self.repair_all(&copies, by).await;
            // What was repaired is looked at once more, with everything else.
            let again = self.sweep(sweep, asked.pair.as_deref()).await;
            names = again.iter().map(|state| state.declared.name).collect();
        }
        let states: Vec<PairState> = names.iter().filter_map(|name| self.parts.states.of(name)).collect();
        self.report_of(&states)
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
            let pace = Pace::sharing(config.share).slowing(config.share_when_busy, load::busy);
            let sweep = Sweep { detail, pace, budget: BOOKS_BY_SCHEDULE, anew: false };
            tokio::select! {
                () = stop.cancelled() => return,
                swept = self.sweep(sweep, None) => {
                    let copies: Vec<PairState> =
                        swept.into_iter().filter(|state| !books::is_book(state.declared.name)).collect();
                    self.repair_by_policy(&copies).await;
                }
            }
            self.took(deep, began.elapsed());
            let rest = config.versions_every.saturating_sub(began.elapsed()).max(config.versions_every / 4);
            if tasks::sleep_or_stopped(rest, &stop).await {
                return;
            }
        }
    }

    /// Notes how long a sweep by schedule took: a shorter one counts once those of its kind have become shorter.
    fn took(&self, deep: bool, took: Duration) {
        let mut longest = self.parts.longest.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = if deep { took } else { (*longest).max(took) };
    }

    /// Sweeps all pairs and books, or one, one after the other; services that do not answer are left out from the start.
    async fn sweep(&self, sweep: Sweep, only: Option<&str>) -> Vec<PairState> {
        let mut swept = BTreeMap::new();
        // The book of stock is a part of the rows of its copy.
        let of_stock = only == Some(books::STOCK.name);
        let pair = if of_stock { Some(STOCKS) } else { only };
        let found = self.parts.pairs.roll_call(pair).await;
        for Unfit { declared, trouble, owner } in found.troubles {
            let failed =
                |of: DeclaredPair| PairReport::failed(of.name, sweep.detail, self.parts.host.now(), trouble.clone());
            if declared.name == STOCKS {
                swept.insert(books::STOCK.name, self.noted(books::STOCK, failed(books::STOCK), None));
            }
            if !of_stock {
                let owned = counted(owner.as_ref()).await;
                swept.insert(declared.name, self.noted(declared, failed(declared), owned));
            }
        }
        for (declared, pair) in found.pairs {
            if !of_stock {
                let report = self.sweep_pair(declared, &pair, sweep).await;
                let whole = report.trouble.is_none() || pair.described().partial;
                let owned = if whole { None } else { counted(Some(pair.owner())).await };
                swept.insert(declared.name, self.noted(declared, report, owned));
            }
            let broke = || self.parts.states.of(books::STOCK.name).is_some_and(|state| state.is_broken());
            if declared.name == STOCKS && (of_stock || sweep.detail == Detail::Content || broke()) {
                let report = books::stock::check(&pair, &self.parts.host).await;
                swept.insert(books::STOCK.name, self.noted(books::STOCK, report, None));
            }
        }
        if let Some(kept) = self.parts.books.as_ref().filter(|_| only.is_none_or(books::is_of_sagas)) {
            let asked = books::Asked { anew: sweep.anew, pace: sweep.pace, budget: sweep.budget };
            let silent = kept.kept_by(&found.silent);
            for (declared, report) in kept.check(asked, silent, &self.parts.host).await {
                let state = self.noted(declared, report, None);
                if only.is_none_or(|only| only == declared.name) {
                    swept.insert(declared.name, state);
                }
            }
        }
        swept.into_values().collect()
    }

    async fn sweep_pair(&self, declared: DeclaredPair, pair: &Arc<Pair>, sweep: Sweep) -> PairReport {
        let (host, detail) = (&self.parts.host, sweep.detail);
        let sweep = pair.check(&CheckOptions::of(detail).at(sweep.pace), host).await;
        let known = self.parts.states.of(declared.name).map(|state| state.report.divergences).unwrap_or_default();
        if detail == Detail::Content || known.is_empty() {
            return sweep;
        }
        let keys: Vec<String> = known.into_iter().map(|row| row.key).collect();
        let again = pair.check_rows(&keys, &CheckOptions::CONTENT, host).await;
        with_known(sweep, again)
    }

    fn noted(&self, declared: DeclaredPair, report: PairReport, owned: Option<u64>) -> PairState {
        self.told(self.parts.states.swept(declared, report, owned))
    }

    /// The state as it is to be told: where the last three sweeps should have looked at it and none has, it was forgotten.
    pub(super) fn aged(&self, state: PairState, now: Timestamp) -> PairState {
        let config = &self.parts.config;
        // Stocks balance by contents: that book is looked at by content sweeps only.
        let by_content = state.declared == books::STOCK;
        let every = if by_content { config.content_every } else { config.versions_every };
        // A sweep of a large shop takes longer than that.
        let every = every.max(*self.parts.longest.lock().unwrap_or_else(PoisonError::into_inner));
        let forgotten = now.since(state.report.ended_at) > every.saturating_mul(FORGOTTEN_AFTER);
        if forgotten { state.forgotten() } else { state }
    }

    /// Notes rows that were found to diverge just after a change was applied.
    pub(super) fn sampled(&self, declared: DeclaredPair, found: PairReport) {
        self.told(self.parts.states.found(declared, found));
    }

    fn told(&self, state: PairState) -> PairState {
        measure(&state);
        self.measure_scores(state.declared);
        let report = &state.report;
        if state.verdict() == Verdict::Divergent {
            let (pair, divergent) = (state.declared.name, report.divergent);
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
        let same = |state: &&PairState| (state.declared.service, state.declared.entity) == (of.service, of.entity);
        let rows = states.iter().filter(same).map(|state| (state.report.consistent, state.report.total()));
        let (consistent, total) = rows.fold((0, 0), |sum, rows| (sum.0 + rows.0, sum.1 + rows.1));
        let score = if total == 0 { 1.0 } else { consistent as f64 / total as f64 };
        gauge!("data_consistency_score", "service" => of.service, "entity_type" => of.entity).set(score);
    }
}

/// How many rows an owner has that are not deleted; `None` where it does not say so in time.
async fn counted(owner: Option<&DynRowSet>) -> Option<u64> {
    let owner = owner?;
    let counting = async {
        let (mut rows, mut after) = (0, None);
        loop {
            let CheckOptions { chunk_rows, chunks, .. } = CheckOptions::VERSIONS;
            let ask = DigestAsk {
                range: KeyRange { after, through: None },
                cut: Cut::Every { rows: chunk_rows, chunks },
                detail: Detail::Versions,
                fields: Vec::new(),
                versions: true,
                seed: 0,
            };
            let digests = owner.digests(ask).await.ok()?;
            rows += digests.chunks.iter().map(|chunk| chunk.digest.count).sum::<u64>();
            after = digests.chunks.last().and_then(|chunk| chunk.through.clone());
            if digests.ended || after.is_none() {
                return Some(rows);
            }
        }
    };
    tasks::within(COUNTING, counting).await.flatten()
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

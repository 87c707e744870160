//! All sagas once, and from then on those to which something happened.
//!
//! What the three sides say of a saga stands in logs that only grow: what was compared stays as it is until one of the logs has
//! something new of that saga. So a check looks at what moved since the last one, at the sagas that were under way then, and
//! at those that diverged. A check that is to begin anew looks at everything.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use madrigal_consistency::{Behind, Cost, Detail, Pace, PairReport};
use madrigal_contracts::books::{MAX_EVENTS, MAX_SAGAS};
use madrigal_core::tasks::{self, Instant};
use madrigal_core::{Fault, Host, Position, Timestamp};
use tokio::sync::Mutex;

use super::OF_SAGAS;
use super::judge::{Judged, Wrong, judge};
use super::keepers::BookKeepers;
use crate::monitor::pairs::DeclaredPair;

/// How many logs are walked: reservations, the provider's ledger, sagas. In this order: the end of the last one is read last,
/// so that the saga of everything that the others have is in it.
const LOGS: usize = 3;
/// The one that says how many sagas there are.
const SAGAS: usize = 2;
/// The most sagas that are remembered as under way, and the most that are remembered as diverging; beyond that the walk
/// stands still, and says so.
const MAX_KEPT: usize = 20_000;
/// How long sagas that were met under way are waited for, all together.
const PATIENCE: Duration = Duration::from_secs(2);
/// Sagas that are under way for longer are not waited for.
const YOUNG: Duration = Duration::from_secs(10);
/// The first of the pauses in which they may come to their end; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The books that are kept saga by saga.
#[derive(Debug)]
pub(in crate::monitor) struct Books {
    keepers: BookKeepers,
    walk: Mutex<Walk>,
}

/// How the books are to be checked.
#[derive(Debug, Clone, Copy)]
pub(in crate::monitor) struct Asked {
    /// Everything once more.
    pub(in crate::monitor) anew: bool,
    /// At which pace.
    pub(in crate::monitor) pace: Pace,
    /// After working so long it stops where it is.
    pub(in crate::monitor) budget: Duration,
}

/// How far everything was looked at, and what was found.
#[derive(Debug, Default)]
struct Walk {
    through: [Position; LOGS],
    /// From when the last event is that was looked at.
    at: [Option<Timestamp>; LOGS],
    /// How many sagas were begun.
    sagas: u64,
    /// Since when each that is under way is known to be.
    under_way: BTreeMap<String, Instant>,
    wrong: BTreeMap<String, Vec<Wrong>>,
    /// Since when every check has left something.
    behind_since: Option<Timestamp>,
}

impl Books {
    pub(in crate::monitor) fn new(keepers: BookKeepers) -> Self {
        Self { keepers, walk: Mutex::default() }
    }

    /// Why one of those who keep them does not answer, if one of them is among these silent services.
    pub(in crate::monitor) fn kept_by(&self, services: &BTreeMap<&'static str, String>) -> Option<String> {
        let BookKeepers { orders, catalog, payments } = &self.keepers;
        [orders, catalog, payments].into_iter().find_map(|keeper| services.get(keeper.service()).cloned())
    }

    /// Checks all of them, and says so for each; none where somebody who keeps them is `silent`. Two checks take turns.
    ///
    /// # Cancellation
    /// Safe: what was not taken in is looked at again.
    pub(in crate::monitor) async fn check(
        &self,
        asked: Asked,
        silent: Option<String>,
        host: &Host,
    ) -> Vec<(DeclaredPair, PairReport)> {
        let began_at = host.now();
        let mut walk = self.walk.lock().await;
        let mut going = Going::new(&self.keepers, asked, host);
        let left = match silent {
            Some(silent) => Err(silent),
            None => going.on(&mut walk).await.map_err(|fault| fault.chain()),
        };
        let mut report = PairReport::failed("", Detail::Content, began_at, String::new());
        report.ended_at = host.now();
        report.cost = going.cost();
        report.trouble = match left {
            Ok(0) => {
                walk.behind_since = None;
                None
            }
            Ok(left) => {
                let since = *walk.behind_since.get_or_insert(began_at);
                report.behind = Some(Behind { by: Some(left), since });
                Some(format!("{left} events were not looked at yet: the check is behind since {since}"))
            }
            Err(trouble) => Some(trouble),
        };
        OF_SAGAS.iter().enumerate().map(|(book, declared)| (*declared, walk.report(book, report.clone()))).collect()
    }
}

impl Walk {
    fn report(&self, book: usize, mut report: PairReport) -> PairReport {
        OF_SAGAS[book].name.clone_into(&mut report.pair);
        let wrong = self.wrong.values().flatten().filter(|wrong| wrong.book == book);
        let (mut known, mut all) = (0, 0);
        for wrong in wrong {
            all += 1;
            known += u64::from(wrong.divergence.owner.is_some());
            if report.divergences.len() < PairReport::MAX_LISTED {
                report.divergences.push(wrong.divergence.clone());
            }
        }
        report.divergent = all;
        report.unverified = self.under_way.len() as u64;
        report.consistent = self.sagas.saturating_sub(report.unverified + known);
        if report.trouble.is_some() && report.behind.is_none() {
            // Something may have happened to any of them.
            report.unverified += std::mem::take(&mut report.consistent);
        }
        report
    }
}

/// A check under way.
struct Going<'a> {
    keepers: &'a BookKeepers,
    asked: Asked,
    host: &'a Host,
    cost: Cost,
    working: Instant,
    /// At most [`MAX_KEPT`]; one that is forgotten is looked at twice.
    looked_at: HashSet<String>,
}

impl<'a> Going<'a> {
    fn new(keepers: &'a BookKeepers, asked: Asked, host: &'a Host) -> Self {
        Self { keepers, asked, host, cost: Cost::default(), working: tasks::instant(), looked_at: HashSet::new() }
    }

    fn cost(&self) -> Cost {
        Cost { worked: self.cost.worked + self.working.elapsed(), ..self.cost }
    }

    /// Goes on to the ends that the logs have now; how many events are left.
    async fn on(&mut self, walk: &mut Walk) -> Result<u64, Fault> {
        let mut ends = [Position::START; LOGS];
        for (log, end) in ends.iter_mut().enumerate() {
            *end = self.keepers.moved(log, walk.through[log], None, 0, self.host).await?.end;
        }
        if (0..LOGS).any(|log| ends[log] < walk.through[log]) {
            // A log that ends before what was looked at is another one.
            *walk = Walk::default();
        } else if self.asked.anew {
            walk.begin_anew();
        }
        let again: BTreeSet<String> = walk.under_way.keys().chain(walk.wrong.keys()).cloned().collect();
        self.verify(walk, again).await?;
        while (0..LOGS).any(|log| walk.through[log] < ends[log]) {
            let kept = walk.under_way.len().max(walk.wrong.len());
            if kept >= MAX_KEPT || self.cost().worked >= self.asked.budget {
                break;
            }
            // The log that is furthest back in time: so a saga's traces in all three come soon after each other.
            let behind = (0..LOGS).filter(|log| walk.through[*log] < ends[*log]).min_by_key(|log| walk.at[*log]);
            if let Some(log) = behind {
                self.page(walk, log, ends[log]).await?;
                self.rest().await;
            }
        }
        self.wait_for_the_young(walk).await?;
        Ok((0..LOGS).map(|log| ends[log].0.saturating_sub(walk.through[log].0)).sum())
    }

    /// Looks at the sagas of the next part of a log.
    async fn page(&mut self, walk: &mut Walk, log: usize, end: Position) -> Result<(), Fault> {
        let moved = self.keepers.moved(log, walk.through[log], Some(end), MAX_EVENTS, self.host).await?;
        self.cost.pages += 1;
        // What was looked at in this check was looked at after all ends were read.
        let sagas = moved.sagas.into_iter().filter(|saga| !self.looked_at.contains(saga)).collect();
        self.verify(walk, sagas).await?;
        walk.through[log] = moved.through;
        walk.at[log] = moved.at;
        walk.sagas += if log == SAGAS { moved.begun } else { 0 };
        Ok(())
    }

    async fn verify(&mut self, walk: &mut Walk, sagas: BTreeSet<String>) -> Result<(), Fault> {
        let sagas: Vec<String> = sagas.into_iter().collect();
        for sagas in sagas.chunks(MAX_SAGAS) {
            self.look(walk, sagas).await?;
            if self.looked_at.len() + sagas.len() > MAX_KEPT {
                self.looked_at.clear();
            }
            self.looked_at.extend(sagas.iter().cloned());
        }
        Ok(())
    }

    /// Looks at some sagas, and once more at the orders of those that seem wrong: one that was cancelled meanwhile is under way.
    async fn look(&mut self, walk: &mut Walk, sagas: &[String]) -> Result<(), Fault> {
        let sides = self.keepers.sides(sagas, self.host).await?;
        let read = sides.orders.len() + sides.reservations.len() + sides.accounts.len();
        self.cost.pages += 3;
        self.cost.rows_read += read as u64;
        self.cost.rows_judged += sagas.len() as u64;
        self.cost.most_rows_held = self.cost.most_rows_held.max(read as u64);
        let (mut doubted, mut under_way) = (BTreeMap::new(), Vec::new());
        for saga in sagas {
            let (order, reservation) = (sides.orders.get(saga), sides.reservations.get(saga));
            match judge(saga, order, reservation, sides.accounts.get(saga)) {
                Judged::Holds => walk.holds(saga),
                Judged::UnderWay => under_way.push(saga.clone()),
                Judged::Wrong(wrong) => drop(doubted.insert(saga.clone(), wrong)),
            }
        }
        if !doubted.is_empty() {
            let again = self.keepers.orders(doubted.keys().cloned().collect(), self.host).await?;
            self.cost.pages += 1;
            self.cost.rows_read += again.len() as u64;
            for (saga, wrong) in doubted {
                if again.get(&saga) == sides.orders.get(&saga) {
                    walk.under_way.remove(&saga);
                    walk.wrong.insert(saga, wrong);
                } else {
                    under_way.push(saga);
                }
            }
        }
        let now = tasks::instant();
        for saga in under_way {
            walk.wrong.remove(&saga);
            walk.under_way.entry(saga).or_insert(now);
        }
        Ok(())
    }

    /// Most sagas that are met under way end in some milliseconds.
    async fn wait_for_the_young(&mut self, walk: &mut Walk) -> Result<(), Fault> {
        let (until, mut pause) = (tasks::instant() + PATIENCE, FIRST_PAUSE);
        loop {
            let now = tasks::instant();
            let young = walk.under_way.iter().filter(|(_, since)| now.duration_since(**since) < YOUNG);
            let young: BTreeSet<String> = young.map(|(saga, _)| saga.clone()).collect();
            if young.is_empty() || now >= until {
                return Ok(());
            }
            self.cost.fences += 1;
            tasks::sleep(pause).await;
            self.working += now.elapsed();
            pause *= 2;
            self.verify(walk, young).await?;
        }
    }

    async fn rest(&mut self) {
        let (worked, share) = (self.working.elapsed(), self.asked.pace.share_now());
        self.cost.least_share = self.cost.least_share.min(share);
        let rest = Pace::rest(worked, share);
        if rest.is_zero() {
            return;
        }
        self.cost.worked += worked;
        self.cost.rested += rest;
        tasks::sleep(rest).await;
        self.working = tasks::instant();
    }
}

impl Walk {
    /// Looks at everything once more. What is known to be wrong stays so until it was looked at again: somebody who keeps a
    /// side may fall silent on the way.
    fn begin_anew(&mut self) {
        (self.through, self.at, self.sagas) = ([Position::START; LOGS], [None; LOGS], 0);
    }

    fn holds(&mut self, saga: &str) {
        self.under_way.remove(saga);
        self.wrong.remove(saga);
    }
}

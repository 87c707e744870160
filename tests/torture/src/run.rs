//! A run from its empty directory to its verdict.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use futures::future::{join_all, try_join_all};
use madrigal_client::Shop;
use madrigal_core::tasks::{self, StopSignal};

use crate::clerks::Clerk;
use crate::customers::{Customer, Progress, stock_up};
use crate::facts::Facts;
use crate::findings::Findings;
use crate::kills::{RunEnd, Strikes};
use crate::options::{Mode, Options};
use crate::plan::plan;
use crate::report::{Report, RunReport};
use crate::rest::{Rest, come_to_rest};
use crate::shop::{Broken, ShopProcesses};
use crate::verdict::judge;
use crate::watch::{Kind, watch};

/// How long customers go on after the last victim is back.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// How many customers there are for one clerk.
const CUSTOMERS_OF_A_CLERK: usize = 4;
/// The most clerks.
const CLERKS: usize = 8;
/// After how many kills it is said how far it is.
const TELL_EVERY: usize = 10;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum TortureError {
    /// The directory has something in it: nothing was touched.
    #[error("{0} is not empty: name another directory, or none")]
    NotEmpty(PathBuf),
    /// Stopped from outside; everything that was started is gone.
    #[error("stopped after {kills} kills, without a verdict; everything lies in {dir}")]
    Stopped {
        /// Processes that were killed so far.
        kills: usize,
        /// Where everything lies.
        dir: PathBuf,
    },
    /// Something that has nothing to do with the shop.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Runs each mode and judges it. `tell` hears how it goes.
///
/// # Errors
/// [`TortureError`]: violations are no error, they are in the report.
///
/// # Cancellation
/// All processes are killed; the directory stays.
pub async fn torture(
    options: &Options,
    stop: &StopSignal,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Report, TortureError> {
    let dir = fresh(&options.dir)?;
    let binary = set_aside(&options.binary, &dir)?;
    tell(&format!("seed {}, everything lies in {}", options.seed, dir.display()));
    let mut report = Report { seed: options.seed, runs: Vec::new(), kept: Some(dir.clone()) };
    for mode in &options.modes {
        let room = dir.join(mode.name());
        std::fs::create_dir_all(&room).with_context(|| format!("{} cannot be made", room.display()))?;
        let mut run = Run { options, mode: *mode, stop, tell, strikes: Strikes::default() };
        match run.judged(&binary, &room).await {
            Ok(judged) => report.runs.push(judged),
            Err(RunEnd::Other(error)) => return Err(error.into()),
            Err(RunEnd::Broken(Broken::Stopped)) => {
                return Err(TortureError::Stopped { kills: run.strikes.kills, dir });
            }
            Err(RunEnd::Broken(Broken::Process(violation))) => {
                let mut broken = run.report(&Rest::default(), Vec::new(), Duration::ZERO);
                broken.violations.push(violation);
                report.runs.push(broken);
            }
        }
    }
    let text = format!("{:#}\n", report.json());
    std::fs::write(dir.join("report.json"), text).context("the report cannot be written")?;
    if report.violations() == 0 && !options.keep {
        std::fs::remove_dir_all(&dir).with_context(|| format!("{} cannot be removed", dir.display()))?;
        report.kept = None;
    }
    Ok(report)
}

struct Run<'a> {
    options: &'a Options,
    mode: Mode,
    stop: &'a StopSignal,
    tell: &'a (dyn Fn(&str) + Sync),
    strikes: Strikes,
}

impl Run<'_> {
    async fn judged(&mut self, binary: &Path, room: &Path) -> Result<RunReport, RunEnd> {
        let mut processes = ShopProcesses::plan(self.mode, binary, room, self.stop)?;
        let blows = plan(self.options.seed, self.mode, self.options.kills, processes.count());
        let (first, rest) = blows.split_first().context("a run has at least one kill")?;
        self.strikes.begin(&mut processes)?;
        self.strikes.strike(&mut processes, first, self.stop).await?;
        self.strikes.all_ready(&mut processes).await?;

        let operator = processes.client(processes.token("torture", "operator").await?)?;
        let customers = self.customers(&processes, &operator).await?;
        let (progress, enough) = (Arc::new(Progress::default()), self.stop.child_token());
        let began = tasks::instant();
        let ordering = customers.iter().map(|customer| {
            let ordering = customer.clone().order_until(self.options.seed, enough.clone(), progress.clone());
            tasks::spawn("customer", ordering)
        });
        let ordering: Vec<_> = ordering.collect();
        let clerks: Vec<Clerk> = (0..self.options.clients.div_ceil(CUSTOMERS_OF_A_CLERK).min(CLERKS))
            .map(|number| Clerk::new(number, self.options.seed, operator.clone(), progress.watched.clone()))
            .collect();
        let working = clerks.iter().map(|clerk| tasks::spawn("clerk", clerk.clone().work_until(enough.clone())));
        let working: Vec<_> = working.collect();
        // They watch until everything has come to its end: what is repeated then is watched, too.
        let watched_enough = self.stop.child_token();
        let watching = Kind::ALL.map(|kind| {
            let watching =
                watch(operator.clone(), progress.watched.clone(), kind, self.options.seed, watched_enough.clone());
            tasks::spawn("watcher", watching)
        });
        let _watch_ends = watched_enough.clone().drop_guard();
        for blow in rest {
            let before = self.strikes.kills;
            let struck = self.strikes.strike(&mut processes, blow, self.stop).await;
            if struck.is_err() {
                enough.cancel();
            }
            struck?;
            if self.strikes.kills / TELL_EVERY > before / TELL_EVERY {
                let placed = progress.placed.load(Ordering::Relaxed);
                (self.tell)(&format!("{}: {} kills, {placed} orders", self.mode.name(), self.strikes.kills));
            }
        }
        let ready = self.strikes.all_ready(&mut processes).await;
        tasks::sleep_or_stopped(AFTERWARDS, self.stop).await;
        enough.cancel();
        ready?;
        let mut known = Vec::new();
        for ordered in join_all(ordering).await {
            known.push(ordered.context("a customer's task broke")?);
        }
        let mut persons = Vec::new();
        for worked in join_all(working).await {
            persons.push(worked.context("a clerk's task broke")?);
        }
        let load = began.elapsed();
        (self.tell)(&format!("{}: coming to rest", self.mode.name()));
        let rest = come_to_rest((&customers, &mut known), (&clerks, &mut persons), &operator, self.stop).await?;
        watched_enough.cancel();
        for watched in join_all(watching).await {
            known.push(watched.context("a watcher's task broke")?);
        }
        known.append(&mut persons);
        let mut facts = Facts::default();
        known.into_iter().for_each(|one| facts.merge(one));
        let text = format!("{:#}\n", facts.json());
        std::fs::write(room.join("customers.json"), text).context("what customers know cannot be written")?;
        if self.stop.is_cancelled() {
            return Err(Broken::Stopped.into());
        }

        (self.tell)(&format!("{}: reading the books, building every projection anew", self.mode.name()));
        let mut findings = Findings::of_running(&processes, &operator).await?;
        findings.open.clone_from(&rest.open);
        findings.processes = processes.terminate().await;
        findings.look_at_stopped(&processes).await?;
        let mut report = self.report(&rest, std::mem::take(&mut processes.recoveries), load);
        report.count(&facts, &findings);
        report.judged(judge(&facts, &findings), &findings);
        Ok(report)
    }

    async fn customers(&self, processes: &ShopProcesses, operator: &Shop) -> anyhow::Result<Vec<Customer>> {
        stock_up(operator).await.context("the shelves cannot be filled")?;
        let registering = (0..self.options.clients).map(|number| Customer::register(processes, operator, number));
        try_join_all(registering).await.context("a customer cannot be registered")
    }

    fn report(&self, rest: &Rest, recoveries: Vec<Duration>, load: Duration) -> RunReport {
        RunReport {
            mode: self.mode,
            clients: self.options.clients,
            kills: self.strikes.kills,
            while_starting: self.strikes.while_starting,
            load,
            rest: rest.took,
            helped: rest.helped,
            recoveries,
            counts: std::collections::BTreeMap::new(),
            projections: std::collections::BTreeMap::new(),
            pairs: std::collections::BTreeMap::new(),
            lost: 0,
            doubled: 0,
            open: rest.open.len(),
            violations: Vec::new(),
        }
    }
}

/// The directory, made if it is not there; one with something in it is refused.
fn fresh(dir: &Path) -> Result<PathBuf, TortureError> {
    let context = || format!("{} cannot be used", dir.display());
    std::fs::create_dir_all(dir).with_context(context)?;
    if std::fs::read_dir(dir).with_context(context)?.next().is_some() {
        return Err(TortureError::NotEmpty(dir.to_owned()));
    }
    Ok(dir.canonicalize().with_context(context)?)
}

/// The binary as it is now, for the whole run: building it anew meanwhile must not change what is started.
fn set_aside(binary: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let copy = dir.join("madrigal");
    std::fs::copy(binary, &copy).with_context(|| format!("{} cannot be copied", binary.display()))?;
    Ok(copy)
}

//! Health: what every service says about what it stands on, put together.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::join_all;
use madrigal_core::tasks::{self, Instant};
use madrigal_core::{Host, Position, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::names;

/// How long a source may take; after that it counts as unhealthy.
const CHECK_TIME: Duration = Duration::from_secs(2);
/// How old a report may be that is told again, so that nobody can wear the stores out by asking.
const REPORT_AGE: Duration = Duration::from_secs(1);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does what it should.
    Healthy,
    /// It does, with something missing or late.
    Degraded,
    /// It does not.
    Unhealthy,
}

/// One thing that a service stands on. `detail` is told to everybody who asks: no personal data, no addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is: [`Check::DATABASE`], [`Check::EVENT_STORE`], [`Check::MESSAGE_QUEUE`], [`Check::CACHE`],
    /// [`Check::CONSISTENCY`], or a name of the service's own in camel case.
    pub name: &'static str,
    /// How it is.
    pub status: Status,
    /// What is to be said about it, for people.
    pub detail: String,
}

impl Check {
    /// A store of rows or documents.
    pub const DATABASE: &'static str = "database";
    /// A store of events.
    pub const EVENT_STORE: &'static str = "eventStore";
    /// What carries messages between services.
    pub const MESSAGE_QUEUE: &'static str = "messageQueue";
    /// A cache.
    pub const CACHE: &'static str = "cache";
    /// The last verdict about copies.
    pub const CONSISTENCY: &'static str = "consistency";

    /// It does what it should.
    pub fn healthy(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Healthy, detail: detail.into() }
    }

    /// An event store whose log ends at `end`: degraded where something keeps it from taking more for now, unhealthy where
    /// that lasts; said in words. What is there can be read either way.
    pub fn log(end: Position, trouble: Option<(bool, &str)>) -> Self {
        match trouble {
            None => Self::healthy(Self::EVENT_STORE, format!("end at {end}")),
            Some((lasting, words)) => {
                let status = if lasting { Status::Unhealthy } else { Status::Degraded };
                Self { name: Self::EVENT_STORE, status, detail: format!("{words}; end at {end}") }
            }
        }
    }

    /// A view that is so many events behind its log: degraded where it stands still, or where keys are parked.
    pub fn view(name: &'static str, events_behind: u64, stalled: bool, parked_keys: usize) -> Self {
        let behind = format!("{events_behind} events behind");
        match (stalled, parked_keys) {
            (false, 0) => Self::healthy(name, behind),
            (true, 0) => Self::degraded(name, format!("stalled, {behind}")),
            (false, parked) => Self::degraded(name, format!("{behind}, {parked} keys parked")),
            (true, parked) => Self::degraded(name, format!("stalled, {behind}, {parked} keys parked")),
        }
    }

    /// It does, with something missing or late.
    pub fn degraded(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Degraded, detail: detail.into() }
    }

    /// It does not.
    pub fn unhealthy(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Unhealthy, detail: detail.into() }
    }
}

/// Says how the things are that one service stands on.
#[async_trait]
pub trait HealthSource: Send + Sync + 'static {
    /// The checks, made now. Given up after 2 s.
    ///
    /// # Cancellation
    /// Must be safe: reads only.
    async fn checks(&self) -> Vec<Check>;
}

#[async_trait]
impl<F> HealthSource for F
where
    F: Fn() -> Vec<Check> + Send + Sync + 'static,
{
    async fn checks(&self) -> Vec<Check> {
        self()
    }
}

/// Whether the shop stands without a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Without it there is no shop: its being unhealthy makes the whole unhealthy.
    Critical,
    /// The shop goes on without it: its being unhealthy makes the whole degraded.
    Optional,
}

/// All sources of one process; cheap to clone. Starts as not ready.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    host: Host,
    phase: AtomicU8,
    sources: RwLock<Vec<Source>>,
    last: tokio::sync::Mutex<Option<(Instant, HealthReport)>>,
}

#[derive(Clone)]
struct Source {
    service: &'static str,
    standing: Standing,
    source: Arc<dyn HealthSource>,
}

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

/// The document of `/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthReport {
    /// The whole: unhealthy if something critical is, degraded if anything is not healthy.
    pub status: Status,
    /// When the checks were made.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// By name: `database`, `eventStore`, `messageQueue`, `cache`, `consistency`, as far as there are any.
    pub checks: BTreeMap<String, CheckReport>,
}

/// All checks of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckReport {
    /// The worst of them; of services that are not critical degraded at most.
    pub status: Status,
    /// How long the slowest took.
    pub milliseconds: u64,
    /// What the worst one says.
    pub detail: String,
    /// Each service's own.
    pub services: BTreeMap<String, ServiceCheck>,
}

/// One check of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceCheck {
    /// How it is.
    pub status: Status,
    /// How long the service took for all its checks.
    pub milliseconds: u64,
    /// What is to be said about it.
    pub detail: String,
}

impl Health {
    /// No sources yet; not ready.
    pub fn new(host: Host) -> Self {
        let shared = Shared {
            host,
            phase: AtomicU8::new(STARTING),
            sources: RwLock::default(),
            last: tokio::sync::Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Adds a service: a closure that returns its checks, or something that makes them.
    pub fn add(&self, service: &'static str, standing: Standing, source: impl HealthSource) {
        let source = Source { service, standing, source: Arc::new(source) };
        self.shared.sources.write().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// From now on traffic may come.
    pub fn serving(&self) {
        self.shared.phase.store(SERVING, Ordering::Relaxed);
    }

    /// From now on no traffic should come: the process is about to stop.
    pub fn draining(&self) {
        self.shared.phase.store(DRAINING, Ordering::Relaxed);
    }

    /// Why traffic should not come, or `None` if it may: still starting, draining, or something critical unhealthy.
    pub async fn not_ready_because(&self) -> Option<String> {
        match self.shared.phase.load(Ordering::Relaxed) {
            SERVING => {}
            DRAINING => return Some("draining".into()),
            _ => return Some("starting".into()),
        }
        let report = self.report().await;
        (report.status == Status::Unhealthy).then(|| {
            let down = report.checks.iter().filter(|(_, check)| check.status == Status::Unhealthy);
            format!("unhealthy: {}", down.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "))
        })
    }

    /// The report, at most 1 s old; checks run at the same time, and once however many ask.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn report(&self) -> HealthReport {
        let mut last = self.shared.last.lock().await;
        if let Some((made, report)) = &*last
            && made.elapsed() < REPORT_AGE
        {
            return report.clone();
        }
        let sources = self.shared.sources.read().unwrap_or_else(PoisonError::into_inner).clone();
        let checked = join_all(sources.iter().map(Source::run)).await;
        let report = put_together(self.shared.host.now(), checked.into_iter().flatten());
        for (name, check) in &report.checks {
            for (service, own) in &check.services {
                let labels = [("service", service.clone()), ("check", name.clone())];
                metrics::gauge!(names::HEALTH_CHECK, &labels).set(f64::from(own.status as u8));
            }
        }
        *last = Some((tasks::instant(), report.clone()));
        report
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.shared.sources.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(sources.iter().map(|source| source.service)).finish()
    }
}

struct Checked {
    service: &'static str,
    standing: Standing,
    check: Check,
    took: Duration,
}

impl Source {
    async fn run(&self) -> Vec<Checked> {
        let started = tasks::instant();
        let checks = tasks::within(CHECK_TIME, AssertUnwindSafe(self.source.checks()).catch_unwind()).await;
        let checks = match checks {
            Some(Ok(checks)) => checks,
            Some(Err(_)) => vec![Check::unhealthy("service", "its checks panicked")],
            None => vec![Check::unhealthy("service", "its checks took more than 2 s")],
        };
        let took = started.elapsed();
        let checked = |check| Checked { service: self.service, standing: self.standing, check, took };
        checks.into_iter().map(checked).collect()
    }
}

fn put_together(timestamp: Timestamp, all: impl Iterator<Item = Checked>) -> HealthReport {
    let mut checks: BTreeMap<String, CheckReport> = BTreeMap::new();
    for Checked { service, standing, check, took } in all {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let weight = match standing {
            Standing::Critical => check.status,
            Standing::Optional => check.status.min(Status::Degraded),
        };
        let own = ServiceCheck { status: check.status, milliseconds, detail: check.detail };
        let entry = checks.entry(check.name.to_owned()).or_insert_with(|| CheckReport {
            status: weight,
            milliseconds,
            detail: own.detail.clone(),
            services: BTreeMap::new(),
        });
        if weight > entry.status {
            entry.status = weight;
            entry.detail.clone_from(&own.detail);
        }
        entry.milliseconds = entry.milliseconds.max(milliseconds);
        // A service may have several things of one kind: the worst one is told.
        match entry.services.get_mut(service) {
            Some(known) if known.status >= own.status => {}
            _ => drop(entry.services.insert(service.to_owned(), own)),
        }
    }
    let status = checks.values().map(|check| check.status).max().unwrap_or(Status::Healthy);
    HealthReport { status, timestamp, checks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_healthy_only_while_it_goes_on_and_nothing_is_parked() {
        let said = |stalled, parked| {
            let check = Check::view("orderView", 7, stalled, parked);
            (check.status, check.detail)
        };
        assert_eq!(said(false, 0), (Status::Healthy, "7 events behind".to_owned()));
        assert_eq!(said(true, 0), (Status::Degraded, "stalled, 7 events behind".to_owned()));
        assert_eq!(said(false, 2), (Status::Degraded, "7 events behind, 2 keys parked".to_owned()));
        assert_eq!(said(true, 2), (Status::Degraded, "stalled, 7 events behind, 2 keys parked".to_owned()));
    }

    #[tokio::test]
    async fn the_worst_counts_and_an_optional_service_degrades_at_most() {
        let health = Health::new(Host::seeded(1));
        health.add("order-service", Standing::Critical, || {
            vec![Check::healthy(Check::DATABASE, "3 files"), Check::healthy(Check::EVENT_STORE, "")]
        });
        health.add("notification-service", Standing::Optional, || vec![Check::unhealthy(Check::DATABASE, "gone")]);
        let report = health.report().await;
        let database = &report.checks["database"];
        assert_eq!(
            (report.status, database.status, database.detail.as_str()),
            (Status::Degraded, Status::Degraded, "gone")
        );
        assert_eq!(database.services["notification-service"].status, Status::Unhealthy);
        assert_eq!(report.checks["eventStore"].status, Status::Healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_or_panics_is_unhealthy_and_the_others_are_told() {
        struct Hangs;
        #[async_trait]
        impl HealthSource for Hangs {
            async fn checks(&self) -> Vec<Check> {
                std::future::pending().await
            }
        }
        let health = Health::new(Host::seeded(1));
        health.add("hangs", Standing::Critical, Hangs);
        health.add("panics", Standing::Critical, || panic!("inside"));
        health.add("fine", Standing::Critical, || vec![Check::healthy(Check::CACHE, "")]);
        let report = health.report().await;
        assert_eq!((report.status, report.checks["cache"].status), (Status::Unhealthy, Status::Healthy));
        assert_eq!(report.checks["service"].services.len(), 2);
        assert_eq!(report.checks["service"].milliseconds, 2_000);
    }

    #[tokio::test(start_paused = true)]
    async fn checks_run_once_a_second_however_many_ask() {
        let ran = Arc::new(AtomicU8::new(0));
        let count = Arc::clone(&ran);
        let health = Health::new(Host::seeded(1));
        health.add("order-service", Standing::Critical, move || {
            count.fetch_add(1, Ordering::Relaxed);
            vec![]
        });
        join_all((0..50).map(|_| health.report())).await;
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        tokio::time::advance(REPORT_AGE).await;
        health.report().await;
        assert_eq!(ran.load(Ordering::Relaxed), 2);
    }
}

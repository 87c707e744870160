//! The monitor: owners and copies compared, fenced by positions, by day and by night.
//!
//! * [`pairs`]: which rows are compared with which; `transformed`: what transformers leave of an owner's rows; [`state`]: what
//!   was found, put together over sweeps of both kinds;
//! * [`sweeps`]: checks, as asked for and by schedule; `load`: how busy the machine is; [`books`]: what must hold between
//!   services, and in rows by themselves; [`mending`]: repairs, by hand and by policy, and their record;
//! * [`sampling`]: some changes, each just after it was applied; [`report`]: the brief's report; `http`: the routes.

pub mod books;
mod holders;
mod http;
mod load;
pub mod mending;
pub mod pairs;
pub mod report;
pub mod sampling;
pub mod state;
pub mod sweeps;
pub(crate) mod transformed;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use madrigal_consistency::Verdict;
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Fault, Host};
use madrigal_http::Neighbour;
use madrigal_sqlite::Database;
use madrigal_telemetry::Check;
use utoipa::OpenApi;

use self::books::{BookKeepers, Books};
use self::mending::Repairs;
use self::pairs::Pairs;
use self::report::Report;
use self::sampling::Samples;
use self::state::{PairState, States};

/// How the monitor works.
#[derive(Debug, Clone)]
pub struct MonitorConfig {
    /// How long after the start of one version sweep the next one begins. Default 20 s.
    pub versions_every: Duration,
    /// The same for content sweeps. Default 15 minutes.
    pub content_every: Duration,
    /// The share of its time that a scheduled sweep may work while the machine is quiet, in percent. Default 25.
    pub share: u32,
    /// The share that is left to it while the machine is busy, in percent. Default 5.
    pub share_when_busy: u32,
    /// The share of changes that are looked at just after they were applied, in percent; 0 is none. Default 100.
    pub sampled_share: u32,
    /// At most so many of them a second, in each copy of the row; 0 is none. Default 20.
    pub sampled_per_second: u32,
    /// Rows of one pair that the policy may repair in an hour: *missing* and *stale* ones only; 0 is none. Default 100.
    pub repairs_per_hour: u32,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            versions_every: Duration::from_secs(20),
            content_every: Duration::from_secs(900),
            share: 25,
            share_when_busy: 5,
            sampled_share: 100,
            sampled_per_second: 20,
            repairs_per_hour: 100,
        }
    }
}

/// Compares all copies with their owners. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    pub(crate) parts: Arc<Parts>,
}

pub(crate) struct Parts {
    pub(crate) config: MonitorConfig,
    pub(crate) host: Host,
    pub(crate) pairs: Pairs,
    pub(crate) states: States,
    pub(crate) repairs: Repairs,
    pub(crate) running: sweeps::Running,
    /// How long a sweep by schedule takes, the longest since the last content sweep.
    pub(crate) longest: Mutex<Duration>,
    samples: Samples,
    /// Where there is somebody who keeps them.
    books: Option<Books>,
}

/// Whom the monitor asks.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The services that hold row sets.
    pub services: Vec<Neighbour>,
    /// Those that keep the books between services; `None` leaves them out.
    pub books: Option<BookKeepers>,
}

impl From<Vec<Neighbour>> for Watched {
    fn from(services: Vec<Neighbour>) -> Self {
        Self { services, books: None }
    }
}

impl Monitor {
    /// A monitor of the row sets and books that these services hold; its record is kept in `database`.
    ///
    /// # Errors
    /// A [`Fault`] where the database cannot be used.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(
        config: MonitorConfig,
        watched: impl Into<Watched>,
        database: Database,
        host: Host,
    ) -> Result<Self, Fault> {
        let Watched { services, books } = watched.into();
        let parts = Parts {
            pairs: Pairs::new(services, &host),
            books: books.map(Books::new),
            states: States::default(),
            repairs: Repairs::open(database).await?,
            running: sweeps::Running::default(),
            longest: Mutex::default(),
            samples: Samples::default(),
            config,
            host,
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// What was last found, over all pairs; what was found so long ago that it is to be found again is unverified since then.
    pub fn report(&self) -> Report {
        self.report_of(&self.states())
    }

    /// All states, as they are to be told now.
    fn states(&self) -> Vec<PairState> {
        let (now, states) = (self.parts.host.now(), self.parts.states.all());
        states.into_iter().map(|state| self.aged(state, now)).collect()
    }

    pub(crate) fn report_of(&self, states: &[PairState]) -> Report {
        Report::of(states, |pair| self.parts.samples.of(pair), self.parts.host.now())
    }

    /// The routes, for operators, without the edge's layers.
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// The description of the routes.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        http::ConsistencyApi::openapi()
    }

    /// How the copies are.
    pub async fn health(&self) -> Vec<Check> {
        let states = self.states();
        let count = |verdict| states.iter().filter(|state| state.verdict() == verdict).count();
        let (divergent, unverified) = (count(Verdict::Divergent), count(Verdict::Unverified));
        let mut detail = format!("{} pairs: {divergent} divergent, {unverified} unverified", states.len());
        // The cause may name what only operators should read: it is in the report.
        let broken: Vec<&str> = states.iter().filter(|state| state.is_broken()).map(|it| it.declared.name).collect();
        if !broken.is_empty() {
            detail.push_str(&format!("; cannot be checked: {}", broken.join(", ")));
        }
        vec![if divergent > 0 || !broken.is_empty() {
            Check::degraded(Check::CONSISTENCY, detail)
        } else if states.is_empty() {
            Check::healthy(Check::CONSISTENCY, "nothing was compared yet")
        } else {
            Check::healthy(Check::CONSISTENCY, detail)
        }]
    }

    /// Sweeps by schedule, and looks at changes, until `stop`.
    ///
    /// # Cancellation
    /// Safe: a sweep reads only, and a repair is done or not.
    pub async fn run(&self, stop: StopSignal) {
        futures::join!(self.sweep_by_schedule(stop.clone()), self.sample_changes(stop));
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("config", &self.parts.config).finish_non_exhaustive()
    }
}

//! The runner: keeps one view in step with one log.

mod cache;
mod engine;
mod fold;
mod lanes;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, Position};
use madrigal_event_store::{DynEventStore, WaitError};
use tokio::sync::watch;

pub(crate) use engine::Shared;

use crate::control::ProjectionControl;
use crate::progress::{Progress, RunError, Status};
use crate::projection::Projection;
use crate::reader::ViewReader;
use crate::store::DynViewStore;
use crate::upcast::Upcaster;
use crate::view::ViewId;

/// How a runner works.
#[derive(Clone)]
pub struct RunnerOptions {
    /// The service's name, for metrics.
    pub service: &'static str,
    /// Events per batch when the view keeps up; 1 to 10,000.
    pub batch: usize,
    /// Events per batch when it is far behind; 1 to 10,000. Larger batches cost memory and latency, and save commits.
    pub batch_behind: usize,
    /// Rows kept decoded in memory; 0 is none.
    pub cached_rows: usize,
    /// The runner stalls where so many lanes are parked: then the cause is not a single bad event.
    pub max_parked_lanes: usize,
    /// Brings events to their current form.
    pub upcaster: Option<Upcaster>,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self {
            service: "unnamed",
            batch: 1_000,
            batch_behind: 4_000,
            cached_rows: 20_000,
            max_parked_lanes: 10_000,
            upcaster: None,
        }
    }
}

impl RunnerOptions {
    /// The defaults, for a service.
    pub fn for_service(service: &'static str) -> Self {
        Self { service, ..Self::default() }
    }

    /// With an upcaster.
    #[must_use]
    pub fn upcasting(mut self, upcaster: Upcaster) -> Self {
        self.upcaster = Some(upcaster);
        self
    }
}

/// Keeps one view in step with one log. Rows, parked events and checkpoint are committed together, so that a crash at
/// any moment leaves the view as of some position, and nothing is applied twice.
///
/// One runner per view and store: two would overwrite each other's rows. Cheap to clone; clones are the same runner.
pub struct ProjectionRunner<P: Projection> {
    shared: Arc<Shared<P>>,
}

impl<P: Projection> Clone for ProjectionRunner<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P: Projection> ProjectionRunner<P> {
    /// A runner of `projection` over `log` into `views`. Nothing is read before [`ProjectionRunner::run`].
    ///
    /// # Errors
    /// A permanent [`Fault`] where the projection's name or columns are not valid.
    pub fn new(
        projection: P,
        log: DynEventStore,
        views: DynViewStore,
        host: Host,
        options: RunnerOptions,
    ) -> Result<Self, Fault> {
        let invalid = |why: String| Fault::permanent("projection", "new", why);
        let view = ViewId::new(projection.name(), projection.version())
            .ok_or_else(|| invalid(format!("{:?} cannot name a view", projection.name())))?;
        crate::memory::check_columns(projection.column_names()).map_err(invalid)?;
        let (progress, _) = watch::channel(Progress::none());
        let options = RunnerOptions {
            batch: options.batch.clamp(1, 10_000),
            batch_behind: options.batch_behind.clamp(options.batch.clamp(1, 10_000), 10_000),
            ..options
        };
        let engine = tokio::sync::Mutex::new(None);
        let prepared = tokio::sync::OnceCell::new();
        let shared = Shared { projection, view, log, views, host, options, prepared, engine, progress };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The view's id.
    pub fn view(&self) -> &ViewId {
        &self.shared.view
    }

    /// A reader of the view.
    pub fn reader(&self) -> ViewReader<P> {
        ViewReader::new(Arc::clone(&self.shared))
    }

    /// The operator's handle.
    pub fn control(&self) -> ProjectionControl {
        ProjectionControl::new(Arc::clone(&self.shared))
    }

    /// Follows the log until `stop`. Faults are retried for ever, with pauses from 100 ms to 5 s.
    ///
    /// # Errors
    /// [`RunError`] where going on would be wrong (another epoch, ahead of the log, too much parked); the status is
    /// [`Status::Stalled`] then, with the cause.
    ///
    /// # Cancellation
    /// Safe: a dropped run loses no event.
    pub async fn run(&self, stop: StopSignal) -> Result<(), RunError> {
        let shared = &self.shared;
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            match shared.step().await {
                Ok(step) => {
                    pause = FIRST_PAUSE;
                    shared.set_status(Status::Running);
                    self.gauges(step.end.0.saturating_sub(step.applied_through.0), 0.0);
                    if step.applied_through >= step.end {
                        self.idle(step.applied_through, &stop).await;
                    }
                }
                Err(RunError::Fault(fault)) => {
                    self.troubled(&fault.chain());
                    self.observe().await;
                    tasks::sleep_or_stopped(pause, &stop).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => {
                    let (cause, since) = (error.to_string(), shared.host.now());
                    tracing::error!(view = %shared.view, %cause, "projection stalled");
                    shared.set_status(Status::Stalled { cause, since });
                    self.observe().await;
                    return Err(error);
                }
            }
        }
        shared.set_status(Status::Stopped);
        Ok(())
    }

    /// Applies what is in the log now, without following it; returns how far the view is. For tests and tools.
    ///
    /// # Errors
    /// The first [`RunError`], a fault included.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn catch_up(&self) -> Result<Position, RunError> {
        let target = self.shared.log.end();
        loop {
            let step = self.shared.step().await?;
            if step.applied_through >= target {
                return Ok(step.applied_through);
            }
        }
    }

    async fn idle(&self, applied: Position, stop: &StopSignal) {
        let woken = tokio::select! {
            () = stop.cancelled() => return,
            woken = self.shared.log.wait_beyond(applied, IDLE) => woken,
        };
        if let Err(WaitError::Fault(fault)) = woken {
            self.troubled(&fault.chain());
            tasks::sleep_or_stopped(FIRST_PAUSE, stop).await;
        }
    }

    fn troubled(&self, cause: &str) {
        let shared = &self.shared;
        let since = match &shared.progress.borrow().status {
            Status::Retrying { since, cause: known } if known == cause => return,
            Status::Retrying { since, .. } => *since,
            _ => shared.host.now(),
        };
        tracing::warn!(view = %shared.view, cause, "projection is held up, trying again");
        shared.set_status(Status::Retrying { cause: cause.to_owned(), since });
    }

    async fn observe(&self) {
        if let Ok(lag) = self.reader().lag().await {
            self.gauges(lag.events, lag.seconds);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; nobody tells 2^53 events from one more")]
    fn gauges(&self, events: u64, seconds: f64) {
        let name = self.shared.projection.name();
        metrics::gauge!("projection_lag_events", "projection" => name).set(events as f64);
        metrics::gauge!("projection_lag_seconds", "projection" => name).set(seconds);
        let parked = self.shared.progress.borrow().lanes.len();
        metrics::gauge!("parked_keys", "projection" => name).set(parked as f64);
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How long an idle runner waits at most before it looks again: bounds what a lost wake-up could cost.
const IDLE: Duration = Duration::from_secs(1);

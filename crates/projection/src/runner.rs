//! The runner: keeps one view in step with one log, and builds new generations of it beside the one that serves.
//!
//! * `engine`: one generation, step by step (`fold`, `lanes`, `cache`, `settle`: parked lanes); `pace`: how fast a candidate
//!   is built; `gather`: when what serves takes its next batch; `follow`: until it is stopped;
//! * `managed`: which generations there are; `compare`: whether two are equal; `verbs`: what an operator does with them;
//!   `operator`: under which names; `mend`: one row that is wrong.

mod cache;
mod compare;
mod engine;
mod fold;
mod follow;
mod gather;
mod lanes;
mod managed;
mod mend;
mod operator;
mod pace;
mod settle;
mod verbs;

use std::sync::Arc;

use madrigal_core::tasks::StopSignal;
use madrigal_core::{Fault, Host, Position};
use madrigal_event_store::DynEventStore;

pub(crate) use engine::Engine;
pub(crate) use managed::Managed;
pub use mend::Mended;

use self::engine::Parts;
use crate::control::ProjectionControl;
use crate::managed::DynManaged;
use crate::progress::RunError;
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
            batch: 4_000,
            batch_behind: 10_000,
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
/// # Generations
/// A view's rows are of a numbered generation. One serves; [`crate::ManagedProjection::rebuild`] begins another beside it,
/// which is compared and switched to by an operator. Where the code's [`Projection::version`] is another than that of what
/// serves, a candidate is begun without being asked for. Meanwhile the old rows are served, and kept in step by the new
/// fold: it should take rows that the old version wrote (new fields with defaults). Where it cannot (other columns, rows that
/// do not decode) reads are answered by a fault that asks to come again later, and the candidate serves as soon as it has
/// caught up; otherwise it serves by itself only where it is equal to the old rows.
///
/// One runner per view and store: two would overwrite each other's rows. Cheap to clone; clones are the same runner.
pub struct ProjectionRunner<P: Projection> {
    managed: Arc<Managed<P>>,
}

impl<P: Projection> Clone for ProjectionRunner<P> {
    fn clone(&self) -> Self {
        Self { managed: Arc::clone(&self.managed) }
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
        let first = ViewId::new(projection.name(), 1)
            .ok_or_else(|| invalid(format!("{:?} cannot name a view", projection.name())))?;
        crate::memory::check_columns(projection.column_names()).map_err(invalid)?;
        let options = RunnerOptions {
            batch: options.batch.clamp(1, 10_000),
            batch_behind: options.batch_behind.clamp(options.batch.clamp(1, 10_000), 10_000),
            ..options
        };
        let parts = Parts { projection: Arc::new(projection), log, views, host, options };
        Ok(Self { managed: Arc::new(Managed::new(parts, first)) })
    }

    /// The id of the view that serves; of its first generation before anything has been read.
    pub fn view(&self) -> ViewId {
        self.managed.view()
    }

    /// A reader of the view.
    pub fn reader(&self) -> ViewReader<P> {
        ViewReader::new(Arc::clone(&self.managed))
    }

    /// The operator's handle on what serves.
    pub fn control(&self) -> ProjectionControl {
        ProjectionControl::new(Arc::clone(&self.managed))
    }

    /// The operator's handle on all generations.
    pub fn managed(&self) -> DynManaged {
        Arc::new(operator::Operator(Arc::clone(&self.managed)))
    }

    /// Follows the log until `stop`, builds candidates and removes what was dropped. Faults are retried for ever, with
    /// pauses from 100 ms to 5 s. Where going on would be wrong (another epoch, ahead of the log, too much parked) the
    /// status is [`crate::Status::Stalled`], with the cause, until an operator has changed that.
    ///
    /// # Errors
    /// The [`RunError`] that it stood still with at the end.
    ///
    /// # Cancellation
    /// Safe: a dropped run loses no event.
    pub async fn run(&self, stop: StopSignal) -> Result<(), RunError> {
        self.managed.run(&stop).await
    }

    /// Applies what is in the log now, without following it; returns how far the view is. A candidate is built as far, too.
    /// For tests and tools.
    ///
    /// # Errors
    /// The first [`RunError`], a fault included.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn catch_up(&self) -> Result<Position, RunError> {
        self.managed.catch_up().await
    }
}

//! The operator's handle on what serves of a projection, the same for all of them.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::Fault;

use crate::parking::{LaneReport, ParkedEvent, ParkedFilter, ParkingError, checked_reason};
use crate::progress::{Lag, Progress, Status};
use crate::projection::Projection;
use crate::runner::Managed;
use crate::view::{Checkpoint, ViewId};

/// Shows a projection and works on what it parked. Cheap to clone.
#[derive(Clone)]
pub struct ProjectionControl {
    runner: Arc<dyn Controlled>,
}

impl ProjectionControl {
    pub(crate) fn new<P: Projection>(managed: Arc<Managed<P>>) -> Self {
        Self { runner: managed }
    }

    /// The view that serves.
    pub fn view(&self) -> ViewId {
        self.runner.view()
    }

    /// How the runner fares.
    pub fn status(&self) -> Status {
        self.runner.progress().status
    }

    /// What holds the projection up, in words; `None` where nothing does.
    pub fn why_stalled(&self) -> Option<String> {
        self.status().trouble().map(|(cause, since)| format!("{cause} (since {since})"))
    }

    /// How far the view has come.
    pub fn applied_through(&self) -> Option<Checkpoint> {
        self.runner.progress().checkpoint
    }

    /// How far it is behind.
    ///
    /// # Errors
    /// A [`Fault`] where the log cannot be read.
    pub async fn lag(&self) -> Result<Lag, Fault> {
        self.runner.lag().await
    }

    /// What is parked, in the order of the log.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.runner.parked(filter).await
    }

    /// Tries a lane's parked events again, in order, until one fails.
    ///
    /// # Errors
    /// [`ParkingError`]; nothing was changed then, or all of a transaction of up to 1,000 events.
    ///
    /// # Cancellation
    /// Safe: each transaction happens or not.
    pub async fn retry(&self, lane: &str) -> Result<LaneReport, ParkingError> {
        self.runner.settle(lane, None).await
    }

    /// Leaves out a lane's first parked event, for a stated reason that stays listed, and tries the others.
    ///
    /// # Errors
    /// As [`ProjectionControl::retry`]; [`ParkingError::NoReason`] without a reason.
    ///
    /// # Cancellation
    /// As [`ProjectionControl::retry`].
    pub async fn skip(&self, lane: &str, reason: &str) -> Result<LaneReport, ParkingError> {
        let reason = checked_reason(reason)?;
        tracing::warn!(view = %self.view(), lane, reason, "a parked event is skipped");
        self.runner.settle(lane, Some(reason)).await
    }
}

/// A runner without its projection's type.
#[async_trait]
trait Controlled: Send + Sync {
    fn view(&self) -> ViewId;
    fn progress(&self) -> Progress;
    async fn lag(&self) -> Result<Lag, Fault>;
    async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault>;
    async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError>;
}

#[async_trait]
impl<P: Projection> Controlled for Managed<P> {
    fn view(&self) -> ViewId {
        Self::view(self)
    }

    fn progress(&self) -> Progress {
        self.serving_now().map_or_else(Progress::none, |serving| serving.progress.borrow().clone())
    }

    async fn lag(&self) -> Result<Lag, Fault> {
        self.serving().await?.lag().await
    }

    async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        let serving = self.serving().await?;
        serving.prepared().await?;
        serving.views.parked(&serving.view, filter).await
    }

    async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError> {
        let serving = self.serving().await?;
        self.forget_comparison(&serving).await?;
        let report = serving.settle(lane, skip).await?;
        serving.mended.notify_one();
        Ok(report)
    }
}

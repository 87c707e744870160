//! The operator's verbs on a consumer's parked lanes.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, Position};

use super::delivery::poll_error;
use super::{Item, PollFrom, Shared};
use crate::parking::{LaneReport, ParkedEvent, ParkingError};
use crate::progress::RunError;
use crate::settling::{Settling, TellAgain};
use crate::view::Checkpoint;

impl<I: Item> Shared<I> {
    /// Handles a lane's parked items in order until one fails; with `skip` the first is left out for that reason.
    pub(super) async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError> {
        let mut guard = self.engine.lock().await;
        let mut loaded = match guard.take() {
            Some(loaded) => loaded,
            None => self.load().await.map_err(stalled)?,
        };
        let Some(at) = loaded.checkpoint.filter(|_| loaded.lanes.contains(lane)) else {
            *guard = Some(loaded);
            return Err(ParkingError::UnknownLane(lane.to_owned()));
        };
        let settling = Settling { offsets: &*self.offsets, group: &self.group, host: &self.host, at };
        let report = settling.lane(lane, skip, self).await?;
        if report.waiting == 0 {
            loaded.lanes.remove(lane);
        }
        self.publish(&loaded);
        *guard = Some(loaded);
        Ok(report)
    }

    async fn item_at(&self, position: Position, at: Checkpoint) -> Result<I, RunError> {
        let before = Checkpoint { position: Position(position.0.saturating_sub(1)), ..at };
        let polled = self.feed.poll(PollFrom::After(before), 1, Duration::ZERO).await.map_err(poll_error)?;
        let found = polled.items.into_iter().next().filter(|item| item.position() == position);
        found.ok_or_else(|| Fault::permanent("consumer", "retry", format!("the feed has no item at {position}")).into())
    }
}

#[async_trait]
impl<I: Item> TellAgain for Shared<I> {
    /// One commit per item: its effect has happened and must not wait for the others'.
    async fn tell_again(&self, parked: &ParkedEvent, settling: &Settling<'_>) -> Result<Option<String>, ParkingError> {
        let item = self.item_at(parked.position, settling.at).await.map_err(stalled)?;
        match self.handle_once(&item, parked.attempts + 1).await {
            Ok(()) => settling.commit(parked, self.options.inbox.then(|| item.id()), None).await,
            Err(error) => settling.commit(parked, None, Some(error.chain())).await,
        }
    }
}

fn stalled(error: RunError) -> ParkingError {
    match error {
        RunError::Fault(fault) => ParkingError::Fault(fault),
        other => ParkingError::Stalled(other.to_string()),
    }
}

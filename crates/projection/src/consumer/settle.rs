//! The operator's verbs on a consumer's parked lanes.

use std::time::Duration;

use madrigal_core::{Fault, Position};

use super::delivery::poll_error;
use super::{Item, PollFrom, Shared};
use crate::offsets::GroupBatch;
use crate::parking::{LaneReport, ParkedEvent, ParkedFilter, ParkingError, Skipped, bounded_cause};
use crate::progress::RunError;
use crate::view::Checkpoint;

impl<I: Item> Shared<I> {
    /// Handles a lane's parked items in order until one fails; with `skip` the first is left out for that reason.
    pub(super) async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError> {
        let mut guard = self.engine.lock().await;
        let mut loaded = match guard.take() {
            Some(loaded) => loaded,
            None => self.load().await.map_err(stalled)?,
        };
        let unknown = || ParkingError::UnknownLane(lane.to_owned());
        let Some(at) = loaded.checkpoint.filter(|_| loaded.lanes.contains(lane)) else {
            *guard = Some(loaded);
            return Err(unknown());
        };
        let mut skip = skip;
        let mut report = LaneReport { applied: 0, waiting: 0, cause: None };
        loop {
            let waiting = self.offsets.parked(&self.group, ParkedFilter::waiting_in(lane)).await?;
            if waiting.is_empty() {
                loaded.lanes.remove(lane);
                break;
            }
            if self.settle_some(lane, &waiting, skip.take(), at, &mut report).await.map_err(stalled)? {
                break;
            }
        }
        self.publish(&loaded);
        *guard = Some(loaded);
        Ok(report)
    }

    /// At most [`ParkedFilter::MAX`] items; true where the lane is still held.
    async fn settle_some(
        &self,
        lane: &str,
        waiting: &[ParkedEvent],
        skip: Option<String>,
        at: Checkpoint,
        report: &mut LaneReport,
    ) -> Result<bool, RunError> {
        let mut pending = waiting.iter();
        if let Some(reason) = skip
            && let Some(first) = pending.next()
        {
            let mut batch = GroupBatch::at(at, self.host.now());
            batch.skipped.push(Skipped { lane: lane.to_owned(), position: first.position, reason, at: batch.at });
            self.offsets.commit(&self.group, batch).await?;
        }
        let mut left = pending.len();
        for parked in pending {
            // One commit per item: its effect has happened and must not wait for the others'.
            let item = self.item_at(parked.position, at).await?;
            let mut batch = GroupBatch::at(at, self.host.now());
            match self.handle_once(&item, parked.attempts + 1).await {
                Ok(()) => {
                    batch.unparked.push((lane.to_owned(), parked.position));
                    batch.handled.push(item.id());
                    self.offsets.commit(&self.group, batch).await?;
                    report.applied += 1;
                    left -= 1;
                }
                Err(error) => {
                    let (cause, attempts) = (bounded_cause(&error.chain()), parked.attempts + 1);
                    report.cause = Some(cause.clone());
                    report.waiting = left;
                    batch.parked.push(ParkedEvent { cause, attempts, last_at: batch.at, ..parked.clone() });
                    self.offsets.commit(&self.group, batch).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn item_at(&self, position: Position, at: Checkpoint) -> Result<I, RunError> {
        let before = Checkpoint { position: Position(position.0.saturating_sub(1)), ..at };
        let polled = self.feed.poll(PollFrom::After(before), 1, Duration::ZERO).await.map_err(poll_error)?;
        let found = polled.items.into_iter().next().filter(|item| item.position() == position);
        found.ok_or_else(|| Fault::permanent("consumer", "retry", format!("the feed has no item at {position}")).into())
    }
}

fn stalled(error: RunError) -> ParkingError {
    match error {
        RunError::Fault(fault) => ParkingError::Fault(fault),
        other => ParkingError::Stalled(other.to_string()),
    }
}

//! Settling: a lane's parked items told again, in order, until one fails. The one loop behind every consumer's verbs.

use async_trait::async_trait;
use madrigal_core::{Host, Timestamp};

use crate::offsets::{GroupBatch, GroupId, Offsets};
use crate::parking::{LaneReport, ParkedEvent, ParkedFilter, ParkingError, Skipped, bounded_cause};
use crate::view::Checkpoint;

/// Whose parked items are settled, and where that group stands. Whoever settles MUST keep the group's own loop from running
/// meanwhile, or an item could come in behind the last one and be passed over.
#[derive(Clone, Copy)]
pub struct Settling<'a> {
    /// Where the group keeps what it parked.
    pub offsets: &'a dyn Offsets,
    /// The group.
    pub group: &'a GroupId,
    /// Clock.
    pub host: &'a Host,
    /// The group's checkpoint, which settling does not move.
    pub at: Checkpoint,
}

/// What a consumer does with one parked item.
#[async_trait]
pub trait TellAgain: Send + Sync {
    /// Tells one item again and MUST make durable what became of it (the batch of [`outcome`]) before it returns; together
    /// with the effect where the effect's store can. `None` where it is applied, else why it still is not.
    ///
    /// # Errors
    /// [`ParkingError`] where something around the item broke: it stays parked as it was.
    ///
    /// # Cancellation
    /// An item whose effect happened and is not made durable stays parked and is told again.
    async fn tell_again(&self, parked: &ParkedEvent, settling: &Settling<'_>) -> Result<Option<String>, ParkingError>;
}

impl Settling<'_> {
    /// Tells a lane's waiting items again, the oldest first, until one fails; with `skip` the first is left out for that
    /// reason. Reads [`ParkedFilter::MAX`] at a time; of those that wait after a failure so many are counted at most.
    ///
    /// # Errors
    /// [`ParkingError`]; what was told before it stays told.
    ///
    /// # Cancellation
    /// As [`TellAgain::tell_again`].
    pub async fn lane(
        &self,
        lane: &str,
        mut skip: Option<String>,
        again: &dyn TellAgain,
    ) -> Result<LaneReport, ParkingError> {
        let mut report = LaneReport { applied: 0, waiting: 0, cause: None };
        loop {
            let waiting = self.offsets.parked(self.group, ParkedFilter::waiting_in(lane)).await?;
            if waiting.is_empty() {
                return Ok(report);
            }
            let mut pending = waiting.iter();
            if let Some(reason) = skip.take()
                && let Some(first) = pending.next()
            {
                self.skip(first, reason).await?;
            }
            let mut left = pending.len();
            for parked in pending {
                if let Some(cause) = again.tell_again(parked, self).await? {
                    return Ok(LaneReport { waiting: left, cause: Some(bounded_cause(&cause)), ..report });
                }
                report.applied += 1;
                left -= 1;
            }
        }
    }

    async fn skip(&self, parked: &ParkedEvent, reason: String) -> Result<(), ParkingError> {
        let mut batch = GroupBatch::at(self.at, self.host.now());
        let (lane, position) = (parked.lane.clone(), parked.position);
        batch.skipped.push(Skipped { lane, position, reason, at: batch.at });
        Ok(self.offsets.commit(self.group, batch).await?)
    }

    /// Makes durable what became of an item; `handled` is its id where the group remembers those. Returns the cause.
    ///
    /// # Errors
    /// A fault if the engine broke.
    ///
    /// # Cancellation
    /// Whole or not at all.
    pub async fn commit(
        &self,
        parked: &ParkedEvent,
        handled: Option<String>,
        cause: Option<String>,
    ) -> Result<Option<String>, ParkingError> {
        let mut batch = outcome(self.at, self.host.now(), parked, cause.as_deref());
        batch.handled.extend(handled);
        self.offsets.commit(self.group, batch).await?;
        Ok(cause)
    }
}

/// The batch that makes durable what became of a parked item: out of what is parked, or tried once more in vain.
pub fn outcome(at: Checkpoint, now: Timestamp, parked: &ParkedEvent, cause: Option<&str>) -> GroupBatch {
    let mut batch = GroupBatch::at(at, now);
    match cause {
        None => batch.unparked.push((parked.lane.clone(), parked.position)),
        Some(cause) => {
            let (cause, attempts) = (bounded_cause(cause), parked.attempts + 1);
            batch.parked.push(ParkedEvent { cause, attempts, last_at: now, ..parked.clone() });
        }
    }
    batch
}

//! The operator's verbs on what a collector parked.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_bus::{LaneReport, Message, ParkedEvent, ParkedFilter};
use madrigal_core::Fault;
use madrigal_projection::parking::checked_reason;
use madrigal_projection::{Offsets, ParkingError, Settling, TellAgain, settling};
use madrigal_sqlite::offsets;

use super::{Collector, Lane, Shared};

impl Collector {
    /// What is parked, in the order of the topic.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.shared.offsets.parked(&self.shared.group, filter).await
    }

    /// Tries a key's parked messages again, in order, until one fails.
    ///
    /// # Errors
    /// [`ParkingError`].
    ///
    /// # Cancellation
    /// Each message happens as a whole or stays parked.
    pub async fn retry(&self, lane: &str) -> Result<LaneReport, ParkingError> {
        self.settle(lane, None).await
    }

    /// Leaves out a key's first parked message, for a stated reason that stays listed, and tries the others. What the message
    /// would have changed is missing in the copy until the monitor repairs it.
    ///
    /// # Errors
    /// [`ParkingError`].
    ///
    /// # Cancellation
    /// As [`Collector::retry`].
    pub async fn skip(&self, lane: &str, reason: &str) -> Result<LaneReport, ParkingError> {
        let reason = checked_reason(reason)?;
        tracing::warn!(group = %self.shared.group, lane, reason, "a parked message is skipped");
        self.settle(lane, Some(reason)).await
    }

    async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError> {
        let shared = &*self.shared;
        let mut guard = shared.loaded.lock().await;
        let loaded = shared.load(&mut guard).await.map_err(|error| ParkingError::Stalled(error.to_string()))?;
        let unknown = || ParkingError::UnknownLane(lane.to_owned());
        let at = loaded.checkpoint.filter(|_| loaded.lanes.contains(lane)).ok_or_else(unknown)?;
        let settling = Settling { offsets: &shared.offsets, group: &shared.group, host: &shared.host, at };
        let report = settling.lane(lane, skip, shared).await?;
        if report.waiting == 0 {
            loaded.lanes.remove(lane);
        }
        shared.show(loaded, None);
        Ok(report)
    }
}

#[async_trait]
impl TellAgain for Shared {
    /// The message's effect and what became of it are one transaction.
    async fn tell_again(&self, parked: &ParkedEvent, settling: &Settling<'_>) -> Result<Option<String>, ParkingError> {
        let payload = parked.payload.as_ref().map_or("", |payload| payload.0.as_str());
        let message = match Message::from_json(payload) {
            Ok(message) => message,
            Err(error) => return settling.commit(parked, None, Some(error.to_string())).await,
        };
        let (effect, group, parked) = (Arc::clone(&self.effect), self.group.clone(), parked.clone());
        let (at, now) = (settling.at, settling.host.now());
        let done = self.offsets.database().decide("collect-parked", move |tx| {
            let lanes = [Lane { key: parked.lane.clone(), messages: vec![message] }];
            let cause = effect.apply(tx, &lanes)?.into_iter().next().map(|stuck| stuck.cause);
            let batch = settling::outcome(at, now, &parked, cause.as_deref());
            Ok(offsets::commit(tx, &group, &batch)?.map(|()| cause))
        });
        let done = done.await;
        if !matches!(done, Ok(Ok(_))) {
            self.effect.undone();
        }
        Ok(done?.map_err(|why| Fault::permanent("analytics-service", "retry", why))?)
    }
}

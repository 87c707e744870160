//! The operator's verbs on what a collector parked.

use std::sync::Arc;

use madrigal_bus::{LaneReport, Message, ParkedEvent, ParkedFilter};
use madrigal_core::Fault;
use madrigal_projection::parking::Skipped;
use madrigal_projection::{GroupBatch, Offsets, ParkingError};
use madrigal_sqlite::offsets;

use super::{Collector, Lane};

/// The longest reason of a skip, in characters.
const REASON: usize = 500;

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
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON {
            return Err(ParkingError::NoReason);
        }
        tracing::warn!(group = %self.shared.group, lane, reason, "a parked message is skipped");
        self.settle(lane, Some(reason)).await
    }

    async fn settle(&self, lane: &str, skip: Option<&str>) -> Result<LaneReport, ParkingError> {
        let shared = &self.shared;
        let mut guard = shared.loaded.lock().await;
        let loaded = shared.load(&mut guard).await.map_err(|error| ParkingError::Stalled(error.to_string()))?;
        let unknown = || ParkingError::UnknownLane(lane.to_owned());
        let at = loaded.checkpoint.filter(|_| loaded.lanes.contains(lane)).ok_or_else(unknown)?;
        let mut report = LaneReport { applied: 0, waiting: 0, cause: None };
        let mut skip = skip.map(str::to_owned);
        loop {
            let waiting = shared.offsets.parked(&shared.group, ParkedFilter::waiting_in(lane)).await?;
            let Some(first) = waiting.first() else {
                loaded.lanes.remove(lane);
                break;
            };
            let mut batch = GroupBatch::at(at, shared.host.now());
            if let Some(reason) = skip.take() {
                let (lane, position) = (lane.to_owned(), first.position);
                batch.skipped.push(Skipped { lane, position, reason, at: batch.at });
                shared.offsets.commit(&shared.group, batch).await?;
                continue;
            }
            match shared.once_more(first, batch).await? {
                None => report.applied += 1,
                Some(cause) => {
                    report.cause = Some(cause);
                    report.waiting = waiting.len();
                    break;
                }
            }
        }
        let loaded = loaded.clone();
        shared.show(&loaded, None);
        Ok(report)
    }
}

impl super::Shared {
    /// Applies one parked message and takes it out, in one transaction; the cause where it fails again.
    async fn once_more(&self, parked: &ParkedEvent, mut batch: GroupBatch) -> Result<Option<String>, Fault> {
        let payload = parked.payload.as_ref().map_or("", |payload| payload.0.as_str());
        let message = match Message::from_json(payload) {
            Ok(message) => message,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let (effect, group, parked) = (Arc::clone(&self.effect), self.group.clone(), parked.clone());
        let done = self.offsets.database().decide("collect-parked", move |tx| {
            let lanes = [Lane { key: parked.lane.clone(), messages: vec![message] }];
            let cause = effect.apply(tx, &lanes)?.into_iter().next().map(|stuck| stuck.cause);
            match &cause {
                None => batch.unparked.push((parked.lane.clone(), parked.position)),
                Some(cause) => {
                    let (cause, attempts) = (cause.chars().take(1_000).collect(), parked.attempts + 1);
                    batch.parked.push(ParkedEvent { cause, attempts, last_at: batch.at, ..parked });
                }
            }
            Ok(offsets::commit(tx, &group, &batch)?.map(|()| cause))
        });
        let done = done.await;
        if !matches!(done, Ok(Ok(_))) {
            self.effect.undone();
        }
        done?.map_err(|why| Fault::permanent("analytics-service", "retry", why))
    }
}

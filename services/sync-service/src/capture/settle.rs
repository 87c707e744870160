//! The operator's verbs on parked keys.

use madrigal_cdc::{Key, PlacedChange};
use madrigal_core::Fault;
use madrigal_projection::{Checkpoint, GroupBatch, LaneReport, ParkedEvent, ParkedFilter, ParkingError, Skipped};
use serde::Deserialize;
use serde_json::Value;

use super::{Capture, Shared};

/// By what a parked change is found again.
#[derive(Deserialize)]
struct Parked {
    table: String,
    key: Value,
}

impl Capture {
    /// What is parked, in the order of the log.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        let Some(group) = self.shared.current_group() else { return Ok(Vec::new()) };
        self.shared.parts.offsets.parked(&group, filter).await
    }

    /// Tells the copies a lane's rows as its owner has them now, in the order of its parked changes, until one fails.
    ///
    /// # Errors
    /// [`ParkingError`].
    ///
    /// # Cancellation
    /// What was told and not committed stays parked; safe to repeat.
    pub async fn retry(&self, lane: &str) -> Result<LaneReport, ParkingError> {
        self.shared.settle(lane, None).await
    }

    /// Leaves out a lane's first parked change, for a stated reason that stays listed, and retries the others.
    ///
    /// # Errors
    /// [`ParkingError`].
    ///
    /// # Cancellation
    /// As [`Capture::retry`].
    pub async fn skip(&self, lane: &str, reason: &str) -> Result<LaneReport, ParkingError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > 500 {
            return Err(ParkingError::NoReason);
        }
        tracing::warn!(connector = self.shared.parts.connector.name, lane, reason, "a parked change is skipped");
        self.shared.settle(lane, Some(reason.to_owned())).await
    }
}

impl Shared {
    async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError> {
        let mut guard = self.engine.lock().await;
        if guard.is_none() {
            *guard = Some(self.load().await?);
        }
        let unknown = || ParkingError::UnknownLane(lane.to_owned());
        let loaded = guard.as_mut().filter(|loaded| loaded.held.contains(lane)).ok_or_else(unknown)?;
        let stalled = || ParkingError::Stalled("the copies are being told every row".to_owned());
        let at = loaded.checkpoint.ok_or_else(stalled)?;
        let mut report = LaneReport { applied: 0, waiting: 0, cause: None };
        let mut skip = skip;
        loop {
            let waiting = self.parts.offsets.parked(&self.group(at.epoch), ParkedFilter::waiting_in(lane)).await?;
            if waiting.is_empty() {
                loaded.held.remove(lane);
                break;
            }
            if self.settle_some(lane, &waiting, skip.take(), at, &mut report).await? {
                break;
            }
        }
        self.publish(loaded);
        Ok(report)
    }

    /// At most [`ParkedFilter::MAX`] changes; true where the lane is still held.
    async fn settle_some(
        &self,
        lane: &str,
        waiting: &[ParkedEvent],
        skip: Option<String>,
        at: Checkpoint,
        report: &mut LaneReport,
    ) -> Result<bool, Fault> {
        let mut pending = waiting.iter();
        if let Some(reason) = skip
            && let Some(first) = pending.next()
        {
            let mut batch = GroupBatch::at(at, self.parts.host.now());
            batch.skipped.push(Skipped { lane: lane.to_owned(), position: first.position, reason, at: batch.at });
            self.parts.offsets.commit(&self.group(at.epoch), batch).await?;
        }
        let mut left = pending.len();
        for parked in pending {
            let mut batch = GroupBatch::at(at, self.parts.host.now());
            match self.tell_again(lane, parked).await? {
                None => {
                    batch.unparked.push((lane.to_owned(), parked.position));
                    self.parts.offsets.commit(&self.group(at.epoch), batch).await?;
                    report.applied += 1;
                    left -= 1;
                }
                Some(cause) => {
                    let cause: String = cause.chars().take(1_000).collect();
                    report.cause = Some(cause.clone());
                    report.waiting = left;
                    let attempts = parked.attempts + 1;
                    batch.parked.push(ParkedEvent { cause, attempts, last_at: batch.at, ..parked.clone() });
                    self.parts.offsets.commit(&self.group(at.epoch), batch).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Tells the copies the row of a parked change as it is now; why that failed.
    async fn tell_again(&self, lane: &str, parked: &ParkedEvent) -> Result<Option<String>, Fault> {
        let place = parked.payload.as_ref().and_then(|payload| serde_json::from_str::<Parked>(&payload.0).ok());
        let found = place.and_then(|place| Some((place.table, serde_json::from_value::<Key>(place.key).ok()?)));
        let Some((table, key)) = found else {
            return Ok(Some("it has no key to read it by: skip it, and let the monitor compare".to_owned()));
        };
        let change = self.read_key(&table, &key).await?;
        let placed = PlacedChange { position: parked.position, change };
        let told = self.tell(&[(lane.to_owned(), placed)], None).await?;
        Ok(told.refused.into_values().next().map(|(_, cause)| cause))
    }
}

//! The operator's verbs on parked keys.

use async_trait::async_trait;
use madrigal_cdc::{Key, PlacedChange};
use madrigal_core::Fault;
use madrigal_projection::parking::checked_reason;
use madrigal_projection::{LaneReport, ParkedEvent, ParkedFilter, ParkingError, Settling, TellAgain};
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
        let reason = checked_reason(reason)?;
        tracing::warn!(connector = self.shared.parts.connector.name, lane, reason, "a parked change is skipped");
        self.shared.settle(lane, Some(reason)).await
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
        let (offsets, group) = (&*self.parts.offsets, &self.group(at.epoch));
        let report = Settling { offsets, group, host: &self.parts.host, at }.lane(lane, skip, self).await?;
        if report.waiting == 0 {
            loaded.held.remove(lane);
        }
        self.publish(loaded);
        Ok(report)
    }

    /// Tells the copies the row of a parked change as it is now; why that failed.
    async fn told_now(&self, parked: &ParkedEvent) -> Result<Option<String>, Fault> {
        let place = parked.payload.as_ref().and_then(|payload| serde_json::from_str::<Parked>(&payload.0).ok());
        let found = place.and_then(|place| Some((place.table, serde_json::from_value::<Key>(place.key).ok()?)));
        let Some((table, key)) = found else {
            return Ok(Some("it has no key to read it by: skip it, and let the monitor compare".to_owned()));
        };
        let change = self.read_key(&table, &key).await?;
        let placed = PlacedChange { position: parked.position, change };
        let told = self.tell(&[(parked.lane.clone(), placed)], None, None).await?;
        Ok(told.refused.into_values().next().map(|(_, cause)| cause))
    }
}

#[async_trait]
impl TellAgain for Shared {
    async fn tell_again(&self, parked: &ParkedEvent, settling: &Settling<'_>) -> Result<Option<String>, ParkingError> {
        let cause = self.told_now(parked).await?;
        settling.commit(parked, None, cause).await
    }
}

//! The operator's verbs on parked lanes: retry, skip.

use std::collections::HashMap;

use madrigal_core::{Fault, Position, RecordedEvent, Timestamp};

use super::cache::Slot;
use super::engine::{Engine, Loaded, read_error};
use super::{fold, lanes};
use crate::parking::{LaneReport, ParkedEvent, ParkedFilter, ParkingError, Skipped, bounded_cause};
use crate::progress::RunError;
use crate::projection::{ApplyError, Interest, Projection};
use crate::view::ViewBatch;

/// What the attempt at one parked event came to.
enum Attempt {
    Applied,
    Failed(ApplyError),
}

impl<P: Projection> Engine<P> {
    /// Applies a lane's parked events in order until one fails; with `skip` the first is left out for that reason.
    pub(crate) async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError> {
        let mut guard = self.loaded.lock().await;
        let mut loaded = match guard.take() {
            Some(loaded) => loaded,
            None => self.load().await.map_err(stalled)?,
        };
        let mut skip = skip;
        let mut report = LaneReport { applied: 0, waiting: 0, cause: None };
        loop {
            let waiting = self.views.parked(&self.view, ParkedFilter::waiting_in(lane)).await?;
            if waiting.is_empty() {
                if report.applied == 0 && skip.is_some() || !loaded.lanes.holds(lane) {
                    *guard = Some(loaded);
                    return Err(ParkingError::UnknownLane(lane.to_owned()));
                }
                loaded.lanes.free(lane);
                break;
            }
            let blocked =
                self.settle_some(lane, &waiting, skip.take(), &mut loaded, &mut report).await.map_err(stalled)?;
            if blocked {
                break;
            }
        }
        loaded.lanes_changed = true;
        self.publish(&mut loaded);
        *guard = Some(loaded);
        Ok(report)
    }

    /// One transaction over at most [`ParkedFilter::MAX`] events; true where the lane is still held.
    async fn settle_some(
        &self,
        lane: &str,
        waiting: &[ParkedEvent],
        skip: Option<String>,
        loaded: &mut Loaded<P::Row>,
        report: &mut LaneReport,
    ) -> Result<bool, RunError> {
        let now = self.host.now();
        let mut batch = ViewBatch::at(loaded.checkpoint);
        let mut rows: HashMap<String, (bool, Slot<P::Row>)> = HashMap::new();
        let mut pending = waiting.iter();
        if let Some(reason) = skip
            && let Some(first) = pending.next()
        {
            batch.skipped.push(Skipped { lane: lane.to_owned(), position: first.position, reason, at: now });
        }
        let mut blocked = false;
        for (index, parked) in pending.clone().enumerate() {
            let event = self.event_at(parked.position).await?;
            match self.attempt(lane, event, loaded, &mut rows, &mut batch, now).await? {
                Attempt::Applied => {
                    batch.unparked.push((lane.to_owned(), parked.position));
                    report.applied += 1;
                }
                Attempt::Failed(error) => {
                    let cause = bounded_cause(&error.to_string());
                    report.cause = Some(cause.clone());
                    report.waiting = pending.len() - index;
                    batch.parked.push(ParkedEvent {
                        cause,
                        attempts: parked.attempts + 1,
                        last_at: now,
                        ..parked.clone()
                    });
                    blocked = true;
                    break;
                }
            }
        }
        for (key, (had_row, slot)) in &rows {
            match &slot.row {
                Some(row) => {
                    let stored = fold::stored(&*self.projection, row, slot)
                        .map_err(|error| Fault::permanent("projection", "retry", error))?;
                    batch.puts.push((key.clone(), stored));
                }
                None if *had_row => batch.deletes.push(key.clone()),
                None => {}
            }
        }
        self.views.commit(&self.view, batch).await?;
        for (key, (_, slot)) in rows {
            loaded.cache.put(key, slot);
        }
        Ok(blocked)
    }

    /// Applies one parked event to the rows of its lane. In a stream's lane a key that is itself held takes the event up.
    async fn attempt(
        &self,
        lane: &str,
        event: RecordedEvent,
        loaded: &mut Loaded<P::Row>,
        rows: &mut HashMap<String, (bool, Slot<P::Row>)>,
        batch: &mut ViewBatch,
        now: Timestamp,
    ) -> Result<Attempt, RunError> {
        let (event, interest) = fold::interest_of(&*self.projection, self.options.upcaster.as_ref(), event);
        let keys = match interest {
            Ok(Interest::Skip) => Vec::new(),
            Ok(Interest::Key(key)) => vec![key],
            Ok(Interest::Keys(keys)) => keys,
            Err(error) => return Ok(Attempt::Failed(error)),
        };
        let own_key = lane.strip_prefix("key/");
        for key in keys.iter().filter(|key| own_key.is_none_or(|own| own == *key)) {
            let held = lanes::key_lane(key);
            if own_key.is_none() && loaded.lanes.holds(&held) {
                batch.parked.push(fold::behind(held, &event, now));
                continue;
            }
            let (had_row, slot) = match rows.remove(key) {
                Some(known) => known,
                None => self.current(key, loaded).await?,
            };
            // Events of other streams may have moved the row on: the parked list, not the position, says what is missing.
            let before = slot.clone();
            let folded = fold::fold(&*self.projection, key, slot, &[&event], false);
            let error = folded.error.or_else(|| {
                let row = folded.slot.row.as_ref()?;
                fold::stored(&*self.projection, row, &folded.slot).err()
            });
            let Some(error) = error else {
                rows.insert(key.clone(), (had_row, folded.slot));
                continue;
            };
            rows.insert(key.clone(), (had_row, before));
            if own_key.is_some() {
                return Ok(Attempt::Failed(error));
            }
            batch.parked.push(fold::failed(held.clone(), &event, &error, now));
            loaded.lanes.hold(&held);
        }
        Ok(Attempt::Applied)
    }

    async fn current(&self, key: &str, loaded: &mut Loaded<P::Row>) -> Result<(bool, Slot<P::Row>), RunError> {
        if let Some(slot) = loaded.cache.take(key) {
            return Ok((slot.row.is_some(), slot));
        }
        match self.views.get(&self.view, key).await? {
            Some(row) => Ok((true, self.decoded(key, &row)?)),
            None => Ok((false, Slot::absent())),
        }
    }

    async fn event_at(&self, position: Position) -> Result<RecordedEvent, RunError> {
        let read = self.log.read_log(Position(position.0.saturating_sub(1)), 1).await.map_err(read_error)?;
        let found = read.events.into_iter().next().filter(|event| event.position == position);
        found.ok_or_else(|| {
            Fault::permanent("projection", "retry", format!("the log has no event at {position}")).into()
        })
    }
}

fn stalled(error: RunError) -> ParkingError {
    match error {
        RunError::Fault(fault) => ParkingError::Fault(fault),
        other => ParkingError::Stalled(other.to_string()),
    }
}

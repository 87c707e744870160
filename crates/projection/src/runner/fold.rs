//! Folding one batch in memory: which events go to which rows, and what is parked on the way. Pure but for the rows
//! that it asks the caller to load.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use madrigal_core::{JsonBytes, RecordedEvent, Timestamp};

use super::cache::Slot;
use super::lanes::{Lanes, key_lane, stream_lane};
use crate::parking::{ParkedEvent, bounded_cause};
use crate::projection::{ApplyError, Interest, Projection};
use crate::upcast::Upcaster;
use crate::view::StoredRow;

/// A batch sorted by rows: for each key the indices of its events, in order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) events: Vec<RecordedEvent>,
    pub(super) groups: HashMap<String, Vec<usize>>,
    pub(super) parked: Vec<ParkedEvent>,
}

impl Plan {
    /// Sorts `events` by row; parks those whose lane is held, and those whose keys cannot be told.
    pub(super) fn of<P: Projection>(
        projection: &P,
        upcaster: Option<&Upcaster>,
        lanes: &mut Lanes,
        events: Vec<RecordedEvent>,
        now: Timestamp,
    ) -> Self {
        let mut plan = Self { events: Vec::with_capacity(events.len()), ..Self::default() };
        for event in events {
            if lanes.hold_stream(&event) {
                plan.parked.push(behind(stream_lane(&event), &event, now));
                continue;
            }
            let (event, interest) = interest_of(projection, upcaster, event);
            match interest {
                Ok(Interest::Skip) => {}
                Ok(Interest::Key(key)) => {
                    let index = plan.events.len();
                    plan.assign(key, index, &event, lanes, now);
                    plan.events.push(event);
                }
                Ok(Interest::Keys(keys)) => {
                    let index = plan.events.len();
                    for key in keys {
                        plan.assign(key, index, &event, lanes, now);
                    }
                    plan.events.push(event);
                }
                Err(error) => {
                    let lane = stream_lane(&event);
                    plan.parked.push(failed(lane.clone(), &event, &error, now));
                    lanes.hold(&lane);
                }
            }
        }
        plan
    }

    fn assign(&mut self, key: String, index: usize, event: &RecordedEvent, lanes: &Lanes, now: Timestamp) {
        if lanes.hold_key(&key) {
            self.parked.push(behind(key_lane(&key), event, now));
        } else {
            let group = self.groups.entry(key).or_default();
            // A projection may name a row twice; the event is applied to it once.
            if group.last() != Some(&index) {
                group.push(index);
            }
        }
    }
}

/// The event in its current form, and the rows that it concerns.
pub(super) fn interest_of<P: Projection>(
    projection: &P,
    upcaster: Option<&Upcaster>,
    event: RecordedEvent,
) -> (RecordedEvent, Result<Interest, ApplyError>) {
    let event = match upcaster {
        None => event,
        Some(upcast) => {
            let original = event.clone();
            match upcast(event) {
                Ok(current) => current,
                Err(error) => return (original, Err(ApplyError::Upcast(error))),
            }
        }
    };
    let interest = catch_unwind(AssertUnwindSafe(|| projection.keys(&event))).unwrap_or(Err(ApplyError::Panicked));
    let bounded = match interest {
        Ok(Interest::Keys(keys)) if keys.len() > Interest::MAX_KEYS => {
            let why = format!("an event concerns at most {} rows, not {}", Interest::MAX_KEYS, keys.len());
            Err(ApplyError::Refused(why))
        }
        other => other,
    };
    (event, bounded)
}

/// A row after some of its events: how far it came, and what stopped it.
pub(super) struct Folded<R> {
    pub(super) slot: Slot<R>,
    /// How many of the events were applied (or had been before).
    pub(super) applied: usize,
    pub(super) error: Option<ApplyError>,
}

/// Applies `events` to a row until one fails; a failure loses the row (folds take it by value), so the caller folds the
/// events before it again from where it began. `guarded`: events at or below the row's position have been applied already
/// and are passed over.
pub(super) fn fold<P: Projection>(
    projection: &P,
    key: &str,
    start: Slot<P::Row>,
    events: &[&RecordedEvent],
    guarded: bool,
) -> Folded<P::Row> {
    let mut slot = start;
    for (applied, event) in events.iter().enumerate() {
        if guarded && event.position <= slot.position {
            continue;
        }
        let row = slot.row.take();
        let result = catch_unwind(AssertUnwindSafe(|| projection.apply(key, row, event)));
        match result.unwrap_or(Err(ApplyError::Panicked)) {
            Ok(row) => {
                slot.row = row;
                slot.version = event.version();
                slot.position = slot.position.max(event.position);
            }
            Err(error) => return Folded { slot, applied, error: Some(error) },
        }
    }
    Folded { slot, applied: events.len(), error: None }
}

/// The row as the store keeps it.
pub(super) fn stored<P: Projection>(
    projection: &P,
    row: &P::Row,
    slot: &Slot<P::Row>,
) -> Result<StoredRow, ApplyError> {
    let columns = projection.columns(row);
    let declared = projection.column_names();
    if let Some((odd, _)) = columns.iter().find(|(name, _)| !declared.contains(name)) {
        return Err(ApplyError::Refused(format!("column {odd} is not among column_names()")));
    }
    let body = JsonBytes::of(row).map_err(|error| ApplyError::Refused(format!("the row is no JSON: {error}")))?;
    Ok(StoredRow { version: slot.version, position: slot.position, body, columns })
}

/// A parked event that failed.
pub(super) fn failed(lane: String, event: &RecordedEvent, error: &ApplyError, now: Timestamp) -> ParkedEvent {
    parked(lane, event, bounded_cause(&error.to_string()), 1, now)
}

/// A parked event that stands behind another of its lane.
pub(super) fn behind(lane: String, event: &RecordedEvent, now: Timestamp) -> ParkedEvent {
    parked(lane, event, "stands behind a parked event".to_owned(), 0, now)
}

fn parked(lane: String, event: &RecordedEvent, cause: String, attempts: u32, now: Timestamp) -> ParkedEvent {
    ParkedEvent {
        lane,
        position: event.position,
        id: event.event_id.to_string(),
        kind: event.event_type.to_string(),
        payload: None,
        cause,
        attempts,
        first_at: now,
        last_at: now,
        skipped: None,
    }
}

//! One turn of a consumer: poll, handle lane by lane, commit.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use madrigal_core::spans::{Doing, Span};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Position, Timestamp};

use super::{Delivery, FIRST_PAUSE, HandleError, Item, LAST_PAUSE, PollError, PollFrom, Polled, Shared};
use crate::offsets::GroupBatch;
use crate::parking::{ParkedEvent, bounded_cause};
use crate::progress::{RunError, Status};
use crate::view::Checkpoint;

/// What the consumer holds in memory between turns.
pub(super) struct Loaded {
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) lanes: HashSet<String>,
    /// When ids that were handled long ago were last forgotten, since the start.
    pub(super) forgot_at: Option<Timestamp>,
}

/// How long handled ids are remembered: longer than any message is on its way, or is tried again by hand.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How often older ones are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// What became of one lane's items in a turn.
#[derive(Default)]
struct LaneOutcome {
    handled: Vec<String>,
    parked: Vec<ParkedEvent>,
    held: Option<String>,
    /// The first item that was neither handled nor parked: the consumer was stopped before it.
    unfinished: Option<Position>,
}

impl<I: Item> Shared<I> {
    /// Polls once and handles what came; returns where the group stands.
    pub(super) async fn turn(&self, wait: Duration, stop: &StopSignal) -> Result<Option<Checkpoint>, RunError> {
        let before = {
            let mut guard = self.engine.lock().await;
            if guard.is_none() {
                *guard = Some(self.load().await?);
            }
            guard.as_ref().and_then(|loaded| loaded.checkpoint)
        };
        // "What comes from now on" must be on record before anything is waited for, or a restart would move it.
        let wait = if before.is_none() { Duration::ZERO } else { wait };
        let from = before.map_or(PollFrom::Start(self.start), PollFrom::After);
        // The lock is free while the poll waits, so that operators' verbs do not wait for messages.
        let polled = tokio::select! {
            () = stop.cancelled() => return Ok(before),
            polled = self.feed.poll(from, self.options.batch, wait) => polled.map_err(poll_error)?,
        };
        self.end.send_replace(polled.end.max(polled.scanned_through));
        let mut guard = self.engine.lock().await;
        let Some(mut loaded) = guard.take() else {
            return Ok(before);
        };
        let moved = loaded.checkpoint.is_none_or(|at| at.position < polled.scanned_through);
        if moved {
            self.take_in(&mut loaded, polled, stop).await?;
        }
        let at = loaded.checkpoint;
        self.publish(&loaded);
        *guard = Some(loaded);
        Ok(at)
    }

    async fn take_in(&self, loaded: &mut Loaded, polled: Polled<I>, stop: &StopSignal) -> Result<(), RunError> {
        let mut last = loaded.checkpoint.map_or(Position::START, |at| at.position);
        let items: Vec<I> = polled
            .items
            .into_iter()
            .filter(|item| {
                let next = item.position() > last;
                last = last.max(item.position());
                next
            })
            .collect();
        let known = match self.options.inbox && !items.is_empty() {
            true => self.offsets.handled(&self.group, items.iter().map(Item::id).collect()).await?,
            false => HashSet::new(),
        };
        let lanes = in_lanes(items, &known);
        let held = &loaded.lanes;
        let outcomes: Vec<LaneOutcome> = stream::iter(lanes)
            .map(|(lane, items)| self.handle_lane(lane, items, held, stop))
            .buffer_unordered(self.options.lanes_at_once)
            .collect()
            .await;
        let unfinished = outcomes.iter().filter_map(|outcome| outcome.unfinished).min();
        let through = unfinished.map_or(polled.scanned_through, |first| Position(first.0.saturating_sub(1)));
        let checkpoint = Checkpoint { epoch: polled.epoch, position: through };
        let mut batch = GroupBatch::at(checkpoint, self.host.now());
        for outcome in outcomes {
            batch.handled.extend(outcome.handled.into_iter().filter(|_| self.options.inbox));
            batch.parked.extend(outcome.parked);
            loaded.lanes.extend(outcome.held);
        }
        if loaded.lanes.len() >= self.options.max_parked_lanes {
            return Err(RunError::TooManyParked(self.options.max_parked_lanes));
        }
        let now = batch.at;
        self.offsets.commit(&self.group, batch).await?;
        loaded.checkpoint = Some(checkpoint);
        if self.options.inbox && loaded.forgot_at.is_none_or(|at| now.since(at) >= FORGET_EVERY) {
            self.offsets.forget_handled(now.minus(REMEMBERED)).await?;
            loaded.forgot_at = Some(now);
        }
        Ok(())
    }

    async fn handle_lane(&self, lane: String, items: Vec<I>, held: &HashSet<String>, stop: &StopSignal) -> LaneOutcome {
        let mut outcome = LaneOutcome::default();
        let mut parked = held.contains(&lane);
        for item in &items {
            if parked {
                let why = "stands behind a parked message".to_owned();
                outcome.parked.push(parked_item(&lane, item, why, 0, self.host.now()));
                continue;
            }
            match self.handle_until_clear(item, stop).await {
                Some(Ok(())) => outcome.handled.push(item.id()),
                Some(Err(cause)) => {
                    tracing::warn!(group = %self.group, %lane, position = %item.position(), cause, "parked a lane");
                    outcome.parked.push(parked_item(&lane, item, cause, 1, self.host.now()));
                    outcome.held = Some(lane.clone());
                    parked = true;
                }
                None => {
                    outcome.unfinished = Some(item.position());
                    break;
                }
            }
        }
        outcome
    }

    /// Handles one item, again and again while what surrounds it is broken; `None` where the consumer was stopped.
    async fn handle_until_clear(&self, item: &I, stop: &StopSignal) -> Option<Result<(), String>> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        loop {
            if stop.is_cancelled() {
                return None;
            }
            attempt += 1;
            match self.handle_once(item, attempt).await {
                Ok(()) => {
                    if attempt > 1 {
                        self.set_status(Status::Running);
                    }
                    return Some(Ok(()));
                }
                Err(error @ HandleError::Poison(_)) => return Some(Err(bounded_cause(&error.chain()))),
                Err(error @ HandleError::Retry(_)) => {
                    self.troubled(&error.chain());
                    tasks::sleep_or_stopped(pause, stop).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    /// Handles one item once; a panic counts as poison.
    pub(super) async fn handle_once(&self, item: &I, attempt: u32) -> Result<(), HandleError> {
        if let Some(why) = item.poison() {
            return Err(HandleError::poison(why));
        }
        let parent = item.traceparent();
        let mut span = Span::begin(self.options.service, Doing::Handle, self.group.topic(), parent);
        let traceparent = span.traceparent().or_else(|| parent.map(Arc::from));
        let delivery = Delivery { group: self.group.clone(), id: item.id(), attempt, traceparent };
        let handling = AssertUnwindSafe(self.effect.handle(item, &delivery)).catch_unwind();
        let handled = handling.await.unwrap_or_else(|_| Err(HandleError::poison("the handler panicked")));
        if handled.is_err() {
            span.fail("not handled");
        }
        handled
    }

    pub(super) async fn load(&self) -> Result<Loaded, RunError> {
        let checkpoint = self.offsets.checkpoint(&self.group).await?;
        let lanes = self.offsets.parked_lanes(&self.group, self.options.max_parked_lanes).await?;
        if lanes.len() >= self.options.max_parked_lanes {
            return Err(RunError::TooManyParked(lanes.len()));
        }
        Ok(Loaded { checkpoint, lanes: lanes.into_iter().collect(), forgot_at: None })
    }

    pub(super) fn publish(&self, loaded: &Loaded) {
        self.progress.send_modify(|progress| {
            progress.checkpoint = loaded.checkpoint;
            if *progress.lanes != loaded.lanes {
                progress.lanes = Arc::new(loaded.lanes.clone());
            }
        });
    }

    pub(super) fn set_status(&self, status: Status) {
        self.progress.send_if_modified(|progress| {
            let changed = progress.status != status;
            progress.status = status;
            changed
        });
    }

    pub(super) fn troubled(&self, cause: &str) {
        let since = match &self.progress.borrow().status {
            Status::Retrying { cause: known, .. } if known == cause => return,
            Status::Retrying { since, .. } => *since,
            _ => self.host.now(),
        };
        tracing::warn!(group = %self.group, cause, "consumer is held up, trying again");
        self.set_status(Status::Retrying { cause: cause.to_owned(), since });
    }
}

/// The items by lane, each lane in order, the lanes in the order of their first items; known ids left out.
fn in_lanes<I: Item>(items: Vec<I>, known: &HashSet<String>) -> Vec<(String, Vec<I>)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut lanes: Vec<(String, Vec<I>)> = Vec::new();
    for item in items {
        if known.contains(&item.id()) {
            continue;
        }
        let lane = item.lane();
        let place = *places.entry(lane.clone()).or_insert(lanes.len());
        match lanes.get_mut(place) {
            Some((_, items)) => items.push(item),
            None => lanes.push((lane, vec![item])),
        }
    }
    lanes
}

pub(super) fn parked_item<I: Item>(lane: &str, item: &I, cause: String, attempts: u32, now: Timestamp) -> ParkedEvent {
    ParkedEvent {
        lane: lane.to_owned(),
        position: item.position(),
        id: item.id(),
        kind: item.kind().to_owned(),
        payload: item.payload(),
        cause,
        attempts,
        first_at: now,
        last_at: now,
        skipped: None,
    }
}

pub(super) fn poll_error(error: PollError) -> RunError {
    match error {
        PollError::OtherEpoch { reader, log } => RunError::OtherEpoch { checkpoint: reader, log },
        PollError::BeyondEnd { reader, end } => RunError::BeyondEnd { checkpoint: reader, end },
        PollError::Fault(fault) => RunError::Fault(fault),
    }
}

//! The loop of a collector: poll, apply in one transaction with the checkpoint, rest under load.

mod settle;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use madrigal_bus::{DynTopicSource, GroupId, Message, ParkedEvent, PollError, PollFrom, Polled, Start};
use madrigal_core::spans::{BatchSpans, Doing};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, LogName, Position, Timestamp};
use madrigal_projection::consumer::Item;
use madrigal_projection::{Checkpoint, GroupBatch, Offsets, RunError, Status};
use madrigal_sqlite::sql::{self, Transaction};
use madrigal_sqlite::{SqliteOffsets, offsets};
use madrigal_telemetry::names;

use super::progress::{Following, Shown};

/// Records of the owner's log looked at in one poll, also those that the topic leaves out.
const BATCH: usize = 2_000;
/// How long a poll of a quiet topic waits; a message ends it.
const WAIT: Duration = Duration::from_secs(30);
/// So many messages in a batch are a sign of load; after smaller ones there is no rest.
const LOAD: usize = 32;
/// The rest after a batch under load, in times of what it took.
const SHARE: u32 = 10;
/// The first pause after a fault; it doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause after a fault.
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A collector stalls where so many keys are parked: the cause is not a single bad message then.
const MOST_PARKED: usize = 10_000;

/// What a collector does with messages.
pub trait Effect: Send + Sync + 'static {
    /// Applies the messages of some lanes, each lane in order, in this transaction. A message that cannot be applied ends its
    /// lane: its place in the lane and the cause are returned; what was applied of the lane before it stays.
    ///
    /// # Errors
    /// An SQL error if the engine broke: nothing of the batch happened.
    fn apply(&self, tx: &Transaction<'_>, lanes: &[Lane]) -> sql::Result<Vec<Stuck>>;

    /// The transaction was undone: what was remembered of it is forgotten.
    fn undone(&self);

    /// The longest rest under load: by so much a read that names no position may be older.
    fn longest_rest(&self) -> Duration;
}

/// The messages of one key.
#[derive(Debug)]
pub struct Lane {
    /// The key.
    pub key: String,
    /// Its messages, in order.
    pub messages: Vec<Message>,
}

/// A message that could not be applied.
#[derive(Debug)]
pub struct Stuck {
    /// Which lane of the batch.
    pub lane: usize,
    /// Which message of the lane.
    pub message: usize,
    /// Why.
    pub cause: String,
}

/// Follows one topic. Cheap to clone; clones are the same collector. One per group and file at a time.
#[derive(Clone)]
pub struct Collector {
    shared: Arc<Shared>,
}

struct Shared {
    topic: DynTopicSource,
    group: GroupId,
    effect: Arc<dyn Effect>,
    offsets: SqliteOffsets,
    host: Host,
    following: Following,
    /// Held while a batch is applied, so that an operator's verb does not come between.
    loaded: tokio::sync::Mutex<Option<Loaded>>,
}

#[derive(Debug, Clone)]
struct Loaded {
    checkpoint: Option<Checkpoint>,
    lanes: HashSet<String>,
}

impl Collector {
    /// A collector of `topic`, which tells of the log named `log`, into the file of `offsets`.
    pub fn new(
        topic: DynTopicSource,
        log: LogName,
        effect: Arc<dyn Effect>,
        offsets: SqliteOffsets,
        host: Host,
    ) -> Self {
        let group = GroupId::new("analytics", topic.topic());
        let following = Following::new(Arc::clone(&topic), log, host.clone());
        let loaded = tokio::sync::Mutex::new(None);
        Self { shared: Arc::new(Shared { topic, group, effect, offsets, host, following, loaded }) }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.shared.group.topic()
    }

    /// How far it is.
    pub fn following(&self) -> Following {
        self.shared.following.clone()
    }

    /// Follows the topic until `stop`. Faults are retried for ever, with pauses from 100 ms to 5 s.
    ///
    /// # Errors
    /// [`RunError`] where going on would be wrong: another history of the log, or too much parked.
    ///
    /// # Cancellation
    /// Safe: a batch happens as a whole or comes again.
    pub async fn run(&self, stop: StopSignal) -> Result<(), RunError> {
        let shared = &self.shared;
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            match shared.turn(WAIT, &stop).await {
                Ok(rest) => {
                    pause = FIRST_PAUSE;
                    shared.following.set_status(Status::Running);
                    shared.following.rest(rest, &stop).await;
                }
                Err(RunError::Fault(fault)) => {
                    shared.following.troubled(&fault.chain());
                    tasks::sleep_or_stopped(pause, &stop).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => {
                    let (cause, since) = (error.to_string(), shared.host.now());
                    tracing::error!(group = %shared.group, %cause, "a collector stalled");
                    shared.following.set_status(Status::Stalled { cause, since });
                    return Err(error);
                }
            }
        }
        shared.following.set_status(Status::Stopped);
        Ok(())
    }

    /// Collects what the topic has now, without waiting for more. For tests and tools.
    ///
    /// # Errors
    /// The first [`RunError`], a fault included.
    ///
    /// # Cancellation
    /// As [`Collector::run`].
    pub async fn catch_up(&self) -> Result<(), RunError> {
        loop {
            self.shared.turn(Duration::ZERO, &StopSignal::new()).await?;
            if self.shared.following.caught_up() {
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("group", &self.shared.group).finish_non_exhaustive()
    }
}

impl Shared {
    /// Polls once and applies what came; returns how long to rest.
    async fn turn(&self, wait: Duration, stop: &StopSignal) -> Result<Duration, RunError> {
        let before = {
            let mut guard = self.loaded.lock().await;
            let loaded = self.load(&mut guard).await?;
            self.show(loaded, None);
            loaded.checkpoint
        };
        let from = before.map_or(PollFrom::Start(Start::Earliest), PollFrom::After);
        let polled = tokio::select! {
            () = stop.cancelled() => return Ok(Duration::ZERO),
            polled = self.topic.poll(from, BATCH, wait) => polled.map_err(poll_error)?,
        };
        let (begun, messages, at_end) = (tasks::instant(), polled.items.len(), polled.scanned_through >= polled.end);
        let mut guard = self.loaded.lock().await;
        let loaded = self.load(&mut guard).await?;
        // An operator's verb moves no checkpoint, and nobody else does.
        let end = polled.end.max(polled.scanned_through);
        if loaded.checkpoint.is_none_or(|at| at.position < polled.scanned_through) {
            let taken = self.take_in(loaded.clone(), polled).await;
            if taken.is_err() {
                // What is stored counts.
                *guard = None;
            }
            *guard = Some(taken?);
        }
        if let Some(loaded) = guard.as_ref() {
            self.show(loaded, Some(end));
        }
        drop(guard);
        let under_load = messages >= LOAD && at_end;
        Ok(if under_load { (begun.elapsed() * SHARE).min(self.effect.longest_rest()) } else { Duration::ZERO })
    }

    async fn load<'a>(&self, guard: &'a mut Option<Loaded>) -> Result<&'a mut Loaded, RunError> {
        if guard.is_none() {
            let checkpoint = self.offsets.checkpoint(&self.group).await?;
            let lanes = self.offsets.parked_lanes(&self.group, MOST_PARKED).await?;
            if lanes.len() >= MOST_PARKED {
                return Err(RunError::TooManyParked(MOST_PARKED));
            }
            *guard = Some(Loaded { checkpoint, lanes: lanes.into_iter().collect() });
        }
        guard.as_mut().ok_or_else(|| Fault::permanent("analytics-service", "load", "nothing was loaded").into())
    }

    fn show(&self, loaded: &Loaded, end: Option<Position>) {
        self.following.show(&Shown { checkpoint: loaded.checkpoint, end, lanes: &loaded.lanes });
        metrics::gauge!(names::PARKED_KEYS, "consumer" => self.group.to_string()).set(loaded.lanes.len() as f64);
    }

    /// Applies a batch and moves the checkpoint, all or nothing.
    async fn take_in(&self, mut loaded: Loaded, polled: Polled) -> Result<Loaded, RunError> {
        let checkpoint = Checkpoint { epoch: polled.epoch, position: polled.scanned_through };
        let last = loaded.checkpoint.map_or(Position::START, |at| at.position);
        let (newest, oldest) =
            (polled.items.last().map(|message| message.time), polled.items.first().map(|message| message.time));
        let messages = polled.items.into_iter().filter(|message| message.position > last);
        let mut batch = GroupBatch::at(checkpoint, self.host.now());
        let (mut lanes, mut behind) = (Vec::new(), Vec::new());
        for lane in in_lanes(messages) {
            if loaded.lanes.contains(&lane.key) { behind.push(lane) } else { lanes.push(lane) }
        }
        for lane in &behind {
            batch.parked.extend(lane.messages.iter().map(|message| parked(message, BEHIND, 0, batch.at)));
        }
        let of = lanes.iter().flat_map(|lane| lane.messages.iter().map(|message| message.traceparent.as_deref()));
        let mut spans = BatchSpans::begin("analytics-service", Doing::Collect, self.group.topic(), of);
        spans.note("madrigal.messages", lanes.iter().map(|lane| lane.messages.len()).sum());
        let (effect, group) = (Arc::clone(&self.effect), self.group.clone());
        let done = self.offsets.database().decide("collect", move |tx| {
            let stuck = effect.apply(tx, &lanes)?;
            for Stuck { lane, message, cause } in &stuck {
                let Some(left) = lanes.get(*lane).and_then(|lane| lane.messages.get(*message..)) else { continue };
                for (place, message) in left.iter().enumerate() {
                    let (cause, attempts) = if place == 0 { (cause.as_str(), 1) } else { (BEHIND, 0) };
                    batch.parked.push(parked(message, cause, attempts, batch.at));
                }
            }
            let held: Vec<String> =
                stuck.iter().filter_map(|stuck| lanes.get(stuck.lane).map(|lane| lane.key.clone())).collect();
            Ok(offsets::commit(tx, &group, &batch)?.map(|()| held))
        });
        let done = done.await;
        if !matches!(done, Ok(Ok(_))) {
            spans.fail("nothing of the batch happened");
        }
        drop(spans);
        let held = match done {
            Ok(Ok(held)) => held,
            Ok(Err(why)) => {
                self.effect.undone();
                return Err(Fault::permanent("analytics-service", "collect", why).into());
            }
            Err(fault) => {
                self.effect.undone();
                return Err(fault.into());
            }
        };
        for lane in &held {
            tracing::warn!(group = %self.group, %lane, "a collector parked a key");
        }
        loaded.lanes.extend(held);
        loaded.checkpoint = Some(checkpoint);
        if loaded.lanes.len() >= MOST_PARKED {
            return Err(RunError::TooManyParked(MOST_PARKED));
        }
        if let Some(newest) = newest {
            let (age, topic) = (self.host.now().since(newest), self.group.topic().to_owned());
            let labels = [("service", "analytics-service".to_owned()), ("event_type", topic)];
            metrics::gauge!(names::EVENT_PROCESSING_LAG, &labels).set(age.as_secs_f64());
        }
        if let Some(oldest) = oldest {
            // One sample for a batch, of what took longest.
            let (topic, target) = (self.group.topic().to_owned(), format!("{}.analytics", self.group.topic()));
            let labels = [("source", topic.clone()), ("target", target), ("entity_type", topic)];
            metrics::histogram!(names::DATA_SYNC_LATENCY, &labels).record(self.host.now().since(oldest).as_secs_f64());
        }
        Ok(loaded)
    }
}

/// The cause of what is parked only because of its lane.
const BEHIND: &str = "stands behind a parked message";

/// The messages by key, each key's in order, the keys in the order of their first messages.
fn in_lanes(messages: impl Iterator<Item = Message>) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for message in messages {
        // An order's first events come in one append: the last lane is the likeliest.
        if let Some(last) = lanes.last_mut()
            && last.key == message.key
        {
            last.messages.push(message);
            continue;
        }
        let place = *places.entry(message.key.clone()).or_insert(lanes.len());
        match lanes.get_mut(place) {
            Some(lane) => lane.messages.push(message),
            None => lanes.push(Lane { key: message.key.clone(), messages: vec![message] }),
        }
    }
    lanes
}

fn parked(message: &Message, cause: &str, attempts: u32, now: Timestamp) -> ParkedEvent {
    ParkedEvent {
        lane: message.key.clone(),
        position: message.position,
        id: message.id.clone(),
        kind: message.kind.clone(),
        payload: message.payload(),
        cause: cause.chars().take(1_000).collect(),
        attempts,
        first_at: now,
        last_at: now,
        skipped: None,
    }
}

fn poll_error(error: PollError) -> RunError {
    match error {
        PollError::OtherEpoch { reader, log } => RunError::OtherEpoch { checkpoint: reader, log },
        PollError::BeyondEnd { reader, end } => RunError::BeyondEnd { checkpoint: reader, end },
        PollError::Fault(fault) => RunError::Fault(fault),
    }
}

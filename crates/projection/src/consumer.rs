//! Consumers with effects: at least once, in order per lane, parking what cannot be handled.
//!
//! The loop is the same for a reactor on an own log and for a subscriber of a topic; [`Feed`] is where items come from
//! and [`Effect`] what is done with them.

mod delivery;
mod settle;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, FaultRetry, Host, LogEpoch, Position};
use tokio::sync::watch;

use crate::offsets::{DynOffsets, GroupId};
use crate::parking::{LaneReport, ParkedEvent, ParkedFilter, ParkedPayload, ParkingError, checked_reason};
use crate::progress::{Lag, Progress, RunError, Status};
use crate::view::Checkpoint;

/// Something that a consumer handles: an event or a message.
pub trait Item: Send + Sync + 'static {
    /// Its identity: the same thing delivered again has the same id.
    fn id(&self) -> String;
    /// What it must stay in order with.
    fn lane(&self) -> String;
    /// Its type.
    fn kind(&self) -> &str;
    /// Its place in its log or topic.
    fn position(&self) -> Position;
    /// What is shown of it when it is parked.
    fn payload(&self) -> Option<ParkedPayload>;
    /// Why nobody can handle it, if that is known already.
    fn poison(&self) -> Option<String>;
    /// The trace of whoever wrote it.
    fn traceparent(&self) -> Option<&str>;
}

/// Where a group that has no checkpoint yet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first item that there is.
    Earliest,
    /// With what comes after the first poll.
    Latest,
    /// After this position.
    At(Position),
}

/// Where a poll begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollFrom {
    /// A group's first poll.
    Start(Start),
    /// After a checkpoint.
    After(Checkpoint),
}

/// What a poll brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled<I> {
    /// In order of position.
    pub items: Vec<I>,
    /// Everything up to here was looked at, also where nothing in it was of interest.
    pub scanned_through: Position,
    /// The log's epoch.
    pub epoch: LogEpoch,
    /// The log's end when it was looked at.
    pub end: Position,
}

/// Why a poll brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The checkpoint is of another history of the log.
    #[error("the checkpoint is of epoch {reader}, the log is in epoch {log}")]
    OtherEpoch {
        /// The checkpoint's epoch.
        reader: LogEpoch,
        /// The log's.
        log: LogEpoch,
    },
    /// The checkpoint is beyond the log's end.
    #[error("the checkpoint stands at {reader}, beyond the log's end at {end}")]
    BeyondEnd {
        /// The checkpoint's position.
        reader: Position,
        /// The log's end.
        end: Position,
    },
    /// The engine or the neighbour broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A source of items in the order of a log.
#[async_trait]
pub trait Feed<I: Item>: Send + Sync + 'static {
    /// The topic's or log's name.
    fn name(&self) -> &str;

    /// The next items, at most `limit` (at most 10,000). Where there are none, waits up to `wait` for one; an answer
    /// without items still says how far it looked.
    ///
    /// # Errors
    /// [`PollError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled<I>, PollError>;
}

/// What an effect is told about a delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The group.
    pub group: GroupId,
    /// The item's id: what an inbox in the effect's own transaction records, together with the group.
    pub id: String,
    /// From 1; only counts attempts since the consumer started.
    pub attempt: u32,
    /// The trace that the handling is part of.
    pub traceparent: Option<Arc<str>>,
}

/// Why an item was not handled.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// Something around it broke: the same item is tried again, and everything waits for it.
    #[error("{0}")]
    Retry(Box<dyn StdError + Send + Sync>),
    /// The item itself cannot be handled: it parks its lane.
    #[error("{0}")]
    Poison(Box<dyn StdError + Send + Sync>),
}

impl HandleError {
    /// The item itself cannot be handled.
    pub fn poison(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Poison(why.into())
    }

    /// Something around it broke.
    pub fn retry(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Retry(why.into())
    }

    /// The error and its causes in one line.
    fn chain(&self) -> String {
        let (Self::Retry(source) | Self::Poison(source)) = self;
        source.downcast_ref::<Fault>().map_or_else(|| source.to_string(), Fault::chain)
    }
}

impl From<Fault> for HandleError {
    /// A fault that repeats until somebody intervenes parks its lane; others are tried again.
    fn from(fault: Fault) -> Self {
        if fault.retry == FaultRetry::Never { Self::Poison(Box::new(fault)) } else { Self::Retry(Box::new(fault)) }
    }
}

impl From<serde_json::Error> for HandleError {
    fn from(error: serde_json::Error) -> Self {
        Self::Poison(Box::new(error))
    }
}

/// What is done with an item.
#[async_trait]
pub trait Effect<I: Item>: Send + Sync + 'static {
    /// Handles one item. It may come again after a crash or a lost commit: the effect must recognise its id, by deriving
    /// its own ids from it or by recording it (with the group) in the effect's own transaction.
    ///
    /// # Errors
    /// [`HandleError`].
    ///
    /// # Cancellation
    /// Dropped only with the whole consumer; the item comes again.
    async fn handle(&self, item: &I, delivery: &Delivery) -> Result<(), HandleError>;
}

/// How a consumer works.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerOptions {
    /// Whose consumer it is, in spans.
    pub service: &'static str,
    /// Items per poll and per commit, 1 to 10,000: also how many may come again after a crash.
    pub batch: usize,
    /// Lanes handled at the same time; 1 keeps the order of the whole log.
    pub lanes_at_once: usize,
    /// How long a poll waits for items.
    pub wait: Duration,
    /// Whether ids that were handled before are passed over: for feeds that may tell of one thing at several positions. They
    /// are remembered for a week then, and not at all otherwise: that costs a row for each, in no order.
    pub inbox: bool,
    /// The consumer stalls where so many lanes are parked.
    pub max_parked_lanes: usize,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            service: "unnamed",
            batch: 200,
            lanes_at_once: 1,
            wait: Duration::from_secs(5),
            inbox: true,
            max_parked_lanes: 10_000,
        }
    }
}

/// Follows a feed on behalf of a group. Cheap to clone; clones are the same consumer. One per group at a time.
pub struct Consumer<I: Item> {
    shared: Arc<Shared<I>>,
}

impl<I: Item> Clone for Consumer<I> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<I: Item> {
    group: GroupId,
    start: Start,
    feed: Arc<dyn Feed<I>>,
    effect: Arc<dyn Effect<I>>,
    offsets: DynOffsets,
    host: Host,
    options: ConsumerOptions,
    engine: tokio::sync::Mutex<Option<delivery::Loaded>>,
    progress: watch::Sender<Progress>,
    end: watch::Sender<Position>,
}

impl<I: Item> Consumer<I> {
    /// A consumer of `feed` for the group named `group`. Nothing is read before [`Consumer::run`].
    pub fn new(
        group: &str,
        feed: Arc<dyn Feed<I>>,
        start: Start,
        effect: Arc<dyn Effect<I>>,
        offsets: DynOffsets,
        host: Host,
        options: ConsumerOptions,
    ) -> Self {
        let group = GroupId::new(group, feed.name());
        let options = ConsumerOptions {
            batch: options.batch.clamp(1, 10_000),
            lanes_at_once: options.lanes_at_once.clamp(1, 1_000),
            ..options
        };
        let (progress, _) = watch::channel(Progress::none());
        let (end, _) = watch::channel(Position::START);
        let engine = tokio::sync::Mutex::new(None);
        Self { shared: Arc::new(Shared { group, start, feed, effect, offsets, host, options, engine, progress, end }) }
    }

    /// The operator's handle.
    pub fn control(&self) -> ConsumerControl {
        ConsumerControl { consumer: Arc::clone(&self.shared) as Arc<dyn Controlled> }
    }

    /// Follows the feed until `stop`. Faults are retried for ever, with pauses from 100 ms to 5 s.
    ///
    /// # Errors
    /// [`RunError`] where going on would be wrong; the status is [`Status::Stalled`] then.
    ///
    /// # Cancellation
    /// Safe: what was handled and not committed comes again.
    pub async fn run(&self, stop: StopSignal) -> Result<(), RunError> {
        let shared = &self.shared;
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            match shared.turn(shared.options.wait, &stop).await {
                Ok(_) => {
                    pause = FIRST_PAUSE;
                    shared.set_status(Status::Running);
                }
                Err(RunError::Fault(fault)) => {
                    shared.troubled(&fault.chain());
                    tasks::sleep_or_stopped(pause, &stop).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => {
                    let (cause, since) = (error.to_string(), shared.host.now());
                    tracing::error!(group = %shared.group, %cause, "consumer stalled");
                    shared.set_status(Status::Stalled { cause, since });
                    return Err(error);
                }
            }
        }
        shared.set_status(Status::Stopped);
        Ok(())
    }

    /// Handles what the feed has now, without waiting for more. For tests and tools.
    ///
    /// # Errors
    /// The first [`RunError`], a fault included.
    ///
    /// # Cancellation
    /// As [`Consumer::run`].
    pub async fn catch_up(&self) -> Result<Checkpoint, RunError> {
        loop {
            let at = self.shared.turn(Duration::ZERO, &StopSignal::new()).await?;
            if let Some(at) = at.filter(|at| at.position >= *self.shared.end.borrow()) {
                return Ok(at);
            }
        }
    }
}

/// Shows a consumer and works on what it parked. Cheap to clone.
#[derive(Clone)]
pub struct ConsumerControl {
    consumer: Arc<dyn Controlled>,
}

impl ConsumerControl {
    /// The group.
    pub fn group(&self) -> &GroupId {
        self.consumer.group()
    }

    /// How the consumer fares.
    pub fn status(&self) -> Status {
        self.consumer.progress().status
    }

    /// What holds it up, in words; `None` where nothing does.
    pub fn why_stalled(&self) -> Option<String> {
        self.status().trouble().map(|(cause, since)| format!("{cause} (since {since})"))
    }

    /// How far the group has come.
    pub fn applied_through(&self) -> Option<Checkpoint> {
        self.consumer.progress().checkpoint
    }

    /// How far it is behind the end that its feed last told. `seconds` is how long it has been held up, 0 otherwise:
    /// a topic does not tell the age of what was not read.
    pub fn lag(&self) -> Lag {
        self.consumer.lag()
    }

    /// What is parked, in the order of the feed.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.consumer.parked(filter).await
    }

    /// Tries a lane's parked items again, in order, until one fails.
    ///
    /// # Errors
    /// [`ParkingError`].
    ///
    /// # Cancellation
    /// Items handled and not committed stay parked and are handled again.
    pub async fn retry(&self, lane: &str) -> Result<LaneReport, ParkingError> {
        self.consumer.settle(lane, None).await
    }

    /// Leaves out a lane's first parked item, for a stated reason that stays listed, and tries the others.
    ///
    /// # Errors
    /// [`ParkingError`].
    ///
    /// # Cancellation
    /// As [`ConsumerControl::retry`].
    pub async fn skip(&self, lane: &str, reason: &str) -> Result<LaneReport, ParkingError> {
        let reason = checked_reason(reason)?;
        tracing::warn!(group = %self.group(), lane, reason, "a parked message is skipped");
        self.consumer.settle(lane, Some(reason)).await
    }
}

/// A consumer without its item's type.
#[async_trait]
trait Controlled: Send + Sync {
    fn group(&self) -> &GroupId;
    fn progress(&self) -> Progress;
    fn lag(&self) -> Lag;
    async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault>;
    async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError>;
}

#[async_trait]
impl<I: Item> Controlled for Shared<I> {
    fn group(&self) -> &GroupId {
        &self.group
    }

    fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    fn lag(&self) -> Lag {
        let progress = self.progress.borrow();
        let applied = progress.checkpoint.map_or(0, |at| at.position.0);
        let stalled_since = progress.status.trouble().map(|(_, since)| since);
        Lag {
            events: self.end.borrow().0.saturating_sub(applied),
            seconds: stalled_since.map_or(0.0, |since| self.host.now().since(since).as_secs_f64()),
            stalled_since,
            parked_lanes: progress.lanes.len(),
        }
    }

    async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.offsets.parked(&self.group, filter).await
    }

    async fn settle(&self, lane: &str, skip: Option<String>) -> Result<LaneReport, ParkingError> {
        Self::settle(self, lane, skip).await
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

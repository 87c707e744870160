//! Reactors: what a service does when it hears something in its own log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Host, Position, RecordedEvent};
use madrigal_event_store::{DynEventStore, ReadError, WaitError};

use crate::consumer::{
    Consumer, ConsumerControl, ConsumerOptions, Delivery, Effect, Feed, HandleError, Item, PollError, PollFrom, Polled,
    Start,
};
use crate::offsets::DynOffsets;
use crate::parking::ParkedPayload;
use crate::progress::RunError;
use crate::upcast::Upcaster;
use crate::view::Checkpoint;

/// Acts on events: starts a saga, queues a mail. Unlike a projection it is never rebuilt.
#[async_trait]
pub trait Reactor: Send + Sync + 'static {
    /// The group's name, as in `mail-on-confirmation`.
    fn name(&self) -> &'static str;

    /// Whether the event concerns it: the declared filter.
    fn interested(&self, event: &RecordedEvent) -> bool;

    /// What the event must stay in order with; its stream unless said otherwise.
    fn lane(&self, event: &RecordedEvent) -> String {
        event.stream.to_string()
    }

    /// Acts on one event. It may come again after a crash: recognise `delivery.id`, by deriving ids from it or by
    /// recording it (with the group) in the effect's own transaction.
    ///
    /// # Errors
    /// [`HandleError`]: try again, or park the lane.
    ///
    /// # Cancellation
    /// Dropped only with the whole reactor; the event comes again.
    async fn react(&self, event: &RecordedEvent, delivery: &Delivery) -> Result<(), HandleError>;
}

/// Runs one reactor over one log. Cheap to clone; clones are the same runner.
#[derive(Clone)]
pub struct ReactorRunner {
    consumer: Consumer<Heard>,
}

impl ReactorRunner {
    /// A runner of `reactor` over `log`; a reactor that never ran begins at `start`.
    pub fn new(
        reactor: Arc<dyn Reactor>,
        log: DynEventStore,
        start: Start,
        offsets: DynOffsets,
        host: Host,
        upcaster: Option<Upcaster>,
        options: ConsumerOptions,
    ) -> Self {
        let name = reactor.name();
        let feed = Arc::new(LogFeed { log, reactor: Arc::clone(&reactor), upcaster });
        let effect = Arc::new(React { reactor });
        Self { consumer: Consumer::new(name, feed, start, effect, offsets, host, options) }
    }

    /// The operator's handle.
    pub fn control(&self) -> ConsumerControl {
        self.consumer.control()
    }

    /// Follows the log until `stop`.
    ///
    /// # Errors
    /// As [`Consumer::run`].
    ///
    /// # Cancellation
    /// As [`Consumer::run`].
    pub async fn run(&self, stop: StopSignal) -> Result<(), RunError> {
        self.consumer.run(stop).await
    }

    /// Handles what the log has now. For tests and tools.
    ///
    /// # Errors
    /// The first [`RunError`].
    ///
    /// # Cancellation
    /// As [`Consumer::run`].
    pub async fn catch_up(&self) -> Result<Checkpoint, RunError> {
        self.consumer.catch_up().await
    }
}

struct Heard {
    event: RecordedEvent,
    lane: String,
    poison: Option<String>,
}

impl Item for Heard {
    fn id(&self) -> String {
        self.event.event_id.to_string()
    }

    fn lane(&self) -> String {
        self.lane.clone()
    }

    fn kind(&self) -> &str {
        self.event.event_type.as_str()
    }

    fn position(&self) -> Position {
        self.event.position
    }

    fn payload(&self) -> Option<ParkedPayload> {
        None
    }

    fn poison(&self) -> Option<String> {
        self.poison.clone()
    }

    fn traceparent(&self) -> Option<&str> {
        self.event.metadata.traceparent.as_deref()
    }
}

struct React {
    reactor: Arc<dyn Reactor>,
}

#[async_trait]
impl Effect<Heard> for React {
    async fn handle(&self, item: &Heard, delivery: &Delivery) -> Result<(), HandleError> {
        self.reactor.react(&item.event, delivery).await
    }
}

struct LogFeed {
    log: DynEventStore,
    reactor: Arc<dyn Reactor>,
    upcaster: Option<Upcaster>,
}

#[async_trait]
impl Feed<Heard> for LogFeed {
    fn name(&self) -> &str {
        self.log.log().as_str()
    }

    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled<Heard>, PollError> {
        let (after, limit) = (self.after(from)?, limit.clamp(1, 10_000));
        let mut read = self.log.read_log(after, limit).await.map_err(read_error)?;
        if read.scanned_through <= after && !wait.is_zero() {
            match self.log.wait_beyond(after, wait).await {
                Ok(_) => read = self.log.read_log(after, limit).await.map_err(read_error)?,
                Err(WaitError::TimedOut { .. }) => {}
                Err(WaitError::Fault(fault)) => return Err(fault.into()),
            }
        }
        let items = read.events.into_iter().filter_map(|event| self.heard(event)).collect();
        let scanned_through = read.scanned_through.max(after);
        Ok(Polled { items, scanned_through, epoch: self.log.epoch(), end: read.end })
    }
}

impl LogFeed {
    fn after(&self, from: PollFrom) -> Result<Position, PollError> {
        match from {
            PollFrom::Start(Start::Earliest) => Ok(Position::START),
            PollFrom::Start(Start::Latest) => Ok(self.log.end()),
            PollFrom::Start(Start::At(position)) => Ok(position),
            PollFrom::After(at) if at.epoch == self.log.epoch() => Ok(at.position),
            PollFrom::After(at) => Err(PollError::OtherEpoch { reader: at.epoch, log: self.log.epoch() }),
        }
    }

    fn heard(&self, event: RecordedEvent) -> Option<Heard> {
        if !self.reactor.interested(&event) {
            return None;
        }
        let (event, poison) = match &self.upcaster {
            None => (event, None),
            Some(upcast) => match upcast(event.clone()) {
                Ok(current) => (current, None),
                Err(error) => (event, Some(format!("upcasting failed: {error}"))),
            },
        };
        let lane = self.reactor.lane(&event);
        Some(Heard { event, lane, poison })
    }
}

fn read_error(error: ReadError) -> PollError {
    match error {
        ReadError::OtherEpoch { reader, log } => PollError::OtherEpoch { reader, log },
        ReadError::BeyondEnd { reader, end } => PollError::BeyondEnd { reader, end },
        ReadError::Fault(fault) => PollError::Fault(fault),
    }
}

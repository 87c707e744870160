//! Subscribers: a group's consumer of a topic.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Host, Position};
use madrigal_projection::consumer::{
    Consumer, ConsumerControl, ConsumerOptions, Delivery, Effect, Feed, HandleError, PollFrom,
};
use madrigal_projection::consumer::{Item, PollError, Start};
use madrigal_projection::{Checkpoint, DynOffsets, ParkedPayload, RunError};

use crate::message::{Message, UNMAPPABLE};
use crate::source::{DynTopicSource, Polled};

/// What a group does with a message.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one message. It may come again after a crash: recognise `delivery.id`, by deriving ids from it or by
    /// recording it (with the group) in the effect's own transaction.
    ///
    /// # Errors
    /// [`HandleError`]: try again (everything waits), or park the message's key.
    ///
    /// # Cancellation
    /// Dropped only with the whole subscriber; the message comes again.
    async fn handle(&self, message: &Message, delivery: &Delivery) -> Result<(), HandleError>;
}

/// Reads a topic on behalf of a group: at least once, in order per key, committing after the effect. It polls again only
/// when what it had is handled, so a slow handler slows its reader and memory holds one batch. Cheap to clone.
#[derive(Clone)]
pub struct Subscriber {
    consumer: Consumer<Message>,
}

impl Subscriber {
    /// A subscriber for the group named `group`; a group without a checkpoint begins at `start`.
    pub fn new(
        group: &str,
        source: DynTopicSource,
        start: Start,
        handler: Arc<dyn Handler>,
        offsets: DynOffsets,
        host: Host,
        options: ConsumerOptions,
    ) -> Self {
        let (feed, effect) = (Arc::new(TopicFeed(source)), Arc::new(Handle(handler)));
        Self { consumer: Consumer::new(group, feed, start, effect, offsets, host, options) }
    }

    /// The operator's handle.
    pub fn control(&self) -> ConsumerControl {
        self.consumer.control()
    }

    /// Follows the topic until `stop`.
    ///
    /// # Errors
    /// [`RunError`] where going on would be wrong: another epoch, ahead of the log, too much parked.
    ///
    /// # Cancellation
    /// Safe: what was handled and not committed comes again.
    pub async fn run(&self, stop: StopSignal) -> Result<(), RunError> {
        self.consumer.run(stop).await
    }

    /// Handles what the topic has now. For tests and tools.
    ///
    /// # Errors
    /// The first [`RunError`].
    ///
    /// # Cancellation
    /// As [`Subscriber::run`].
    pub async fn catch_up(&self) -> Result<Checkpoint, RunError> {
        self.consumer.catch_up().await
    }
}

impl Item for Message {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn lane(&self) -> String {
        self.key.clone()
    }

    fn kind(&self) -> &str {
        &self.kind
    }

    fn position(&self) -> Position {
        self.position
    }

    fn payload(&self) -> Option<ParkedPayload> {
        self.to_json().ok().map(|json| ParkedPayload(json.get().to_owned()))
    }

    fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    fn poison(&self) -> Option<String> {
        let cause = || String::from_utf8_lossy(self.data.as_bytes()).into_owned();
        (self.kind == UNMAPPABLE).then(|| format!("the topic's owner could not map its event: {}", cause()))
    }
}

struct TopicFeed(DynTopicSource);

#[async_trait]
impl Feed<Message> for TopicFeed {
    fn name(&self) -> &str {
        self.0.topic()
    }

    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled, PollError> {
        self.0.poll(from, limit, wait).await
    }
}

struct Handle(Arc<dyn Handler>);

#[async_trait]
impl Effect<Message> for Handle {
    async fn handle(&self, item: &Message, delivery: &Delivery) -> Result<(), HandleError> {
        self.0.handle(item, delivery).await
    }
}

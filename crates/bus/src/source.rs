//! The port: where a topic's messages come from.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_projection::consumer::{self, PollError, PollFrom};

use crate::message::Message;

/// What a poll brought: messages in order of position, and how far it looked (the watermark: a quiet topic advances too).
pub type Polled = consumer::Polled<Message>;

/// A source of one topic's messages.
///
/// # Contract
/// Each MUST is a case in `madrigal-conformance`, run on every implementation.
///
/// 1. Messages MUST come in order of position, each exactly once between two checkpoints, whoever writes meanwhile.
/// 2. `scanned_through` MUST cover everything that was looked at, also what the topic leaves out.
/// 3. A checkpoint of another epoch, or beyond the log's end, MUST be refused.
/// 4. A poll that waits MUST return when a message comes, and without one when the time is over.
#[async_trait]
pub trait TopicSource: Send + Sync + 'static {
    /// The topic's name.
    fn topic(&self) -> &str;

    /// The next messages, at most `limit` (1 to 10,000). Where there are none, waits up to `wait` (at most
    /// [`MAX_WAIT`]) for one; an answer without messages still says how far it looked. Where events came that the topic
    /// leaves out, it MUST be told within a second, and not at the end of the wait.
    ///
    /// # Errors
    /// [`PollError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled, PollError>;
}

/// A source behind a pointer.
pub type DynTopicSource = Arc<dyn TopicSource>;

/// The longest wait of one poll; longer waits end here, without messages.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

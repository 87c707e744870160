//! The topics `orders` and `products`: facts, watched.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_bus::{
    ConsumerControl, ConsumerOptions, Delivery, DynOffsets, DynTopicSource, HandleError, Handler, Message, Start,
    Subscriber,
};
use madrigal_core::Host;

use crate::measures;

/// The group of sync-service.
pub const GROUP: &str = "sync";

/// Follows a topic of facts from now on: parks what cannot be read, and measures how old what is read is.
///
/// Nobody's copy hangs on it: the copies of orders and products are kept by their own services, from the same log.
#[derive(Clone)]
pub struct Facts {
    subscriber: Subscriber,
}

impl Facts {
    /// The processor of this topic.
    pub fn new(topic: DynTopicSource, offsets: DynOffsets, host: Host) -> Self {
        // Many at once: little is done with each. Their ids need not be remembered, seeing one twice does nothing.
        let service = "sync-service";
        let options = ConsumerOptions { service, batch: 1_000, inbox: false, ..ConsumerOptions::default() };
        let handler = Arc::new(Watch { topic: topic.topic().to_owned(), host: host.clone() });
        Self { subscriber: Subscriber::new(GROUP, topic, Start::Latest, handler, offsets, host, options) }
    }

    /// The operator's handle.
    pub fn control(&self) -> ConsumerControl {
        self.subscriber.control()
    }

    /// Follows the topic until `stop`.
    ///
    /// # Errors
    /// As [`Subscriber::run`].
    pub async fn run(
        &self,
        stop: madrigal_core::tasks::StopSignal,
    ) -> Result<(), madrigal_projection::progress::RunError> {
        self.subscriber.run(stop).await
    }
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("group", self.control().group()).finish()
    }
}

struct Watch {
    topic: String,
    host: Host,
}

#[async_trait]
impl Handler for Watch {
    async fn handle(&self, message: &Message, _delivery: &Delivery) -> Result<(), HandleError> {
        let first = message.data.as_bytes().iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            return Err(HandleError::poison("the data of a fact is an object"));
        }
        measures::processed(&self.topic, self.host.now().since(message.time));
        Ok(())
    }
}

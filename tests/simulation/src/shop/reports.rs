//! A subscriber: hears the topic `orders` and writes down each message once, in a store of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_bus::{
    ConsumerOptions, Delivery, HandleError, Handler, Message, PollFrom, Polled, Start, Subscriber, TopicSource,
};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, EventId, EventType, ExpectedVersion, Fault, Host, JsonBytes, NewEvent, StreamName};
use madrigal_event_store::{AppendError, DynEventStore};
use madrigal_http::calls::{Calls, Neighbour};
use madrigal_projection::consumer::PollError;
use madrigal_sim::{Server, SlowOffsets};
use serde_json::json;

use super::api::Poll;
use super::{Role, Shop};
use crate::mutants::Mutant;

pub(super) fn start(shop: &Arc<Shop>, store: &DynEventStore, server: &Server) -> Arc<Calls> {
    let dice = shop.world.dice(&format!("reports {}", server.life));
    let offsets = Arc::new(SlowOffsets::new(shop.kept(Role::Reports).offsets, dice));
    let topic = Arc::new(FarTopic { orders: shop.to_orders("reports"), host: server.host.clone() });
    let handler = Arc::new(WriteDown { store: Arc::clone(store), host: server.host.clone(), mutant: shop.mutant });
    let host = server.host.clone();
    // The inbox would hide an effect that is not idempotent.
    let options = ConsumerOptions { inbox: false, batch: 20, ..ConsumerOptions::default() };
    let subscriber = Subscriber::new("reports", topic, Start::Earliest, handler, offsets, host, options);
    tasks::spawn("reports", async move { subscriber.run(StopSignal::new()).await });
    Arc::new(Calls::new(Role::Reports.service()))
}

/// The topic as it is heard from another machine.
struct FarTopic {
    orders: Neighbour,
    host: Host,
}

#[async_trait]
impl TopicSource for FarTopic {
    fn topic(&self) -> &'static str {
        "orders"
    }

    async fn poll(&self, from: PollFrom, _limit: usize, _wait: Duration) -> Result<Polled, PollError> {
        let after = match from {
            PollFrom::After(at) => Some((at.epoch, at.position)),
            PollFrom::Start(_) => None,
        };
        let polled = self.orders.call(&CallContext::new(&self.host), Poll { after }).await;
        // Reading has no outcome to be unsure about.
        let (items, scanned_through, epoch, end) = polled
            .map_err(|fault| Fault::not_applied("topic", "poll", fault).with_retry(madrigal_core::FaultRetry::Now))?;
        let read = |json: &String| Message::from_json(json);
        let items = items.iter().map(read).collect::<Result<Vec<_>, _>>();
        let items = items.map_err(|error| Fault::permanent("topic", "poll", error))?;
        Ok(Polled { items, scanned_through, epoch, end })
    }
}

/// Appends one event per message; its id is derived from the message's, so that the store takes it once.
#[derive(Clone)]
struct WriteDown {
    store: DynEventStore,
    host: Host,
    mutant: Option<Mutant>,
}

impl WriteDown {
    async fn write(&self, message: &Message, id: EventId) -> Result<(), HandleError> {
        let permanent = |why: &'static str| HandleError::poison(why);
        let stream = message.key.split_once('-').map_or(message.key.as_str(), |(_, id)| id);
        let stream = StreamName::new("report", stream).map_err(HandleError::poison)?;
        let event_type = EventType::parse("Heard").ok_or_else(|| permanent("an event type is letters"))?;
        let data =
            JsonBytes::of(&json!({ "message": message.id, "kind": message.kind })).map_err(HandleError::poison)?;
        let event = NewEvent::new(id, event_type, 1, data, &CallContext::new(&self.host));
        match self.store.append(stream, ExpectedVersion::Any, vec![event]).await {
            Ok(_) => Ok(()),
            Err(AppendError::Fault(fault)) => Err(HandleError::retry(fault)),
            Err(refused) => Err(HandleError::poison(refused)),
        }
    }
}

#[async_trait]
impl Handler for WriteDown {
    async fn handle(&self, message: &Message, delivery: &Delivery) -> Result<(), HandleError> {
        let derived = EventId::derived(&format!("{} {}", delivery.group, delivery.id));
        match self.mutant {
            Some(Mutant::CheckpointBeforeEffect) => {
                let (writer, message) = (self.clone(), message.clone());
                tasks::spawn("effect", async move {
                    tasks::sleep(Duration::from_millis(500)).await;
                    while let Err(HandleError::Retry(_)) = writer.write(&message, derived).await {
                        tasks::sleep(Duration::from_millis(50)).await;
                    }
                });
                Ok(())
            }
            Some(Mutant::ConsumerDedupOff) => self.write(message, EventId::new(&self.host)).await,
            _ => self.write(message, derived).await,
        }
    }
}

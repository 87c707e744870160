//! A topic told by one service and heard by another: declared filter, pure mapping, a group with offsets.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_bus::{
    ConsumerOptions, Delivery, HandleError, Handler, JournalTopic, MemoryOffsets, Message, Outgoing, Start, Subscriber,
    TopicContract,
};
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use serde_json::{Value, json};

struct Print;

#[async_trait]
impl Handler for Print {
    async fn handle(&self, message: &Message, _: &Delivery) -> Result<(), HandleError> {
        let data: Value = message.decode()?;
        println!("{} {} {data}", message.key, message.kind);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let host = Host::system();
    let log: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("orders").ok_or("not a name")?, &host));

    // The owner says what leaves: never the cost price, and nothing of other events.
    let contract = TopicContract::new("prices", "/shop", &["PriceChanged"], |event| {
        let data: Value = event.decode()?;
        Outgoing::about(event, "price.changed", &json!({"price": data["price"]})).map(Some)
    });
    for (event_type, data) in [
        ("PriceChanged", json!({"price": 1_200, "cost": 700})),
        ("SupplierChanged", json!({"supplier": "secret"})),
        ("PriceChanged", json!({"price": 1_100, "cost": 700})),
    ] {
        let event_type = EventType::parse(event_type).ok_or("not a type")?;
        let event = NewEvent::fresh(&host, event_type, 1, JsonBytes::of(&data)?, &CallContext::new(&host));
        log.append("product-a".parse()?, ExpectedVersion::Any, vec![event]).await?;
    }

    let topic = Arc::new(JournalTopic::new(log, contract));
    let (offsets, options) = (Arc::new(MemoryOffsets::new()), ConsumerOptions::default());
    let group = Subscriber::new("printer", topic, Start::Earliest, Arc::new(Print), offsets, host, options);
    let at = group.catch_up().await?;
    println!("through {}", at.position);
    Ok(())
}

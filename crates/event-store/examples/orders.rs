//! Orders, event-sourced: commands are decided on the state that the events fold to.
//!
//! `cargo run -p madrigal-event-store --example orders`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;

use madrigal_core::{CallContext, EventType, Host, JsonBytes, LogName, StreamName};
use madrigal_event_store::{
    Aggregate, Aggregates, Checkpoint, DynEventStore, EventData, EventStoreOptions, JournalEventStore, subscribe,
};
use serde::{Deserialize, Serialize};

struct Order;

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct OrderState {
    items: Vec<String>,
    placed: bool,
}

enum OrderCommand {
    AddItem(String),
    Place,
}

#[derive(Debug, Serialize, Deserialize)]
enum OrderEvent {
    OrderItemAdded { item: String },
    OrderPlaced,
}

impl EventData for OrderEvent {
    fn event_type(&self) -> EventType {
        let name = match self {
            Self::OrderItemAdded { .. } => "OrderItemAdded",
            Self::OrderPlaced => "OrderPlaced",
        };
        EventType::parse(name).unwrap_or_else(|| unreachable!("both names are letters"))
    }

    fn schema_version(&self) -> u16 {
        1
    }

    fn to_json(&self) -> Result<JsonBytes, serde_json::Error> {
        JsonBytes::of(self)
    }

    fn from_json(_: &EventType, data: &JsonBytes) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(data.decode()?)
    }
}

impl Aggregate for Order {
    type State = OrderState;
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = &'static str;

    const STATE_FORM: u64 = 1;

    fn decide(state: &OrderState, command: &OrderCommand) -> Result<Vec<OrderEvent>, &'static str> {
        match command {
            _ if state.placed => Err("the order is placed already"),
            OrderCommand::AddItem(item) => Ok(vec![OrderEvent::OrderItemAdded { item: item.clone() }]),
            OrderCommand::Place if state.items.is_empty() => Err("an order without items cannot be placed"),
            OrderCommand::Place => Ok(vec![OrderEvent::OrderPlaced]),
        }
    }

    fn evolve(mut state: OrderState, event: &OrderEvent) -> OrderState {
        match event {
            OrderEvent::OrderItemAdded { item } => state.items.push(item.clone()),
            OrderEvent::OrderPlaced => state.placed = true,
        }
        state
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let host = Host::system();
    let dir = std::env::temp_dir().join(format!("madrigal-orders-{}", host.uuid_v7()));
    let log = LogName::parse("orders").ok_or("a log's name has letters")?;
    let store: DynEventStore = Arc::new(JournalEventStore::open(&dir, log, EventStoreOptions::default(), &host)?);
    let orders = Aggregates::new(Arc::clone(&store), &host);
    let (order, context) = (StreamName::new("order", 1)?, CallContext::new(&host));

    for command in [OrderCommand::Place, OrderCommand::AddItem("lute".into()), OrderCommand::Place] {
        match orders.execute::<Order>(&order, &command, &context).await {
            Ok(done) => println!("version {}: {:?}", done.version, done.events),
            Err(refused) => println!("{refused}: {:?}", std::error::Error::source(&refused).map(ToString::to_string)),
        }
    }
    println!("state: {:?}", orders.load::<Order>(&order).await?.state);

    let mut followed = subscribe(Arc::clone(&store), Checkpoint::start_of(&store), 100)?;
    while let Some(read) = followed.next(std::time::Duration::from_millis(1)).await? {
        for event in read.events {
            println!("{}", serde_json::to_string(&event)?);
        }
    }
    drop((orders, followed, store));
    Ok(std::fs::remove_dir_all(&dir)?)
}

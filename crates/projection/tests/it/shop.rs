//! The projection and the histories of these tests: carts, with items and one owner each.

use std::sync::Arc;

use madrigal_conformance::projection_kit::history;
use madrigal_core::tasks::StopSignal;
use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent, Position, RecordedEvent, StreamName,
};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_projection::{ApplyError, Columns, Interest, Projection, ProjectionRunner, RunError, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A cart. `total` counts, so that an event applied twice shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart {
    pub(crate) owner: i64,
    pub(crate) items: Vec<String>,
    pub(crate) total: i64,
}

/// Carts by their id. `CartCreated`, `ItemAdded` (negative prices are poison, 13 panics), `CartMerged {into}` (two rows),
/// `CartDropped` (no row), `CartSeen` (declared uninteresting).
pub(crate) struct Carts;

#[derive(Deserialize)]
struct Added {
    item: String,
    price: i64,
}

impl Projection for Carts {
    type Row = Cart;

    fn name(&self) -> &'static str {
        "carts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["owner"]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        match event.event_type.as_str() {
            "CartSeen" => Ok(Interest::Skip),
            "CartCreated" | "ItemAdded" | "CartDropped" => Ok(Interest::own(event)),
            "CartMerged" => {
                let into: Value = event.decode()?;
                let into = into["into"].as_str().ok_or_else(|| ApplyError::refused("merged into nothing"))?;
                Ok(Interest::Keys(vec![event.stream.id().to_owned(), into.to_owned()]))
            }
            _ => Err(ApplyError::unknown_type(event)),
        }
    }

    fn apply(&self, key: &str, row: Option<Cart>, event: &RecordedEvent) -> Result<Option<Cart>, ApplyError> {
        let absent = || ApplyError::refused("there is no such cart");
        match event.event_type.as_str() {
            "CartCreated" => {
                let data: Value = event.decode()?;
                let owner = data["owner"].as_i64().ok_or_else(|| ApplyError::refused("nobody's cart"))?;
                Ok(Some(Cart { owner, items: Vec::new(), total: 0 }))
            }
            "ItemAdded" => {
                let (mut cart, added): (Cart, Added) = (row.ok_or_else(absent)?, event.decode()?);
                assert!(added.price != 13, "an unlucky price");
                if added.price < 0 {
                    return Err(ApplyError::refused("a negative price"));
                }
                cart.items.push(added.item);
                cart.total += added.price;
                Ok(Some(cart))
            }
            "CartMerged" if key == event.stream.id() => Ok(None),
            "CartMerged" => {
                let mut cart = row.ok_or_else(absent)?;
                cart.total += 1;
                Ok(Some(cart))
            }
            "CartDropped" => Ok(None),
            other => Err(ApplyError::refused(format!("{other} is not for carts"))),
        }
    }

    fn columns(&self, row: &Cart) -> Columns {
        Columns::none().with("owner", row.owner)
    }
}

/// A history with every type, rows that go and come back, poison, a panic and an unknown type.
pub(crate) async fn eventful_history() -> Vec<RecordedEvent> {
    let mut events: Vec<(String, &str, Value)> = Vec::new();
    for round in 0..3 {
        for cart in 0..6 {
            let stream = format!("cart-{cart}");
            events.push((stream.clone(), "CartCreated", json!({"owner": cart % 2})));
            for item in 0..4 {
                events.push((stream.clone(), "ItemAdded", json!({"item": format!("i{item}"), "price": item + round})));
                events.push((stream.clone(), "CartSeen", json!({})));
            }
        }
        events.push(("cart-0".to_owned(), "CartDropped", json!({})));
        events.push(("cart-1".to_owned(), "CartMerged", json!({"into": "2"})));
    }
    events.push(("cart-3".to_owned(), "ItemAdded", json!({"item": "odd", "price": -1})));
    events.push(("cart-4".to_owned(), "ItemAdded", json!({"item": "unlucky", "price": 13})));
    events.push(("cart-5".to_owned(), "CartBurnt", json!({})));
    for cart in 2..6 {
        events.push((format!("cart-{cart}"), "ItemAdded", json!({"item": "late", "price": 5})));
    }
    events.push(("cart-2".to_owned(), "CartMerged", json!({"into": "3"})));
    let borrowed: Vec<(&str, &str, Value)> =
        events.iter().map(|(stream, kind, data)| (stream.as_str(), *kind, data.clone())).collect();
    history(&Host::system(), &borrowed).await
}

/// An empty log.
pub(crate) fn log() -> DynEventStore {
    Arc::new(MemoryEventStore::new(LogName::parse("shop").unwrap(), &Host::system()))
}

/// Appends one event.
pub(crate) async fn append(log: &DynEventStore, stream: &str, event_type: &str, data: Value) -> Position {
    let host = Host::system();
    let stream: StreamName = stream.parse().unwrap();
    let event_type = EventType::parse(event_type).unwrap();
    let event = NewEvent::fresh(&host, event_type, 1, JsonBytes::of(&data).unwrap(), &CallContext::new(&host));
    log.append(stream, ExpectedVersion::Any, vec![event]).await.unwrap().position
}

/// Appends a cart of this owner.
pub(crate) async fn cart(log: &DynEventStore, id: &str, owner: i64) -> Position {
    append(log, &format!("cart-{id}"), "CartCreated", json!({"owner": owner})).await
}

/// Appends an item at this price.
pub(crate) async fn item(log: &DynEventStore, id: &str, price: i64) -> Position {
    append(log, &format!("cart-{id}"), "ItemAdded", json!({"item": "i", "price": price})).await
}

/// Runs until it stands still, and says what it stood still with.
pub(crate) async fn stalled<P: Projection>(runner: &ProjectionRunner<P>) -> RunError {
    let (stop, control) = (StopSignal::new(), runner.control());
    let stand = async {
        while !matches!(control.status(), Status::Stalled { .. }) {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    tokio::join!(runner.run(stop.clone()), stand).0.unwrap_err()
}

//! The topic `products`: facts about products and their stocks. Reservations have streams of their own and stay inside.

use madrigal_bus::contract::Outgoing;
use madrigal_bus::{JournalTopic, TopicContract};
use madrigal_event_store::DynEventStore;

use crate::domain::ProductRated;
use crate::domain::event::SCHEMA_VERSION;

/// The types that are told; those that reservations have too are told of stocks only.
const TOLD: &[&str] = &[
    "ProductCreated",
    "ProductChanged",
    "PriceChanged",
    "ProductWithdrawn",
    "StockReceived",
    "StockAdjusted",
    "StockReserved",
    "ReservationReleased",
    "ReservationConfirmed",
    "StockReturned",
    "ProductRated",
];

/// The topic over this store's log.
pub fn products(store: DynEventStore) -> JournalTopic {
    JournalTopic::new(store, contract())
}

/// The declared filter: events of `product-…`, `stock-…` and `rating-…` streams, keyed by the product, their data as it is
/// (the part of a rating's stream after the `~` names the customer and is left out).
pub fn contract() -> TopicContract {
    TopicContract::new("products", "/catalog-service", TOLD, |event| {
        let told = matches!(event.stream.category(), "product" | "stock" | ProductRated::CATEGORY);
        Ok(told.then(|| Outgoing {
            kind: event.event_type.as_str().to_owned(),
            key: event.stream.id().split('~').next().unwrap_or_default().to_owned(),
            data: event.event_data.clone(),
        }))
    })
    .up_to(SCHEMA_VERSION)
}

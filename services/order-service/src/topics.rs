//! The topic `orders`: facts about orders for whoever wants to follow them. No sagas' records, no keys.

use madrigal_bus::{JournalTopic, Outgoing, TopicContract};
use madrigal_event_store::DynEventStore;

/// What the topic tells.
const TOLD: &[&str] = &[
    "OrderCreated",
    "OrderImported",
    "OrderItemAdded",
    "OrderItemRemoved",
    "OrderPlaced",
    "PaymentProcessed",
    "OrderStatusChanged",
    "OrderShipped",
    "OrderDelivered",
    "OrderCancelled",
];

/// The topic over this store's log.
pub fn orders(store: DynEventStore) -> JournalTopic {
    JournalTopic::new(store, contract())
}

/// Events of orders, their data as it is: personal fields stay sealed.
pub fn contract() -> TopicContract {
    TopicContract::new("orders", "/order-service", TOLD, |event| {
        Outgoing::about(event, event.event_type.as_str(), &event.event_data).map(Some)
    })
    // Every event of this log has its first form.
    .up_to(1)
}

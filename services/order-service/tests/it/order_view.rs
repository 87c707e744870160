//! The order view, replayed: every event twice, in other batches, with a crash at every commit.

use madrigal_conformance::projection_kit::{check_projection, history, memory_views};
use madrigal_core::{Host, PersonId, PersonKey, Sealed};
use madrigal_order_service::events::Customer;
use madrigal_order_service::projections::order_view::OrderViewProjection;
use serde_json::{Value, json};

/// Four orders through every type of event, interleaved, with sagas' records between them.
pub(crate) fn events() -> Vec<(&'static str, &'static str, Value)> {
    let (host, person) = (Host::seeded(1), PersonId(7));
    let anna = Customer { name: "Anna".into(), email: "anna@example.org".into(), shipping_address: None };
    let customer = Sealed::seal(&host, person, &PersonKey::generate(&host), &anna).unwrap();
    let item = |id: &str, quantity: u32| json!({ "productId": id, "name": id, "price": { "amount": 100, "currency": "EUR" }, "quantity": quantity });
    let summary = |total: i64| json!({ "itemCount": 1, "totalAmount": total, "discountAmount": 0, "taxAmount": 8, "finalAmount": total + 8 });
    let created = |id: &str, draft: bool| {
        json!({ "orderId": id, "userId": 7, "customer": customer, "items": [item("lute", 1)], "currency": "EUR",
            "summary": summary(100), "draft": draft, "sagaId": if draft { Value::Null } else { json!("s") } })
    };
    let paid = json!({ "paymentId": "p", "amount": { "amount": 108, "currency": "EUR" }, "lastFour": "4242" });
    let imported = json!({ "orderId": "d", "userId": 7, "customer": customer, "currency": "EUR", "summary": summary(100),
        "items": [{ "productId": "lute", "name": "Lute", "quantity": 3, "lineTotal": 100 }],
        "orderedAt": "2017-01-01T12:00:00Z", "importKey": "basket-1" });
    let status = |status: &str| json!({ "status": status, "note": status });
    vec![
        ("order-a", "OrderCreated", created("a", false)),
        ("saga-s", "SagaStarted", json!({})),
        ("order-b", "OrderCreated", created("b", true)),
        ("order-a", "PaymentProcessed", paid.clone()),
        ("order-a", "OrderStatusChanged", status("confirmed")),
        ("order-b", "OrderItemAdded", json!({ "item": item("candle", 2), "summary": summary(300) })),
        ("order-c", "OrderCreated", created("c", false)),
        ("order-d", "OrderImported", imported),
        ("order-b", "OrderItemRemoved", json!({ "productId": "lute", "summary": summary(200) })),
        ("order-a", "OrderShipped", json!({ "carrier": "x", "trackingNumber": "1" })),
        ("order-a", "OrderStatusChanged", status("shipped")),
        (
            "order-b",
            "OrderPlaced",
            json!({ "items": [item("candle", 2)], "summary": summary(200), "customer": customer, "sagaId": "t" }),
        ),
        ("order-b", "PaymentProcessed", paid),
        ("order-b", "OrderStatusChanged", status("confirmed")),
        ("saga-s", "SagaEnded", json!({})),
        ("order-c", "OrderCancelled", json!({ "reason": "r" })),
        ("order-c", "OrderStatusChanged", status("cancelled")),
        ("order-a", "OrderDelivered", json!({})),
        ("order-a", "OrderStatusChanged", status("delivered")),
        ("order-b", "OrderVanished", json!({})),
        ("order-b", "OrderStatusChanged", status("shipped")),
    ]
}

#[tokio::test]
async fn the_order_view_is_the_same_however_its_events_come() {
    let history = history(&Host::seeded(2), &events()).await;
    check_projection(|| OrderViewProjection, memory_views, history).await;
}

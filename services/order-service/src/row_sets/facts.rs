//! What an order's events say, as content: independent of the order view's fold.

use madrigal_consistency::Content;
use madrigal_core::money::Totals;
use madrigal_core::{RecordedEvent, Sealed, Timestamp};
use serde_json::{Value, json};

use crate::aggregates::order::Order;
use crate::events::{Customer, OrderEvent, OrderEventError, OrderStatus};

/// The fields of an order's content. Amounts are minor units.
pub const FIELDS: &[&str] = &[
    "userId",
    "customer",
    "items",
    "currency",
    "itemCount",
    "totalAmount",
    "discountAmount",
    "taxAmount",
    "finalAmount",
    "status",
    "timeline",
    "estimatedDelivery",
    "carrier",
    "trackingNumber",
    "paymentId",
    "paidAmount",
    "lastFour",
    "sagaId",
    "imported",
    "createdAt",
    "lastUpdated",
    "productIds",
    "deliveredAt",
];

/// An order, folded with the aggregate, and beside it what the aggregate needs not for deciding.
#[derive(Debug, Clone, Default)]
pub struct OrderFacts {
    order: Option<Order>,
    summary: Option<Totals>,
    /// Of an imported order; the aggregate keeps none.
    past_items: Vec<Value>,
    timeline: Vec<Value>,
    estimated_delivery: Option<Timestamp>,
    shipped: Option<(String, String)>,
    paid: Option<(String, i64, String)>,
    imported: bool,
    created_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    last_updated: Option<Timestamp>,
}

impl OrderFacts {
    /// The facts after one more event.
    ///
    /// # Errors
    /// [`OrderEventError`] where it cannot be read; nothing is changed then.
    pub fn after(mut self, recorded: &RecordedEvent) -> Result<Self, OrderEventError> {
        let event = OrderEvent::decode(recorded)?;
        let at = recorded.metadata.timestamp;
        self.order = Order::evolve(self.order, &event);
        self.last_updated = Some(at);
        match event {
            OrderEvent::Created(created) => {
                self.summary = Some(created.summary);
                self.created_at = Some(at);
                self.noted(if created.draft { "draft" } else { "created" }, at);
            }
            OrderEvent::Imported(past) => {
                self.summary = Some(past.summary);
                self.created_at = Some(past.ordered_at);
                self.delivered_at = Some(past.ordered_at);
                self.imported = true;
                self.noted("created", past.ordered_at);
                self.noted("delivered", past.ordered_at);
                let item = |item: &crate::events::ImportedItem| {
                    json!({ "productId": item.product_id, "name": item.name, "quantity": item.quantity,
                        "lineTotal": item.line_total, "discount": 0 })
                };
                self.past_items = past.items.iter().map(item).collect();
            }
            OrderEvent::ItemAdded(added) => self.summary = Some(added.summary),
            OrderEvent::ItemRemoved(removed) => self.summary = Some(removed.summary),
            OrderEvent::Placed(placed) => self.summary = Some(placed.summary),
            OrderEvent::PaymentProcessed(paid) => {
                self.paid = Some((paid.payment_id, paid.amount.amount, paid.last_four));
            }
            OrderEvent::StatusChanged(changed) => {
                self.estimated_delivery = changed.estimated_delivery.or(self.estimated_delivery);
                self.noted(changed.status.as_str(), at);
                if changed.status == OrderStatus::Delivered {
                    self.delivered_at = Some(at);
                }
            }
            OrderEvent::Shipped(shipped) => {
                self.estimated_delivery = shipped.estimated_delivery.or(self.estimated_delivery);
                self.shipped = Some((shipped.carrier, shipped.tracking_number));
            }
            OrderEvent::Delivered(_) | OrderEvent::Cancelled(_) => {}
        }
        Ok(self)
    }

    fn noted(&mut self, status: &str, at: Timestamp) {
        self.timeline.push(json!({ "status": status, "at": at.to_string() }));
    }

    /// As content; `None` before the order's first event.
    pub fn content(&self) -> Option<Content> {
        let order = self.order.as_ref()?;
        let (carrier, tracking) = self.shipped.clone().unzip();
        let items: Vec<Value> = if self.imported {
            self.past_items.clone()
        } else {
            let item = |item: &crate::events::OrderItem| {
                json!({ "productId": item.product_id, "name": item.name, "quantity": item.quantity,
                    "price": item.price, "discount": item.discount })
            };
            order.items.iter().map(item).collect()
        };
        let content = Content::new()
            .with("userId", order.user_id.0)
            .with("customer", sealed(&order.customer))
            .with("productIds", product_ids(&items))
            .with("items", items)
            .with("currency", json!(order.currency))
            .with("status", order.status.as_str())
            .with("timeline", self.timeline.clone())
            .with_time("estimatedDelivery", self.estimated_delivery)
            .with("carrier", carrier)
            .with("trackingNumber", tracking)
            .with("sagaId", order.saga_id.clone())
            .with("imported", self.imported)
            .with_time("createdAt", self.created_at)
            .with_time("deliveredAt", self.delivered_at)
            .with_time("lastUpdated", self.last_updated);
        let content = match &self.paid {
            Some((id, amount, last_four)) => {
                content.with("paymentId", id.clone()).with("paidAmount", *amount).with("lastFour", last_four.clone())
            }
            None => content,
        };
        Some(self.summary.map_or(content.clone(), |summary| amounts(content, &summary)))
    }
}

/// The amounts of an order as fields of its content.
pub(super) fn amounts(content: Content, summary: &Totals) -> Content {
    content
        .with("itemCount", summary.item_count)
        .with("totalAmount", summary.total_amount)
        .with("discountAmount", summary.discount_amount)
        .with("taxAmount", summary.tax_amount)
        .with("finalAmount", summary.final_amount)
}

/// What is sealed stays sealed: its fingerprint tells two of them apart.
pub(super) fn sealed(customer: &Sealed<Customer>) -> Value {
    let content = Content::of_json(json!(customer));
    Value::String(format!("sealed {:016x}", content.hash(&[])))
}

/// The products of an order, each once, in order.
pub(super) fn product_ids(items: &[Value]) -> Vec<Value> {
    let ids: std::collections::BTreeSet<&str> = items.iter().filter_map(|item| item["productId"].as_str()).collect();
    ids.into_iter().map(Value::from).collect()
}

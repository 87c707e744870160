//! The order view: the brief's order projection, one row per order, folded from that order's stream alone.
//!
//! The row keeps the customer sealed; whoever answers a read opens it.

use madrigal_core::money::Totals;
use madrigal_core::{BasisPoints, Currency, Money, PersonId, RecordedEvent, Sealed, StreamVersion, Timestamp};
use madrigal_projection::{ApplyError, Columns, Interest, Projection};
use serde::{Deserialize, Serialize};

use crate::events::{Customer, ImportedItem, OrderEvent, OrderEventError, OrderImported, OrderItem, OrderStatus};

/// A moment in an order's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// Where the order stood from then on.
    pub status: String,
    /// When.
    pub timestamp: Timestamp,
    /// In words.
    pub note: String,
}

/// How an order was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentInfo {
    /// The provider's id of the charge.
    pub payment_id: String,
    /// Minor units.
    pub amount: i64,
    /// Of the card.
    pub last_four: String,
}

/// A line of an order: at a price for one, or, where the order was imported, with what was paid for the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderViewItem {
    /// The product.
    pub product_id: String,
    /// Its name when it was ordered.
    pub name: String,
    /// For one, before discount; none where the order was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Off the line, in basis points.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: BasisPoints,
    /// How many.
    pub quantity: u32,
    /// What was paid for the line, in minor units; only where the order was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_total: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(discount: &BasisPoints) -> bool {
    *discount == BasisPoints::ZERO
}

impl From<&OrderItem> for OrderViewItem {
    fn from(item: &OrderItem) -> Self {
        Self {
            product_id: item.product_id.clone(),
            name: item.name.clone(),
            price: Some(item.price),
            discount: item.discount,
            quantity: item.quantity,
            line_total: None,
        }
    }
}

impl From<&ImportedItem> for OrderViewItem {
    fn from(item: &ImportedItem) -> Self {
        Self {
            product_id: item.product_id.clone(),
            name: item.name.clone(),
            price: None,
            discount: BasisPoints::ZERO,
            quantity: item.quantity,
            line_total: Some(item.line_total),
        }
    }
}

/// A row of the order view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    /// The order.
    pub order_id: String,
    /// Whose it is.
    pub user_id: PersonId,
    /// Name, e-mail, address: sealed.
    pub customer: Sealed<Customer>,
    /// What was ordered.
    pub items: Vec<OrderViewItem>,
    /// Of all amounts.
    pub currency: Currency,
    /// What it comes to.
    pub summary: Totals,
    /// What happened when.
    pub timeline: Vec<TimelineEntry>,
    /// Where it stands.
    pub current_status: OrderStatus,
    /// When it should arrive.
    pub estimated_delivery: Option<Timestamp>,
    /// With whom it travels.
    pub carrier: Option<String>,
    /// The carrier's number.
    pub tracking_number: Option<String>,
    /// How it was paid.
    pub payment: Option<PaymentInfo>,
    /// The saga that placed it.
    pub saga_id: Option<String>,
    /// Whether it was imported: it took no stock and no payment of this shop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// When it came into being; where it was imported, when it was ordered.
    pub created_at: Timestamp,
    /// When its last event was accepted.
    pub last_updated: Timestamp,
    /// How many events it has: the version of the last one applied.
    pub version: StreamVersion,
}

impl OrderView {
    /// The row after one more event; an event that was applied before changes nothing.
    #[must_use]
    pub fn fold(row: Option<Self>, event: &OrderEvent, version: StreamVersion, at: Timestamp) -> Option<Self> {
        if row.as_ref().is_some_and(|row| row.version >= version) {
            return row;
        }
        let mut row = match (row, event) {
            (None, OrderEvent::Created(created)) => Self {
                order_id: created.order_id.clone(),
                user_id: created.user_id,
                customer: created.customer.clone(),
                items: created.items.iter().map(Into::into).collect(),
                currency: created.currency,
                summary: created.summary,
                timeline: vec![entry(if created.draft { "draft" } else { "created" }, at, "Order created")],
                current_status: OrderStatus::Draft,
                estimated_delivery: None,
                carrier: None,
                tracking_number: None,
                payment: None,
                saga_id: created.saga_id.clone(),
                imported: false,
                created_at: at,
                last_updated: at,
                version,
            },
            (None, OrderEvent::Imported(imported)) => Self::imported(imported, at, version),
            (None, _) => return None,
            (Some(mut row), event) => {
                row.apply(event, at);
                row
            }
        };
        row.version = version;
        row.last_updated = at;
        Some(row)
    }

    fn imported(imported: &OrderImported, at: Timestamp, version: StreamVersion) -> Self {
        let ordered_at = imported.ordered_at;
        Self {
            order_id: imported.order_id.clone(),
            user_id: imported.user_id,
            customer: imported.customer.clone(),
            items: imported.items.iter().map(Into::into).collect(),
            currency: imported.currency,
            summary: imported.summary,
            timeline: vec![
                entry("created", ordered_at, "Ordered elsewhere"),
                entry(OrderStatus::Delivered.as_str(), ordered_at, "Delivered before it was imported"),
            ],
            current_status: OrderStatus::Delivered,
            estimated_delivery: None,
            carrier: None,
            tracking_number: None,
            payment: None,
            saga_id: None,
            imported: true,
            created_at: ordered_at,
            last_updated: at,
            version,
        }
    }

    fn apply(&mut self, event: &OrderEvent, at: Timestamp) {
        match event {
            OrderEvent::ItemAdded(added) => {
                self.items.retain(|item| item.product_id != added.item.product_id);
                self.items.push((&added.item).into());
                self.summary = added.summary;
            }
            OrderEvent::ItemRemoved(removed) => {
                self.items.retain(|item| item.product_id != removed.product_id);
                self.summary = removed.summary;
            }
            OrderEvent::Placed(placed) => {
                self.items = placed.items.iter().map(Into::into).collect();
                self.summary = placed.summary;
                self.customer = placed.customer.clone();
                self.saga_id = Some(placed.saga_id.clone());
            }
            OrderEvent::PaymentProcessed(paid) => {
                self.payment = Some(PaymentInfo {
                    payment_id: paid.payment_id.clone(),
                    amount: paid.amount.amount,
                    last_four: paid.last_four.clone(),
                });
            }
            OrderEvent::StatusChanged(changed) => {
                self.current_status = changed.status;
                self.estimated_delivery = changed.estimated_delivery.or(self.estimated_delivery);
                self.timeline.push(entry(changed.status.as_str(), at, &changed.note));
            }
            OrderEvent::Shipped(shipped) => {
                self.carrier = Some(shipped.carrier.clone());
                self.tracking_number = Some(shipped.tracking_number.clone());
                self.estimated_delivery = shipped.estimated_delivery.or(self.estimated_delivery);
            }
            OrderEvent::Created(_) | OrderEvent::Imported(_) | OrderEvent::Delivered(_) | OrderEvent::Cancelled(_) => {}
        }
    }
}

fn entry(status: &str, timestamp: Timestamp, note: &str) -> TimelineEntry {
    TimelineEntry { status: status.to_owned(), timestamp, note: note.to_owned() }
}

/// The projection that keeps the order view.
#[derive(Debug, Clone, Copy)]
pub struct OrderViewProjection;

impl Projection for OrderViewProjection {
    type Row = OrderView;

    fn name(&self) -> &'static str {
        "order-view"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["user_id", "status"]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        // Everything that is not an order's event (sagas' records) is declared uninteresting here.
        if event.stream.category() == OrderEvent::CATEGORY { Ok(Interest::own(event)) } else { Ok(Interest::Skip) }
    }

    fn apply(
        &self,
        _key: &str,
        row: Option<OrderView>,
        event: &RecordedEvent,
    ) -> Result<Option<OrderView>, ApplyError> {
        let decoded = OrderEvent::decode(event).map_err(|error| match error {
            OrderEventError::Unknown { .. } => ApplyError::unknown_type(event),
            OrderEventError::Data { source, .. } => ApplyError::Decode(source),
        })?;
        Ok(OrderView::fold(row, &decoded, event.version(), event.metadata.timestamp))
    }

    fn columns(&self, row: &OrderView) -> Columns {
        Columns::none().with("user_id", row.user_id.0).with("status", row.current_status.as_str())
    }
}

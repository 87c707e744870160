//! The facts about orders, as they are written in the streams `order-{id}`, for ever.
//!
//! Everything personal in them is one sealed value ([`Customer`]). Amounts are minor units of the order's currency.

mod imported;

use madrigal_core::money::Totals;
use madrigal_core::{
    BasisPoints, CallContext, Currency, EventId, EventType, Fingerprint, JsonBytes, Money, NewEvent, PersonId,
    RecordedEvent, Sealed, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use imported::{ImportedItem, OrderImported, past_totals};

/// The buyer as far as an order is concerned: personal, therefore always sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// First and last name.
    pub name: String,
    /// Where mails go.
    pub email: String,
    /// Where the goods go; whatever fields the client gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Map<String, Value>>,
}

/// One product of an order at the price of its moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// The product.
    pub product_id: String,
    /// Its name when it was ordered.
    pub name: String,
    /// For one, before discount.
    pub price: Money,
    /// Off the line, in basis points.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: BasisPoints,
    /// How many.
    pub quantity: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(discount: &BasisPoints) -> bool {
    *discount == BasisPoints::ZERO
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Being put together; nothing is reserved or paid.
    Draft,
    /// Paid, stock reserved or sold.
    Confirmed,
    /// With the carrier.
    Shipped,
    /// With the customer.
    Delivered,
    /// Called off; stock and money go back.
    Cancelled,
}

impl OrderStatus {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Confirmed => "confirmed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status with this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Draft, Self::Confirmed, Self::Shipped, Self::Delivered, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// An order came into being: placed, or as a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    /// The order.
    pub order_id: String,
    /// Whose it is.
    pub user_id: PersonId,
    /// Name, e-mail, address.
    pub customer: Sealed<Customer>,
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// Of all amounts.
    pub currency: Currency,
    /// What it comes to.
    pub summary: Totals,
    /// Whether it is still being put together.
    #[serde(default)]
    pub draft: bool,
    /// The saga that placed it; the key of its reservation and its payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saga_id: Option<String>,
    /// Of the request that made a draft, so that a repeated request is told from another under the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// A product was put into a draft (or its quantity raised).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItemAdded {
    /// What, at the price of this moment; the placing decides the price that is paid.
    pub item: OrderItem,
    /// What the draft comes to now.
    pub summary: Totals,
}

/// A product was taken out of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItemRemoved {
    /// Which.
    pub product_id: String,
    /// What the draft comes to now.
    pub summary: Totals,
}

/// A draft was placed, at the prices of this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderPlaced {
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// What it comes to.
    pub summary: Totals,
    /// Name, e-mail, address at the placing.
    pub customer: Sealed<Customer>,
    /// The saga that placed it.
    pub saga_id: String,
}

/// The order was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentProcessed {
    /// The provider's id of the charge.
    pub payment_id: String,
    /// What was charged.
    pub amount: Money,
    /// Of the card.
    pub last_four: String,
}

/// The order went on to another status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatusChanged {
    /// Which.
    pub status: OrderStatus,
    /// In words.
    pub note: String,
    /// When the goods should arrive, where that is known now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<Timestamp>,
}

/// The goods left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderShipped {
    /// With whom.
    pub carrier: String,
    /// The carrier's number.
    pub tracking_number: String,
    /// When they should arrive, by the carrier's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<Timestamp>,
}

/// The goods arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDelivered {}

/// The order was called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// In the caller's words.
    pub reason: String,
}

/// A fact about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is its event")]
pub enum OrderEvent {
    Created(OrderCreated),
    Imported(OrderImported),
    ItemAdded(OrderItemAdded),
    ItemRemoved(OrderItemRemoved),
    Placed(OrderPlaced),
    PaymentProcessed(PaymentProcessed),
    StatusChanged(OrderStatusChanged),
    Shipped(OrderShipped),
    Delivered(OrderDelivered),
    Cancelled(OrderCancelled),
}

/// Why an event of an order cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OrderEventError {
    /// This program does not know the type or the version of its data.
    #[error("event type {event_type} version {schema_version} is not known")]
    Unknown {
        /// The type.
        event_type: String,
        /// The data's version.
        schema_version: u16,
    },
    /// The data has another form.
    #[error("the data of {event_type} cannot be read")]
    Data {
        /// The type.
        event_type: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl OrderEvent {
    /// The category of the streams that hold these events.
    pub const CATEGORY: &'static str = "order";

    /// Decodes a recorded event.
    ///
    /// # Errors
    /// [`OrderEventError`].
    pub fn decode(event: &RecordedEvent) -> Result<Self, OrderEventError> {
        let event_type = event.event_type.as_str();
        let decoded = match (event_type, event.schema_version) {
            ("OrderCreated", 1) => event.decode().map(Self::Created),
            ("OrderImported", 1) => event.decode().map(Self::Imported),
            ("OrderItemAdded", 1) => event.decode().map(Self::ItemAdded),
            ("OrderItemRemoved", 1) => event.decode().map(Self::ItemRemoved),
            ("OrderPlaced", 1) => event.decode().map(Self::Placed),
            ("PaymentProcessed", 1) => event.decode().map(Self::PaymentProcessed),
            ("OrderStatusChanged", 1) => event.decode().map(Self::StatusChanged),
            ("OrderShipped", 1) => event.decode().map(Self::Shipped),
            ("OrderDelivered", 1) => event.decode().map(Self::Delivered),
            ("OrderCancelled", 1) => event.decode().map(Self::Cancelled),
            (other, schema_version) => {
                return Err(OrderEventError::Unknown { event_type: other.to_owned(), schema_version });
            }
        };
        decoded.map_err(|source| OrderEventError::Data { event_type: event_type.to_owned(), source })
    }

    /// The event's type.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Created(_) => "OrderCreated",
            Self::Imported(_) => "OrderImported",
            Self::ItemAdded(_) => "OrderItemAdded",
            Self::ItemRemoved(_) => "OrderItemRemoved",
            Self::Placed(_) => "OrderPlaced",
            Self::PaymentProcessed(_) => "PaymentProcessed",
            Self::StatusChanged(_) => "OrderStatusChanged",
            Self::Shipped(_) => "OrderShipped",
            Self::Delivered(_) => "OrderDelivered",
            Self::Cancelled(_) => "OrderCancelled",
        }
    }

    /// The event as it is appended.
    ///
    /// # Errors
    /// If its data cannot be JSON; no value of these types does that.
    pub fn encode(&self, event_id: EventId, context: &CallContext) -> Result<NewEvent, serde_json::Error> {
        let data = match self {
            Self::Created(data) => JsonBytes::of(data),
            Self::Imported(data) => JsonBytes::of(data),
            Self::ItemAdded(data) => JsonBytes::of(data),
            Self::ItemRemoved(data) => JsonBytes::of(data),
            Self::Placed(data) => JsonBytes::of(data),
            Self::PaymentProcessed(data) => JsonBytes::of(data),
            Self::StatusChanged(data) => JsonBytes::of(data),
            Self::Shipped(data) => JsonBytes::of(data),
            Self::Delivered(data) => JsonBytes::of(data),
            Self::Cancelled(data) => JsonBytes::of(data),
        }?;
        let Some(event_type) = EventType::parse(self.event_type()) else {
            unreachable!("the types above are letters only")
        };
        Ok(NewEvent::new(event_id, event_type, 1, data, context))
    }
}

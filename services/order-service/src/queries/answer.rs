//! An order as it is answered: the brief's order projection, with the customer opened for those who may see it.

use madrigal_core::money::Totals;
use madrigal_core::{Money, Opened, PersonId, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::events::Customer;
use crate::projections::order_view::{OrderView, PaymentInfo, TimelineEntry};

/// The buyer of an order; `erased` where the person's data was erased.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerInfo {
    /// First and last name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the person's data was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderItemAnswer {
    /// The product.
    pub product_id: String,
    /// Its name when it was ordered.
    pub name: String,
    /// For one, in minor units, before discount; not there where the order was imported.
    #[schema(value_type = Option<Object>, example = json!({"amount": 1999, "currency": "EUR"}))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Off the line, in basis points.
    pub discount: u16,
    /// How many.
    pub quantity: u32,
    /// What was paid for the line, which a price for one need not divide; only where the order was imported.
    #[schema(value_type = Option<Object>, example = json!({"amount": 500, "currency": "USD"}))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_total: Option<Money>,
}

/// An order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderAnswer {
    /// The order.
    pub order_id: String,
    /// Whose it is.
    #[schema(value_type = i64)]
    pub user_id: PersonId,
    /// The buyer.
    pub customer_info: CustomerInfo,
    /// Where it goes.
    #[schema(value_type = Option<Object>)]
    pub shipping_address: Option<Map<String, Value>>,
    /// What was ordered.
    pub items: Vec<OrderItemAnswer>,
    /// Of all amounts in `summary`, ISO 4217.
    pub currency: String,
    /// What it comes to, in minor units: `itemCount`, `totalAmount`, `discountAmount`, `taxAmount`, `finalAmount`.
    #[schema(value_type = Object)]
    pub summary: Totals,
    /// What happened when.
    #[schema(value_type = Vec<Object>)]
    pub timeline: Vec<TimelineEntry>,
    /// `draft`, `confirmed`, `shipped`, `delivered` or `cancelled`.
    pub current_status: String,
    /// When it should arrive.
    #[schema(value_type = Option<String>)]
    pub estimated_delivery: Option<Timestamp>,
    /// With whom it travels.
    pub carrier: Option<String>,
    /// The carrier's number.
    pub tracking_number: Option<String>,
    /// How it was paid: `paymentId`, `amount`, `lastFour`.
    #[schema(value_type = Option<Object>)]
    pub payment: Option<PaymentInfo>,
    /// The saga that placed it.
    pub saga_id: Option<String>,
    /// Whether it was imported: it took no stock and no payment of this shop.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// When it came into being; where it was imported, when it was ordered.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When its last event was accepted.
    #[schema(value_type = String)]
    pub last_updated: Timestamp,
    /// How many events it has; also its `ETag`.
    pub version: u64,
}

impl OrderAnswer {
    /// The answer about a row whose customer was opened.
    pub fn new(row: OrderView, customer: Opened<Customer>) -> Self {
        let (customer_info, shipping_address) = match customer {
            Opened::Value(customer) => (
                CustomerInfo { name: Some(customer.name), email: Some(customer.email), erased: false },
                customer.shipping_address,
            ),
            Opened::Erased => (CustomerInfo { name: None, email: None, erased: true }, None),
        };
        let items = row.items.into_iter().map(|item| OrderItemAnswer {
            product_id: item.product_id,
            name: item.name,
            price: item.price,
            discount: item.discount.get(),
            quantity: item.quantity,
            line_total: item.line_total.map(|amount| Money { amount, currency: row.currency }),
        });
        Self {
            order_id: row.order_id,
            user_id: row.user_id,
            customer_info,
            shipping_address,
            items: items.collect(),
            currency: row.currency.to_string(),
            summary: row.summary,
            timeline: row.timeline,
            current_status: row.current_status.as_str().to_owned(),
            estimated_delivery: row.estimated_delivery,
            carrier: row.carrier,
            tracking_number: row.tracking_number,
            payment: row.payment,
            saga_id: row.saga_id,
            imported: row.imported,
            created_at: row.created_at,
            last_updated: row.last_updated,
            version: row.version.0,
        }
    }
}

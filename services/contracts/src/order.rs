//! What order-service answers.

use madrigal_core::{Currency, PersonId, PositionToken, Timestamp};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

/// Asks whether a saga may still need what was reserved for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetSagaStanding {
    /// The saga.
    pub saga_id: String,
}

/// Where a saga stands, as far as its participants need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SagaStanding {
    /// Under way, or paused, or stuck: keep what it holds.
    Live,
    /// Over, and its order stands.
    Committed,
    /// Over, and undone: whatever is still held for it may go.
    Undone,
    /// Never started here: whatever is held for it may go once it is old enough.
    Unknown,
}

impl Call for GetSagaStanding {
    type Answer = SagaStanding;
    const NAME: &'static str = "order.get-saga-standing";
}

/// Asks whether a customer received a product: whether an order of theirs with it was delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HasReceived {
    /// The customer.
    pub user_id: PersonId,
    /// The product.
    pub product_id: String,
}

/// The answer to [`HasReceived`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Whether they did, as far as the newest 5,000 of their delivered orders say.
    pub received: bool,
}

impl Call for HasReceived {
    type Answer = Receipt;
    const NAME: &'static str = "order.has-received";
}

/// Asks for the newest orders of a customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListCustomerOrders {
    /// The customer.
    pub user_id: PersonId,
    /// At most so many, 1 to [`ListCustomerOrders::MAX`].
    pub limit: usize,
    /// Waits (a little) until the orders have this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<PositionToken>,
}

impl ListCustomerOrders {
    /// The most orders.
    pub const MAX: usize = 50;
}

/// An order in a few words; nothing in it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBrief {
    /// The order.
    pub order_id: String,
    /// Where it stands.
    pub status: String,
    /// When it came into being.
    pub created_at: Timestamp,
    /// How many pieces.
    pub item_count: u64,
    /// Of the amount.
    pub currency: Currency,
    /// What it comes to, in minor units.
    pub final_amount: i64,
    /// How many events it has.
    pub version: u64,
}

/// The answer to [`ListCustomerOrders`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerOrders {
    /// The newest first.
    pub orders: Vec<OrderBrief>,
    /// Up to where everything is in it.
    pub position: PositionToken,
}

impl Call for ListCustomerOrders {
    type Answer = CustomerOrders;
    const NAME: &'static str = "order.list-customer-orders";
}

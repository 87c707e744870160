//! What order-service answers.

use madrigal_core::PersonId;
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

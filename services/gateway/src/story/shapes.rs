//! What a story looks like.

use std::collections::BTreeMap;

use madrigal_core::{Money, PositionToken, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// One order across all services.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderStory {
    /// The order.
    pub order_id: String,
    /// As `GET /v1/orders/{orderId}` answers it; while it is being placed with `currentStatus` `pending`; `null` where it
    /// never came to be.
    #[schema(value_type = Option<Object>)]
    pub order: Option<Value>,
    /// The order's events, oldest first, at most 500.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
    /// Whether there are more events than that.
    pub more_events: bool,
    /// The saga that placed the order, or the last one that tried, as `GET /v1/sagas/{sagaId}` answers it.
    #[schema(value_type = Option<Object>)]
    pub saga: Option<Value>,
    /// The saga that cancels it.
    #[schema(value_type = Option<Object>)]
    pub cancellation: Option<Value>,
    /// Sagas that tried to place it before; a draft can be declined more than once.
    #[schema(value_type = Vec<Object>)]
    pub earlier_sagas: Vec<Value>,
    /// What the saga charged.
    pub payment: Option<PaymentPart>,
    /// What the saga reserved, line by line.
    pub stock: Vec<StockPart>,
    /// The mails about it.
    pub mails: Vec<MailPart>,
    /// All of it in the order of time.
    pub timeline: Vec<Moment>,
    /// The request that set it in motion.
    pub correlation_id: Option<String>,
    /// The trace of that request.
    pub trace_id: Option<String>,
    /// By service, the position (`Madrigal-Position`) up to which it answered.
    #[schema(value_type = BTreeMap<String, String>)]
    pub as_of: BTreeMap<String, PositionToken>,
    /// What is not there because a service did not answer.
    pub missing: Vec<Missing>,
}

/// A payment in a story.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentPart {
    /// The saga that charged.
    pub saga_id: String,
    /// `requested`, `paid`, `declined`, `undoing`, `refunded` or `voided`.
    pub state: String,
    /// What was asked for.
    #[schema(value_type = Option<Object>)]
    pub amount: Option<Money>,
    /// The provider's id of the charge.
    pub payment_id: Option<String>,
    /// The last four digits of the card.
    pub last_four: Option<String>,
    /// Why it was declined.
    pub reason: Option<String>,
    /// Its events; operators only.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
}

/// A reserved line in a story.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockPart {
    /// The product.
    pub product_id: String,
    /// Its name then.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// `reserved`, `released`, `sold` or `returned`.
    pub state: String,
    /// The events of the reservation, each in one append with the stock that it moves; operators only.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
}

/// A mail in a story.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailPart {
    /// Its key: `GET /v1/mails/{key}` shows what it says.
    pub key: String,
    /// What it is about.
    #[schema(example = "order-confirmation")]
    pub kind: String,
    /// `requested`, `sent` or `failed`.
    pub state: String,
    /// When it was put into the outbox.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// When it was sent or given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
    /// Why it was given up.
    pub failure: Option<String>,
    /// Its Message-ID.
    pub message_id: String,
    /// Its events; operators only.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Value>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// When, or when it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it ended, where it took time.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// `user`, `catalog`, `order`, `payment` or `notification`: whose store it happened in, or which service a step asked.
    pub voice: String,
    /// The event's type, or `step`, `undo`, `saga`, `operator`.
    pub kind: String,
    /// What happened, in words.
    pub text: String,
    /// The event, or the attempt (`{sagaId}/{step}/{number}`).
    pub id: String,
    /// The step that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How a step ended: `done`, `given`, `rejected`, `failed`, `unknown`, `nothingToUndo`, `byHand`; `running` while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The saga that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saga_id: Option<String>,
    /// The event's stream, as in `order-0198…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

/// A part that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// `order`, `events`, `saga`, `payment`, `stock` or `mails`.
    pub part: String,
    /// Why, in words.
    pub detail: String,
}

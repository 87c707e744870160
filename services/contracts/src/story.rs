//! What each service contributes to the story of one order: one call per service, reads only.
//!
//! Events are as the public API shows them (`GET /v1/logs/{service}/events`), without tokens of means of payment and
//! without mails' content; whoever asks has checked who may read them.

use madrigal_core::{Money, PersonId, PositionToken, Timestamp};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most events of one stream that a story tells, oldest first.
pub const MAX_EVENTS: usize = 500;
/// The most sagas of one order that a story tells: the latest.
pub const MAX_SAGAS: usize = 20;

/// Asks order-service for an order, its events and its sagas.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TellOrder {
    /// The order, or a saga that places or cancels it.
    pub id: String,
}

/// What order-service knows of an order, also of one that never came to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderTold {
    /// The order.
    pub order_id: String,
    /// Whose it is or would have been.
    pub user_id: PersonId,
    /// As `GET /v1/orders/{orderId}` answers it; `None` where it never came to be.
    pub order: Option<Value>,
    /// Its events, personal fields opened; at most [`MAX_EVENTS`].
    pub events: Vec<Value>,
    /// Whether it has more events than that.
    pub more_events: bool,
    /// Its sagas in the order of their starts, at most [`MAX_SAGAS`].
    pub sagas: Vec<SagaTold>,
    /// The position that has all of this.
    pub position: PositionToken,
}

/// A saga of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaTold {
    /// The saga.
    pub saga_id: String,
    /// Whether it places the order (else it cancels it).
    pub places: bool,
    /// Whether the order came to be, or was cancelled, through it.
    pub decided: bool,
    /// As `GET /v1/sagas/{sagaId}` answers it.
    pub saga: Value,
}

impl Call for TellOrder {
    /// `None`: there is no such order, and no saga would have made it.
    type Answer = Option<OrderTold>;
    const NAME: &'static str = "order.tell-order";
}

/// Asks catalog-service what these sagas reserved.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TellReservations {
    /// Which; at most [`MAX_SAGAS`].
    pub saga_ids: Vec<String>,
}

/// What catalog-service knows of some sagas' reservations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationsTold {
    /// In the order asked; sagas that reserved nothing are missing.
    pub reservations: Vec<ReservationTold>,
    /// The position that has all of this.
    pub position: PositionToken,
}

/// One saga's reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationTold {
    /// The saga.
    pub saga_id: String,
    /// `reserved`, `released`, `sold`, `returned` or `tombstoned`.
    pub state: String,
    /// What it holds or held; empty under a tombstone.
    pub lines: Vec<ReservedQuantity>,
    /// Its events. Each is in the same append as the stock that it moves.
    pub events: Vec<Value>,
}

/// How many of a product were reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservedQuantity {
    /// The product.
    pub product_id: String,
    /// Its name then.
    pub name: String,
    /// How many.
    pub quantity: u32,
}

impl Call for TellReservations {
    type Answer = ReservationsTold;
    const NAME: &'static str = "catalog.tell-reservations";
}

/// Asks payment-service what these sagas charged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TellPayments {
    /// Which; at most [`MAX_SAGAS`].
    pub saga_ids: Vec<String>,
}

/// What payment-service knows of some sagas' payments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentsTold {
    /// In the order asked; sagas that charged nothing are missing.
    pub payments: Vec<PaymentTold>,
    /// The position that has all of this.
    pub position: PositionToken,
}

/// One saga's payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentTold {
    /// The saga.
    pub saga_id: String,
    /// `requested`, `paid`, `declined`, `undoing`, `refunded` or `voided`.
    pub state: String,
    /// What was asked for; `None` under a tombstone.
    pub amount: Option<Money>,
    /// The provider's id of the charge.
    pub payment_id: Option<String>,
    /// The last four digits of the card.
    pub last_four: Option<String>,
    /// Why it was declined.
    pub reason: Option<String>,
    /// Its events.
    pub events: Vec<Value>,
}

impl Call for TellPayments {
    type Answer = PaymentsTold;
    const NAME: &'static str = "payment.tell-payments";
}

/// Asks notification-service for the mails about an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TellMails {
    /// The order.
    pub order_id: String,
}

/// What notification-service knows of the mails about an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailsTold {
    /// One per kind at most.
    pub mails: Vec<MailTold>,
    /// The position that has all of this.
    pub position: PositionToken,
}

/// One mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailTold {
    /// Its key: `GET /v1/mails/{key}` shows its content.
    pub key: String,
    /// What it is about, as in `order-confirmation`.
    pub kind: String,
    /// `requested`, `sent` or `failed`.
    pub state: String,
    /// When it was put into the outbox.
    pub requested_at: Timestamp,
    /// When it was sent or given up.
    pub settled_at: Option<Timestamp>,
    /// Why it was given up.
    pub failure: Option<String>,
    /// Its Message-ID.
    pub message_id: String,
    /// Its events.
    pub events: Vec<Value>,
}

impl Call for TellMails {
    type Answer = MailsTold;
    const NAME: &'static str = "notification.tell-mails";
}

//! What happens to a payment. These forms are read for ever: fields are added, never changed.

use madrigal_core::{EventId, EventType, JsonBytes, Money, RecordedEvent};
use serde::{Deserialize, Serialize};

use super::terms::Terms;

/// The version of these events' data.
pub const SCHEMA_VERSION: u16 = 1;

/// One event of a payment's stream. Each stands in it at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentEvent {
    /// `PaymentRequested`: durable before the provider is called.
    Requested(Terms),
    /// `PaymentSucceeded`: the provider charged it.
    Succeeded(Succeeded),
    /// `PaymentDeclined`: the provider certainly did not charge it.
    Declined(Declined),
    /// `RefundRequested`: durable before the provider is asked to give back; from here on no charge is possible.
    RefundRequested,
    /// `PaymentRefunded`: the provider had charged it and gave it back.
    Refunded(Refunded),
    /// `PaymentVoided`: the tombstone. The provider had not charged it and never will.
    Voided,
}

/// The data of `PaymentSucceeded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Succeeded {
    /// The provider's id of the charge.
    pub payment_id: String,
    /// The last four digits of the card; empty where nothing was to be charged.
    pub last_four: String,
    /// What was charged.
    pub amount: Money,
}

/// The data of `PaymentDeclined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declined {
    /// The provider's reason, as in `card_declined`.
    pub reason: String,
}

/// The data of `PaymentRefunded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refunded {
    /// What was given back.
    pub amount: Money,
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

/// An event that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub enum EventDecodeError {
    /// A type or version that it does not know.
    #[error("a payment has an event {event_type} of version {version} that this program does not know")]
    Unknown {
        /// The type.
        event_type: EventType,
        /// The version of its data.
        version: u16,
    },
    /// Data of another form.
    #[error("the data of a payment's event has another form")]
    Form(#[from] serde_json::Error),
}

impl PaymentEvent {
    /// The type's name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) => "PaymentRequested",
            Self::Succeeded(_) => "PaymentSucceeded",
            Self::Declined(_) => "PaymentDeclined",
            Self::RefundRequested => "RefundRequested",
            Self::Refunded(_) => "PaymentRefunded",
            Self::Voided => "PaymentVoided",
        }
    }

    /// The id of this event in the stream of this saga: always the same, so that a repeated append is recognised.
    pub fn id(&self, saga_id: &str) -> EventId {
        EventId::derived(&format!("payment {saga_id} {}", self.name()))
    }

    /// The data as it is stored.
    ///
    /// # Errors
    /// Never for these forms; kept as a result for the caller to pass on.
    pub fn data(&self) -> Result<JsonBytes, serde_json::Error> {
        match self {
            Self::Requested(terms) => JsonBytes::of(terms),
            Self::Succeeded(data) => JsonBytes::of(data),
            Self::Declined(data) => JsonBytes::of(data),
            Self::Refunded(data) => JsonBytes::of(data),
            Self::RefundRequested | Self::Voided => JsonBytes::of(&Nothing {}),
        }
    }

    /// The event as it was recorded.
    ///
    /// # Errors
    /// [`EventDecodeError`] where a newer program wrote it.
    pub fn decode(event: &RecordedEvent) -> Result<Self, EventDecodeError> {
        match (event.event_type.as_str(), event.schema_version) {
            ("PaymentRequested", 1) => Ok(Self::Requested(event.decode()?)),
            ("PaymentSucceeded", 1) => Ok(Self::Succeeded(event.decode()?)),
            ("PaymentDeclined", 1) => Ok(Self::Declined(event.decode()?)),
            ("RefundRequested", 1) => Ok(Self::RefundRequested),
            ("PaymentRefunded", 1) => Ok(Self::Refunded(event.decode()?)),
            ("PaymentVoided", 1) => Ok(Self::Voided),
            _ => Err(EventDecodeError::Unknown { event_type: event.event_type.clone(), version: event.schema_version }),
        }
    }
}

//! What others may hear: the topic `payments`. Never a token of a means of payment, of a card the last four digits only.

use std::sync::Arc;

use madrigal_bus::{DynTopicSource, JournalTopic, MapError, Outgoing, TopicContract};
use madrigal_core::{Money, RecordedEvent};
use madrigal_event_store::DynEventStore;
use serde::Serialize;

use crate::domain::PaymentEvent;

/// The topic's name.
pub const PAYMENTS: &str = "payments";

/// Outcomes only: what was asked for and is not decided yet is nobody else's business.
const TOLD: &[&str] = &["PaymentSucceeded", "PaymentDeclined", "PaymentRefunded", "PaymentVoided"];

/// The topics over this store.
pub fn topics(events: DynEventStore) -> Vec<DynTopicSource> {
    vec![Arc::new(JournalTopic::new(events, payments()))]
}

/// The contract of the topic `payments`, keyed by saga.
pub fn payments() -> TopicContract {
    TopicContract::new(PAYMENTS, "/payment-service", TOLD, message)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    saga_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_four: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

fn message(event: &RecordedEvent) -> Result<Option<Outgoing>, MapError> {
    let decoded = PaymentEvent::decode(event).map_err(MapError::new)?;
    let mut told = Told { saga_id: event.stream.id(), payment_id: None, last_four: None, amount: None, reason: None };
    let kind = match &decoded {
        PaymentEvent::Succeeded(data) => {
            told.payment_id = Some(&data.payment_id);
            told.last_four = Some(&data.last_four);
            told.amount = Some(data.amount);
            "payment.succeeded"
        }
        PaymentEvent::Declined(data) => {
            told.reason = Some(&data.reason);
            "payment.declined"
        }
        PaymentEvent::Refunded(data) => {
            told.amount = Some(data.amount);
            "payment.refunded"
        }
        PaymentEvent::Voided => "payment.voided",
        PaymentEvent::Requested(_) | PaymentEvent::RefundRequested => return Ok(None),
    };
    Outgoing::about(event, kind, &told).map(Some)
}

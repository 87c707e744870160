//! What others may hear: the topic `mails`, without what a mail says.

use std::sync::Arc;

use madrigal_bus::{DynTopicSource, JournalTopic, MapError, Outgoing, TopicContract};
use madrigal_core::RecordedEvent;
use madrigal_event_store::DynEventStore;
use serde::Serialize;

use crate::domain::{MailEvent, MailKey};

/// The topic's name.
pub const MAILS: &str = "mails";

const TOLD: &[&str] = &[MailEvent::REQUESTED, MailEvent::SENT, MailEvent::FAILED];

/// The topics over this store.
pub fn topics(events: DynEventStore) -> Vec<DynTopicSource> {
    vec![Arc::new(JournalTopic::new(events, mails()))]
}

/// The contract of the topic `mails`, keyed by mail.
pub fn mails() -> TopicContract {
    TopicContract::new(MAILS, "/notification-service", TOLD, message)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    key: &'a str,
    order_id: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

fn message(event: &RecordedEvent) -> Result<Option<Outgoing>, MapError> {
    let key: MailKey = event.stream.id().parse().map_err(MapError::new)?;
    let decoded = MailEvent::decode(event).map_err(MapError::new)?;
    let mut told = Told {
        key: event.stream.id(),
        order_id: key.order_id(),
        kind: key.kind().as_str(),
        message_id: None,
        reason: None,
    };
    let kind = match &decoded {
        MailEvent::Requested(_) => "mail.requested",
        MailEvent::Sent(data) => {
            told.message_id = Some(&data.message_id);
            "mail.sent"
        }
        MailEvent::Failed(data) => {
            told.reason = Some(&data.reason);
            "mail.failed"
        }
    };
    Outgoing::about(event, kind, &told).map(Some)
}

//! What happens to a mail. These forms are read for ever: fields are added, never changed.

use madrigal_contracts::notification::{MailContent, MailKind};
use madrigal_core::{EventType, PersonId, RecordedEvent, Sealed};
use serde::{Deserialize, Serialize};

/// The version of these events' data.
pub const SCHEMA_VERSION: u16 = 1;

/// The data of `MailRequested`: it is in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailRequested {
    /// The order that it is about.
    pub order_id: String,
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub person: PersonId,
    /// The mail; only the person's key opens it.
    pub content: Sealed<MailContent>,
}

/// The data of `MailSent`: the sender took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailSent {
    /// Its Message-ID, with angle brackets.
    pub message_id: String,
}

/// The data of `MailFailed`: it will not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailFailed {
    /// Why, without personal data.
    pub reason: String,
}

/// One event of a mail's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailEvent {
    /// `MailRequested`.
    Requested(MailRequested),
    /// `MailSent`.
    Sent(MailSent),
    /// `MailFailed`.
    Failed(MailFailed),
}

/// An event that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub enum EventDecodeError {
    /// A type or version that it does not know.
    #[error("a mail has an event {event_type} of version {version} that this program does not know")]
    Unknown {
        /// The type.
        event_type: EventType,
        /// The version of its data.
        version: u16,
    },
    /// Data of another form.
    #[error("the data of a mail's event has another form")]
    Form(#[from] serde_json::Error),
}

impl MailEvent {
    /// `MailRequested` in the log.
    pub const REQUESTED: &'static str = "MailRequested";
    /// `MailSent` in the log.
    pub const SENT: &'static str = "MailSent";
    /// `MailFailed` in the log.
    pub const FAILED: &'static str = "MailFailed";

    /// The event as it was recorded.
    ///
    /// # Errors
    /// [`EventDecodeError`] where a newer program wrote it.
    pub fn decode(event: &RecordedEvent) -> Result<Self, EventDecodeError> {
        match (event.event_type.as_str(), event.schema_version) {
            (Self::REQUESTED, 1) => Ok(Self::Requested(event.decode()?)),
            (Self::SENT, 1) => Ok(Self::Sent(event.decode()?)),
            (Self::FAILED, 1) => Ok(Self::Failed(event.decode()?)),
            _ => Err(EventDecodeError::Unknown { event_type: event.event_type.clone(), version: event.schema_version }),
        }
    }
}

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailState {
    /// In the outbox.
    Requested,
    /// The sender took it.
    Sent,
    /// It will not be sent.
    Failed,
}

impl MailState {
    /// As in columns and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

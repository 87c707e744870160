//! The list of mails: everything but their content.

use madrigal_contracts::notification::MailKind;
use madrigal_core::{PersonId, RecordedEvent, Timestamp};
use madrigal_projection::{ApplyError, Columns, Interest, Projection};
use serde::{Deserialize, Serialize};

use crate::domain::{EventDecodeError, MailEvent, MailKey, MailState};

/// A mail in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailRow {
    /// The order that it is about.
    pub order_id: String,
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub person: PersonId,
    /// Where it stands.
    pub state: MailState,
    /// When it was put into the outbox.
    pub requested_at: Timestamp,
    /// When it was sent or given up.
    pub settled_at: Option<Timestamp>,
}

/// The fold of mails' streams into [`MailRow`]s, by [`MailKey`].
#[derive(Debug, Clone, Copy, Default)]
pub struct MailList;

impl MailList {
    /// The column with the recipient's id.
    pub const PERSON: &'static str = "person";
    /// The column with the order's id.
    pub const ORDER: &'static str = "order_id";
}

impl Projection for MailList {
    type Row = MailRow;

    fn name(&self) -> &'static str {
        "mail-list"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &[Self::PERSON, Self::ORDER]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        if event.stream.id().parse::<MailKey>().is_err() {
            return Err(ApplyError::refused("the stream's id is not the key of a mail"));
        }
        Ok(Interest::own(event))
    }

    fn apply(
        &self,
        _key: &str,
        row: Option<Self::Row>,
        event: &RecordedEvent,
    ) -> Result<Option<Self::Row>, ApplyError> {
        let at = event.metadata.timestamp;
        let decoded = MailEvent::decode(event).map_err(|error| match error {
            EventDecodeError::Unknown { .. } => ApplyError::unknown_type(event),
            EventDecodeError::Form(error) => ApplyError::Decode(error),
        })?;
        let state = match decoded {
            MailEvent::Requested(requested) => {
                return Ok(Some(MailRow {
                    order_id: requested.order_id,
                    kind: requested.kind,
                    person: requested.person,
                    state: MailState::Requested,
                    requested_at: at,
                    settled_at: None,
                }));
            }
            MailEvent::Sent(_) => MailState::Sent,
            MailEvent::Failed(_) => MailState::Failed,
        };
        let row = row.ok_or_else(|| ApplyError::refused("a mail's stream begins with its request"))?;
        Ok(Some(MailRow { state, settled_at: Some(at), ..row }))
    }

    fn columns(&self, row: &Self::Row) -> Columns {
        Columns::none().with(Self::PERSON, row.person.0).with(Self::ORDER, row.order_id.as_str())
    }
}

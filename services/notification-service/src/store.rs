//! The streams of mails: `mail-{orderId}.{kind}` in the service's own event store.

use std::fmt;

use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Fault, JsonBytes, NewEvent, Position, PositionToken, StreamVersion,
    Timestamp,
};
use madrigal_event_store::{AppendError, DynEventStore, StreamAppend, StreamRead, limits};
use serde::Serialize;

use crate::domain::event::SCHEMA_VERSION;
use crate::domain::{MailEvent, MailKey, MailRequested, MailState};

const ENGINE: &str = "notification-service";

/// One mail as it was read.
#[derive(Debug, Clone)]
pub struct StoredMail {
    /// What was asked for.
    pub requested: MailRequested,
    /// When.
    pub requested_at: Timestamp,
    /// Where that stands in the log.
    pub requested_position: Position,
    /// Where the mail stands.
    pub state: MailState,
    /// When it was sent or given up.
    pub settled_at: Option<Timestamp>,
    /// Why it was given up.
    pub failure: Option<String>,
    /// How many events its stream has.
    pub version: StreamVersion,
}

/// Reads and writes mails.
#[derive(Clone)]
pub struct MailStore {
    events: DynEventStore,
}

impl MailStore {
    /// Mails in this store.
    pub fn new(events: DynEventStore) -> Self {
        Self { events }
    }

    /// The store beneath.
    pub const fn events(&self) -> &DynEventStore {
        &self.events
    }

    /// One mail, or `None`.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke or an event cannot be decoded.
    pub async fn load(&self, key: &MailKey) -> Result<Option<StoredMail>, Fault> {
        let slice = self.events.read_stream(&stream(key)?, StreamRead::START).await?;
        let mut mail: Option<StoredMail> = None;
        for event in &slice.events {
            let decoded = MailEvent::decode(event).map_err(|error| Fault::permanent(ENGINE, "decode", error))?;
            let at = event.metadata.timestamp;
            match (decoded, &mut mail) {
                (MailEvent::Requested(requested), mail) => {
                    *mail = Some(StoredMail {
                        requested,
                        requested_at: at,
                        requested_position: event.position,
                        state: MailState::Requested,
                        settled_at: None,
                        failure: None,
                        version: slice.version,
                    });
                }
                (MailEvent::Sent(_), Some(mail)) => {
                    mail.state = MailState::Sent;
                    mail.settled_at = Some(at);
                }
                (MailEvent::Failed(failed), Some(mail)) => {
                    mail.state = MailState::Failed;
                    mail.settled_at = Some(at);
                    mail.failure = Some(failed.reason);
                }
                (MailEvent::Sent(_) | MailEvent::Failed(_), None) => {
                    return Err(Fault::permanent(ENGINE, "decode", "a mail's stream begins with another event"));
                }
            }
        }
        Ok(mail)
    }

    /// Whether something became of a mail that was requested: its request is the only event that has none after it.
    ///
    /// Looks at the stream's version only, so that an event which cannot be decoded is in nobody's way.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    pub async fn has_outcome(&self, key: &MailKey) -> Result<bool, Fault> {
        let slice = self.events.read_stream(&stream(key)?, StreamRead::START).await?;
        Ok(slice.version > StreamVersion(1))
    }

    /// Puts a mail into the outbox. `Ok(None)`: it is there already, perhaps sealed anew; `Ok(Some)`: it is now.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke or the mail is too large.
    ///
    /// # Cancellation
    /// Repeat it.
    pub async fn request(
        &self,
        key: &MailKey,
        requested: &MailRequested,
        context: &CallContext,
    ) -> Result<Option<Position>, Fault> {
        let event = encode(key, MailEvent::REQUESTED, requested, context)?;
        match self.events.append(stream(key)?, ExpectedVersion::NoStream, vec![event]).await {
            Ok(appended) if appended.repeated => Ok(None),
            Ok(appended) => Ok(Some(appended.position)),
            Err(AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. }) => Ok(None),
            Err(AppendError::Fault(fault)) => Err(fault),
            Err(other) => Err(Fault::permanent(ENGINE, "append", other)),
        }
    }

    /// Records the outcomes of several mails, as many in one append as the store takes; where any of those has an outcome
    /// already, one by one.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke; some outcomes may be recorded then.
    ///
    /// # Cancellation
    /// Repeat it.
    pub async fn settle(&self, outcomes: Vec<(MailKey, MailEvent, CallContext)>) -> Result<(), Fault> {
        let mut appends = Vec::with_capacity(outcomes.len());
        for (key, event, context) in &outcomes {
            appends.push(settling(key, event, context)?);
        }
        for together in appends.chunks(limits::MAX_EVENTS) {
            self.settle_together(together.to_vec()).await?;
        }
        Ok(())
    }

    async fn settle_together(&self, appends: Vec<StreamAppend>) -> Result<(), Fault> {
        match self.events.append_many(appends.clone()).await {
            Ok(_) => return Ok(()),
            Err(AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. }) => {}
            Err(AppendError::Fault(fault)) => return Err(fault),
            Err(other) => return Err(Fault::permanent(ENGINE, "append", other)),
        }
        for append in appends {
            match self.events.append_many(vec![append]).await {
                Ok(_) | Err(AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. }) => {}
                Err(AppendError::Fault(fault)) => return Err(fault),
                Err(other) => return Err(Fault::permanent(ENGINE, "append", other)),
            }
        }
        Ok(())
    }

    /// The token of a position in this store.
    pub fn token(&self, position: Position) -> PositionToken {
        self.events.token(position)
    }
}

impl fmt::Debug for MailStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailStore").field("log", self.events.log()).finish_non_exhaustive()
    }
}

/// The append of an outcome: right after the request, so that a mail has one outcome only.
fn settling(key: &MailKey, event: &MailEvent, context: &CallContext) -> Result<StreamAppend, Fault> {
    let event = match event {
        MailEvent::Sent(data) => encode(key, MailEvent::SENT, data, context)?,
        MailEvent::Failed(data) => encode(key, MailEvent::FAILED, data, context)?,
        MailEvent::Requested(data) => encode(key, MailEvent::REQUESTED, data, context)?,
    };
    Ok(StreamAppend { stream: stream(key)?, expected: ExpectedVersion::Exact(StreamVersion(1)), events: vec![event] })
}

fn encode<T: Serialize>(key: &MailKey, name: &'static str, data: &T, context: &CallContext) -> Result<NewEvent, Fault> {
    let event_type = EventType::parse(name)
        .ok_or_else(|| Fault::permanent(ENGINE, "encode", "an event type is letters and digits"))?;
    let data = JsonBytes::of(data).map_err(|error| Fault::permanent(ENGINE, "encode", error))?;
    Ok(NewEvent::new(key.event_id(name), event_type, SCHEMA_VERSION, data, context))
}

fn stream(key: &MailKey) -> Result<madrigal_core::StreamName, Fault> {
    key.stream().map_err(|error| Fault::permanent(ENGINE, "stream-name", error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use madrigal_contracts::notification::{MailContent, MailKind};
    use madrigal_core::{Host, LogName, PersonId, PersonKey, Sealed};
    use madrigal_event_store::MemoryEventStore;

    use super::*;
    use crate::domain::event::MailSent;

    #[tokio::test]
    async fn more_outcomes_than_an_append_takes_are_recorded_all_the_same() {
        let host = Host::seeded(1);
        let store = MailStore::new(Arc::new(MemoryEventStore::new(LogName::parse("mail").unwrap(), &host)));
        let person = PersonId(7);
        let text = |text: &str| text.to_owned();
        let content =
            MailContent { to_name: text("A"), to_email: text("a@b.c"), subject: text("Order"), text: text("Hello") };
        let content = Sealed::seal(&host, person, &PersonKey::generate(&host), &content).unwrap();
        let context = CallContext::new(&host);
        let mut outcomes = Vec::new();
        for number in 0..=limits::MAX_EVENTS {
            let (order_id, kind) = (format!("o-{number}"), MailKind::OrderConfirmation);
            let key = MailKey::new(&order_id, kind).unwrap();
            let requested = MailRequested { order_id, kind, person, content: content.clone() };
            store.request(&key, &requested, &context).await.unwrap();
            let sent = MailEvent::Sent(MailSent { message_id: key.message_id() });
            outcomes.push((key, sent, context.clone()));
        }
        let keys: Vec<MailKey> = outcomes.iter().map(|(key, ..)| key.clone()).collect();
        store.settle(outcomes).await.unwrap();
        for key in [&keys[0], &keys[keys.len() - 1]] {
            assert_eq!(store.load(key).await.unwrap().unwrap().state, MailState::Sent);
        }
    }
}

//! What notification-service contributes to the story of an order.

use async_trait::async_trait;
use madrigal_contracts::story::{MailTold, MailsTold, TellMails};
use madrigal_core::{CallContext, Fault};
use madrigal_event_store::StreamRead;
use madrigal_http::Answer;
use serde_json::Value;

use super::{Mails, SERVICE};
use crate::domain::MailKey;
use crate::domain::key::KINDS;

#[async_trait]
impl Answer<TellMails> for Mails {
    async fn answer(&self, _context: CallContext, call: TellMails) -> Result<MailsTold, Fault> {
        // Taken before the reads: everything up to here is in them.
        let position = self.store.token(self.store.events().end());
        let mut mails = Vec::new();
        for kind in KINDS {
            let Ok(key) = MailKey::new(&call.order_id, kind) else { continue };
            let Some(mail) = self.stored(&key).await? else { continue };
            mails.push(MailTold {
                key: key.to_string(),
                kind: kind.as_str().to_owned(),
                state: mail.state.as_str().to_owned(),
                requested_at: mail.requested_at,
                settled_at: mail.settled_at,
                failure: mail.failure,
                message_id: key.message_id(),
                events: self.events_without_content(&key).await?,
            });
        }
        Ok(MailsTold { mails, position })
    }
}

impl Mails {
    async fn events_without_content(&self, key: &MailKey) -> Result<Vec<Value>, Fault> {
        let stream = key.stream().map_err(|error| Fault::permanent(SERVICE, "stream-name", error))?;
        // A mail's stream has two events at most: one read is all of it.
        let slice = self.store.events().read_stream(&stream, StreamRead::START).await?;
        let shown = slice.events.iter().map(|event| {
            let mut shown = serde_json::to_value(event)?;
            if let Some(data) = shown["eventData"].as_object_mut() {
                data.remove("content");
            }
            Ok(shown)
        });
        shown.collect::<Result<_, _>>().map_err(|error: serde_json::Error| Fault::permanent(SERVICE, "show", error))
    }
}

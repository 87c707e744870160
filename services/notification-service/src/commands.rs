//! What notification-service does when it is asked: put a mail into the outbox.

use async_trait::async_trait;
use madrigal_contracts::notification::{MailStored, RequestMail};
use madrigal_core::{CallContext, Fault};
use madrigal_http::calls::Answer;

use crate::domain::{MailKey, MailRequested};
use crate::store::MailStore;

const SERVICE: &str = "notification-service";

/// The way into the outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: MailStore,
}

impl Outbox {
    /// An outbox in this store.
    pub fn new(store: MailStore) -> Self {
        Self { store }
    }

    /// Puts a mail into the outbox: one per order and kind. Asked again, the first one stays, whatever the later content
    /// (sealed anew it always differs).
    ///
    /// # Errors
    /// A permanent [`Fault`] for an order's id that cannot be a key, or content sealed for another person; a fault if the
    /// store broke.
    ///
    /// # Cancellation
    /// Repeat it.
    pub async fn request(&self, context: &CallContext, call: RequestMail) -> Result<MailStored, Fault> {
        let key = MailKey::new(&call.order_id, call.kind)
            .map_err(|error| Fault::permanent(SERVICE, "request-mail", error))?;
        if call.content.person() != call.person {
            return Err(Fault::permanent(SERVICE, "request-mail", "the content is sealed for another person"));
        }
        let requested =
            MailRequested { order_id: call.order_id, kind: call.kind, person: call.person, content: call.content };
        if let Some(position) = self.store.request(&key, &requested, context).await? {
            return Ok(MailStored { repeated: false, position: self.store.token(position) });
        }
        let Some(known) = self.store.load(&key).await? else {
            return Err(Fault::not_applied(SERVICE, "request-mail", "another request for this mail is under way"));
        };
        Ok(MailStored { repeated: true, position: self.store.token(known.requested_position) })
    }
}

#[async_trait]
impl Answer<RequestMail> for Outbox {
    async fn answer(&self, context: CallContext, call: RequestMail) -> Result<MailStored, Fault> {
        self.request(&context, call).await
    }
}

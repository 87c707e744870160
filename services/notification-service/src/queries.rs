//! What notification-service shows: the list of mails, and one mail with its content.

mod story;

use std::sync::Arc;
use std::time::Duration;

use madrigal_contracts::notification::MailContent;
use madrigal_core::{Fault, Opened, PersonId, PersonKeys, PositionToken};
use madrigal_projection::{NotYet, Query, ViewReader, Viewed};

use crate::domain::MailKey;
use crate::projections::{MailList, MailRow};
use crate::store::{MailStore, StoredMail};

const SERVICE: &str = "notification-service";

/// Which mails to list.
#[derive(Debug, Clone, Default)]
pub struct MailFilter {
    /// Only to this person.
    pub person: Option<PersonId>,
    /// Only about this order.
    pub order_id: Option<String>,
}

/// Reads mails. Cheap to clone.
#[derive(Clone)]
pub struct Mails {
    store: MailStore,
    list: ViewReader<MailList>,
    keys: Arc<dyn PersonKeys>,
}

impl Mails {
    /// Mails of this store, its list, and the keys that open them.
    pub fn new(store: MailStore, list: ViewReader<MailList>, keys: Arc<dyn PersonKeys>) -> Self {
        Self { store, list, keys }
    }

    /// Mails in the order of their keys backwards (ids of orders sort by time), at most `limit`.
    ///
    /// # Errors
    /// A [`Fault`] if the list cannot be read.
    pub async fn list(
        &self,
        filter: MailFilter,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Viewed<MailRow>>, Fault> {
        let mut query = Query::newest(limit).after(after);
        if let Some(person) = filter.person {
            query = query.having(MailList::PERSON, person.0);
        }
        if let Some(order_id) = filter.order_id {
            query = query.having(MailList::ORDER, order_id);
        }
        self.list.query(query).await
    }

    /// Waits until the list has seen the token's position.
    ///
    /// # Errors
    /// [`NotYet`].
    pub async fn wait_for(&self, token: &PositionToken, limit: Duration) -> Result<(), NotYet> {
        self.list.wait_for(token, limit).await
    }

    /// How many events the list is behind.
    ///
    /// # Errors
    /// A [`Fault`] if the log cannot be read.
    pub async fn lag_events(&self) -> Result<u64, Fault> {
        Ok(self.list.lag().await?.events)
    }

    /// One mail as it is stored, or `None`.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be read.
    pub async fn stored(&self, key: &MailKey) -> Result<Option<StoredMail>, Fault> {
        self.store.load(key).await
    }

    /// A mail's content, or [`Opened::Erased`].
    ///
    /// # Errors
    /// A [`Fault`] where the key cannot be asked for, or the content does not open with it.
    pub async fn content(&self, mail: &StoredMail) -> Result<Opened<MailContent>, Fault> {
        let key = self.keys.person_key(mail.requested.person).await?;
        mail.requested.content.open(key.as_ref()).map_err(|error| Fault::permanent(SERVICE, "open-mail", error))
    }
}

impl std::fmt::Debug for Mails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mails").field("store", &self.store).finish_non_exhaustive()
    }
}

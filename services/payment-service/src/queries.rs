//! What payment-service shows: one payment with its events, and the provider's ledger.

mod story;

use std::fmt;
use std::sync::Arc;

use madrigal_core::{Fault, PositionToken, RecordedEvent};

use crate::commands::PROVIDER;
use crate::provider::{LedgerEntry, LedgerPage, PaymentProvider};
use crate::store::{LoadedPayment, PaymentStore};

/// Reads payments. Cheap to clone.
#[derive(Clone)]
pub struct PaymentQueries {
    store: PaymentStore,
    provider: Arc<dyn PaymentProvider>,
}

impl PaymentQueries {
    /// Payments of this store, and this provider's ledger.
    pub fn new(store: PaymentStore, provider: Arc<dyn PaymentProvider>) -> Self {
        Self { store, provider }
    }

    /// A saga's payment and its events, or `None`.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be read.
    pub async fn payment(&self, saga_id: &str) -> Result<Option<(LoadedPayment, Vec<RecordedEvent>)>, Fault> {
        let events = self.store.events(saga_id).await?;
        if events.is_empty() {
            return Ok(None);
        }
        Ok(Some((PaymentStore::fold(&events)?, events)))
    }

    /// The token of everything that is durable now.
    pub fn end(&self) -> PositionToken {
        self.store.end()
    }

    /// A part of the provider's ledger, with its sums.
    ///
    /// # Errors
    /// A [`Fault`] if the provider does not show it.
    pub async fn ledger(&self, after: u64, limit: usize) -> Result<LedgerPage, Fault> {
        self.provider.ledger(after, limit).await.map_err(|error| Fault::not_applied(PROVIDER, "ledger", error))
    }

    /// The ledger's entries of one saga.
    ///
    /// # Errors
    /// A [`Fault`] if the provider does not show it.
    pub async fn entries_of(&self, saga_id: &str) -> Result<Vec<LedgerEntry>, Fault> {
        let entries = self.provider.entries_of(saga_id).await;
        entries.map_err(|error| Fault::not_applied(PROVIDER, "entries-of", error))
    }

    /// Whether the provider answers. Asks for nothing that takes longer with a longer history.
    ///
    /// # Errors
    /// A [`Fault`] where it does not.
    pub async fn provider_answers(&self) -> Result<(), Fault> {
        self.provider.ping().await.map_err(|error| Fault::not_applied(PROVIDER, "ping", error))
    }
}

impl fmt::Debug for PaymentQueries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentQueries").field("store", &self.store).finish_non_exhaustive()
    }
}

//! A client that gives each request a key of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use madrigal_core::Money;
use madrigal_payment_service::provider::{Charge, GivenBack, LedgerPage, PaymentProvider, ProviderError};

pub(super) struct NewKeys {
    inner: Arc<dyn PaymentProvider>,
    asked: Mutex<HashMap<String, u32>>,
}

impl NewKeys {
    pub(super) fn new(inner: Arc<dyn PaymentProvider>) -> Self {
        Self { inner, asked: Mutex::default() }
    }

    fn asked(&self, key: &str, more: u32) -> String {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(key.to_owned()).or_default();
        *count += more;
        format!("{key}.{count}")
    }
}

#[async_trait]
impl PaymentProvider for NewKeys {
    async fn charge(&self, key: &str, amount: Money, token: &str) -> Result<Charge, ProviderError> {
        self.inner.charge(&self.asked(key, 1), amount, token).await
    }

    async fn refund(&self, key: &str) -> Result<GivenBack, ProviderError> {
        self.inner.refund(&self.asked(key, 0)).await
    }

    async fn ledger(&self, after: u64, limit: usize) -> Result<LedgerPage, ProviderError> {
        self.inner.ledger(after, limit).await
    }

    async fn ping(&self) -> Result<(), ProviderError> {
        self.inner.ping().await
    }
}

//! The provider's side of the books over all services: what it took and gave back for each saga, by its own ledger and not
//! by what this service believes.

use std::collections::BTreeSet;

use async_trait::async_trait;
use madrigal_contracts::books::{ListMovedSagas, MAX_SAGAS, MovedSagas, ReadSagaAccounts, SagaAccount};
use madrigal_core::{CallContext, Fault, Position};
use madrigal_http::Answer;

use crate::provider::{LedgerKind, MAX_LEDGER_PAGE};
use crate::queries::PaymentQueries;

/// Tells what the provider did. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts(PaymentQueries);

impl Accounts {
    /// What these queries are told by the provider.
    pub const fn new(queries: PaymentQueries) -> Self {
        Self(queries)
    }

    async fn account(&self, saga: String) -> Result<Option<SagaAccount>, Fault> {
        let (mut charges, mut refunds) = (Vec::new(), Vec::new());
        for entry in self.0.entries_of(&saga).await? {
            match entry.kind {
                LedgerKind::Charged => charges.extend(entry.amount),
                LedgerKind::Refunded => refunds.extend(entry.amount),
                LedgerKind::Declined | LedgerKind::Voided => {}
            }
        }
        let moved = !charges.is_empty() || !refunds.is_empty();
        Ok(moved.then_some(SagaAccount { saga_id: saga, charges, refunds }))
    }
}

#[async_trait]
impl Answer<ListMovedSagas> for Accounts {
    async fn answer(&self, _: CallContext, call: ListMovedSagas) -> Result<MovedSagas, Fault> {
        let asked = call.limit.clamp(1, MAX_LEDGER_PAGE);
        let page = self.0.ledger(call.after.0, asked).await?;
        let end = Position(page.totals_through);
        if call.limit == 0 || call.after >= end {
            return Ok(MovedSagas { through: call.after, end, ..MovedSagas::default() });
        }
        let read = page.next.map_or(end, Position);
        let through = call.through.map_or(read, |through| through.min(read));
        let at = page.entries.last().map(|entry| entry.timestamp);
        let moved = page.entries.into_iter().filter(|entry| entry.position <= through.0).map(|entry| entry.key);
        let sagas: BTreeSet<String> = moved.collect();
        Ok(MovedSagas { sagas: sagas.into_iter().collect(), begun: 0, through, end, at })
    }
}

#[async_trait]
impl Answer<ReadSagaAccounts> for Accounts {
    async fn answer(&self, _: CallContext, call: ReadSagaAccounts) -> Result<Vec<SagaAccount>, Fault> {
        let mut accounts = Vec::new();
        for saga in call.sagas.into_iter().take(MAX_SAGAS) {
            accounts.extend(self.account(saga).await?);
        }
        Ok(accounts)
    }
}

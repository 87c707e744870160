//! payment-service, and its provider on the other side of the network.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::payment::{ChargePayment, RefundPayment};
use madrigal_core::{CallContext, Fault, FaultOutcome, FaultRetry, Host, Money};
use madrigal_event_store::DynEventStore;
use madrigal_http::calls::{Answer, Call, Calls, Neighbour};
use madrigal_payment_service::commands::Payments;
use madrigal_payment_service::provider::{Charge, GivenBack, LedgerPage, PaymentProvider, ProviderError};
use madrigal_payment_service::sandbox::{Sandbox, SandboxOptions};
use madrigal_payment_service::store::PaymentStore;
use madrigal_sim::Server;
use serde::{Deserialize, Serialize};

use super::{Role, Shop};
use crate::mutants::wrap_provider;

/// Asks the provider to charge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskCharge {
    key: String,
    amount: Money,
    token: String,
}

/// Asks the provider to give back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskRefund {
    key: String,
}

/// What the provider says about a charge.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    Charged { charge_id: String, last_four: String },
    Declined { reason: String },
    Voided,
}

impl Call for AskCharge {
    type Answer = Told;
    const NAME: &'static str = "provider.charge";
    const LIMIT: Duration = Duration::from_secs(2);
}

impl Call for AskRefund {
    type Answer = bool;
    const NAME: &'static str = "provider.refund";
    const LIMIT: Duration = Duration::from_secs(2);
}

pub(super) fn start(shop: &Arc<Shop>, store: DynEventStore) -> Arc<Calls> {
    let host = shop.world.host("payment to provider");
    let provider: Arc<dyn PaymentProvider> = Arc::new(FarProvider { neighbour: shop.to_provider(), host });
    let payments = Arc::new(Payments::new(PaymentStore::new(store), wrap_provider(shop.mutant, provider)));
    let calls = Calls::new(Role::Payment.service());
    Arc::new(calls.on::<ChargePayment>(Arc::clone(&payments)).on::<RefundPayment>(payments))
}

pub(super) fn start_provider(store: DynEventStore, server: &Server) -> Arc<Calls> {
    let sandbox = Arc::new(Teller(Sandbox::new(store, server.host.clone(), SandboxOptions::default())));
    Arc::new(Calls::new(Role::Provider.service()).on::<AskCharge>(Arc::clone(&sandbox)).on::<AskRefund>(sandbox))
}

/// The provider as payment-service reaches it.
struct FarProvider {
    neighbour: Neighbour,
    host: Host,
}

impl FarProvider {
    async fn ask<C: Call>(&self, call: C) -> Result<C::Answer, ProviderError> {
        self.neighbour.call(&CallContext::new(&self.host), call).await.map_err(|fault| {
            match (fault.outcome, fault.retry) {
                (FaultOutcome::NotApplied, FaultRetry::Never) => ProviderError::KeyReused,
                (FaultOutcome::NotApplied, _) => ProviderError::Unavailable,
                (FaultOutcome::Unknown, _) => ProviderError::TimedOut,
            }
        })
    }
}

#[async_trait]
impl PaymentProvider for FarProvider {
    async fn charge(&self, key: &str, amount: Money, token: &str) -> Result<Charge, ProviderError> {
        let told = self.ask(AskCharge { key: key.to_owned(), amount, token: token.to_owned() }).await?;
        Ok(match told {
            Told::Charged { charge_id, last_four } => Charge::Charged { charge_id, last_four },
            Told::Declined { reason } => Charge::Declined { reason },
            Told::Voided => Charge::Voided,
        })
    }

    async fn refund(&self, key: &str) -> Result<GivenBack, ProviderError> {
        Ok(GivenBack { had_charge: self.ask(AskRefund { key: key.to_owned() }).await? })
    }

    async fn ledger(&self, _after: u64, _limit: usize) -> Result<LedgerPage, ProviderError> {
        Err(ProviderError::Unavailable)
    }

    async fn ping(&self) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// The sandbox, answering calls.
struct Teller(Sandbox);

fn fault(error: ProviderError) -> Fault {
    match error {
        ProviderError::TimedOut | ProviderError::Broken(_) => Fault::unknown("provider", "ask", error),
        ProviderError::Unavailable => Fault::not_applied("provider", "ask", error),
        ProviderError::KeyReused => Fault::permanent("provider", "ask", error),
    }
}

#[async_trait]
impl Answer<AskCharge> for Teller {
    async fn answer(&self, _context: CallContext, call: AskCharge) -> Result<Told, Fault> {
        Ok(match self.0.charge(&call.key, call.amount, &call.token).await.map_err(fault)? {
            Charge::Charged { charge_id, last_four } => Told::Charged { charge_id, last_four },
            Charge::Declined { reason } => Told::Declined { reason },
            Charge::Voided => Told::Voided,
        })
    }
}

#[async_trait]
impl Answer<AskRefund> for Teller {
    async fn answer(&self, _context: CallContext, call: AskRefund) -> Result<bool, Fault> {
        Ok(self.0.refund(&call.key).await.map_err(fault)?.had_charge)
    }
}

//! What payment-service does when it is asked: [`charge`] and [`refund`], one saga at a time ([`turns`]).

pub mod charge;
pub mod refund;
pub mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{CallContext, Fault, FaultRetry};

use self::turns::Turns;
use crate::domain::PaymentEvent;
use crate::domain::event::Refunded;
use crate::provider::{PaymentProvider, ProviderError};
use crate::store::{LoadedPayment, PaymentStore};

/// The engine's name in faults about the provider.
pub const PROVIDER: &str = "payment-provider";
/// The engine's name in faults about the service itself.
const SERVICE: &str = "payment-service";
/// When a provider that was not available may be asked again.
const UNAVAILABLE_RETRY: Duration = Duration::from_millis(50);
/// How often one call decides again. Writers of one saga take turns, so only an abandoned append can come between.
const ATTEMPTS: u32 = 8;

/// Charges and refunds. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    store: PaymentStore,
    provider: Arc<dyn PaymentProvider>,
    turns: Turns,
}

impl Payments {
    /// Payments in this store, through this provider.
    pub fn new(store: PaymentStore, provider: Arc<dyn PaymentProvider>) -> Self {
        Self { store, provider, turns: Turns::default() }
    }

    /// Asks the provider to give back and records what it said. `None`: load again.
    async fn give_back(
        &self,
        saga_id: &str,
        loaded: LoadedPayment,
        context: &CallContext,
    ) -> Result<Option<LoadedPayment>, Fault> {
        let given_back = self.provider.refund(saga_id).await.map_err(|error| provider_fault("refund", error))?;
        let amount = loaded.payment.terms.as_ref().map(|terms| terms.amount);
        let outcome = match (given_back.had_charge, amount) {
            (true, Some(amount)) => PaymentEvent::Refunded(Refunded { amount }),
            (true, None) => {
                // The provider knows a charge that this service never asked for: its own store was set back.
                tracing::error!(saga_id, "the provider gave back a charge that is not in the payments' log");
                PaymentEvent::Voided
            }
            (false, _) => PaymentEvent::Voided,
        };
        self.store.append(saga_id, loaded, vec![outcome], context).await
    }
}

impl fmt::Debug for Payments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payments").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What a provider's error means to the caller of this service.
fn provider_fault(operation: &'static str, error: ProviderError) -> Fault {
    match error {
        ProviderError::TimedOut | ProviderError::Broken(_) => Fault::unknown(PROVIDER, operation, error),
        ProviderError::Unavailable => {
            Fault::not_applied(PROVIDER, operation, error).with_retry(FaultRetry::After(UNAVAILABLE_RETRY))
        }
        ProviderError::KeyReused => Fault::permanent(PROVIDER, operation, error),
    }
}

/// Nobody should lose that many races.
fn contended(operation: &'static str) -> Fault {
    Fault::not_applied(SERVICE, operation, "too many writers for one payment")
        .with_retry(FaultRetry::After(UNAVAILABLE_RETRY))
}

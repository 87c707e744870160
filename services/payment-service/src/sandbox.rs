//! The sandbox provider: a stand-in for a bank that behaves the same way every time, with a ledger of its own.
//!
//! Nothing else opens its store: payment-service reaches it through the port, as it would reach a real provider.
//! [`token`] says how each means of payment behaves, [`ledger`] what the sandbox remembers, [`totals`] its sums.

pub mod ledger;
pub mod token;
pub mod totals;

use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, FaultOutcome, Fingerprint, Host, Money, tasks};
use madrigal_event_store::DynEventStore;

use self::ledger::{Account, Ledger, SandboxEvent};
use self::token::Behaviour;
use self::totals::RunningTotals;
use crate::provider::{Charge, GivenBack, LedgerEntry, LedgerPage, MAX_LEDGER_PAGE, PaymentProvider, ProviderError};

/// How often one call decides again after somebody else wrote under the same key.
const ATTEMPTS: u32 = 16;

/// How the sandbox behaves beyond what the tokens say.
#[derive(Debug, Clone, Copy, Default)]
pub struct SandboxOptions {
    /// How long the sandbox takes to answer too late. 0 by default: it says at once that it would have been too late.
    pub too_late: Duration,
}

/// The sandbox provider.
pub struct Sandbox {
    ledger: Ledger,
    totals: RunningTotals,
    options: SandboxOptions,
}

impl Sandbox {
    /// A sandbox with its ledger in this store, which must be its own.
    pub fn new(store: DynEventStore, host: Host, options: SandboxOptions) -> Self {
        Self { ledger: Ledger::new(store, host), totals: RunningTotals::default(), options }
    }

    async fn answer_too_late(&self) -> ProviderError {
        if !self.options.too_late.is_zero() {
            tasks::sleep(self.options.too_late).await;
        }
        ProviderError::TimedOut
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("options", &self.options).finish_non_exhaustive()
    }
}

#[async_trait]
impl PaymentProvider for Sandbox {
    async fn charge(&self, key: &str, amount: Money, token: &str) -> Result<Charge, ProviderError> {
        let behaviour = Behaviour::of(token);
        for _ in 0..ATTEMPTS {
            let account = self.ledger.account(key).await.map_err(broken)?;
            if let Some(answer) = known_answer(&account, amount) {
                return answer;
            }
            let (event, answer) = match behaviour {
                Behaviour::Declines { reason } => {
                    let reason = reason.to_owned();
                    (SandboxEvent::Declined { amount, reason: reason.clone() }, Ok(Charge::Declined { reason }))
                }
                Behaviour::NeverAnswers => return Err(self.answer_too_late().await),
                Behaviour::FailsFirst { times, .. } if account.failures < times => {
                    (SandboxEvent::Failed { attempt: account.failures + 1 }, Err(ProviderError::Unavailable))
                }
                Behaviour::Pays { last_four } | Behaviour::FailsFirst { last_four, .. } => {
                    let charge_id = charge_id(key);
                    let last_four = last_four.to_owned();
                    let event =
                        SandboxEvent::Charged { charge_id: charge_id.clone(), amount, last_four: last_four.clone() };
                    (event, Ok(Charge::Charged { charge_id, last_four }))
                }
                Behaviour::PaysTooLate { last_four } => {
                    let (charge_id, last_four) = (charge_id(key), last_four.to_owned());
                    (SandboxEvent::Charged { charge_id, amount, last_four }, Err(ProviderError::TimedOut))
                }
            };
            if self.ledger.record(key, &account, &event).await.map_err(broken)? {
                return match answer {
                    Err(ProviderError::TimedOut) => Err(self.answer_too_late().await),
                    other => other,
                };
            }
        }
        Err(ProviderError::Unavailable)
    }

    async fn refund(&self, key: &str) -> Result<GivenBack, ProviderError> {
        for _ in 0..ATTEMPTS {
            let account = self.ledger.account(key).await.map_err(broken)?;
            if let Some(had_charge) = account.closed {
                return Ok(GivenBack { had_charge });
            }
            let (event, had_charge) = match &account.charged {
                Some(charge) => {
                    (SandboxEvent::Refunded { charge_id: charge.charge_id.clone(), amount: charge.amount }, true)
                }
                None => (SandboxEvent::Voided {}, false),
            };
            if self.ledger.record(key, &account, &event).await.map_err(broken)? {
                return Ok(GivenBack { had_charge });
            }
        }
        Err(ProviderError::Unavailable)
    }

    async fn ledger(&self, after: u64, limit: usize) -> Result<LedgerPage, ProviderError> {
        let limit = limit.clamp(1, MAX_LEDGER_PAGE);
        let (entries, next) = self.ledger.entries(after, limit).await.map_err(broken)?;
        let (totals, totals_through) = self.totals.catch_up(&self.ledger).await.map_err(broken)?;
        Ok(LedgerPage { entries, next, totals, totals_through })
    }

    async fn entries_of(&self, key: &str) -> Result<Vec<LedgerEntry>, ProviderError> {
        self.ledger.entries_of(key).await.map_err(broken)
    }

    async fn ping(&self) -> Result<(), ProviderError> {
        self.ledger.entries(u64::MAX, 1).await.map(|_| ()).map_err(broken)
    }
}

/// What was answered before under the key, or must be answered from now on.
fn known_answer(account: &Account, amount: Money) -> Option<Result<Charge, ProviderError>> {
    if account.closed.is_some() {
        return Some(Ok(Charge::Voided));
    }
    if account.amount.is_some_and(|known| known != amount) {
        return Some(Err(ProviderError::KeyReused));
    }
    if let Some(charge) = &account.charged {
        let (charge_id, last_four) = (charge.charge_id.clone(), charge.last_four.clone());
        return Some(Ok(Charge::Charged { charge_id, last_four }));
    }
    account.declined.clone().map(|reason| Ok(Charge::Declined { reason }))
}

/// The id of the one charge that can exist under a key.
fn charge_id(key: &str) -> String {
    format!("ch_{}", &Fingerprint::of(key.as_bytes()).as_str()[..24])
}

/// A broken ledger, as the outside sees a provider.
fn broken(fault: Fault) -> ProviderError {
    match fault.outcome {
        FaultOutcome::NotApplied if fault.retry != madrigal_core::FaultRetry::Never => ProviderError::Unavailable,
        FaultOutcome::NotApplied | FaultOutcome::Unknown => ProviderError::Broken(Box::new(fault)),
    }
}

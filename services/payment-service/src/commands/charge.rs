//! Charging: intent, provider, outcome; each durable before the next.

use async_trait::async_trait;
use madrigal_contracts::payment::{ChargePayment, Payment as Answered};
use madrigal_core::{CallContext, Fault};
use madrigal_http::calls::Answer;

use super::{ATTEMPTS, Payments, SERVICE, contended, provider_fault};
use crate::domain::event::{Declined, Succeeded};
use crate::domain::{ChargeDecision, PaymentEvent, Terms, TermsError};
use crate::provider::Charge;
use crate::store::LoadedPayment;

impl Payments {
    /// Charges once per saga; asking again gives the first answer.
    ///
    /// Three durable waits where all goes well: the intent, the provider's charge, the outcome.
    ///
    /// # Errors
    /// A [`Fault`] of unknown outcome where the provider did not answer in time, one that was certainly not applied where
    /// it was not available, a permanent one for other terms under a known saga or an amount below zero.
    ///
    /// # Cancellation
    /// Repeat it: the intent, once durable, makes the next call ask the provider again under the same key.
    pub async fn charge(&self, context: &CallContext, call: ChargePayment) -> Result<Answered, Fault> {
        let terms = Terms { order_id: call.order_id, amount: call.amount, token: call.token };
        let saga_id = call.saga_id.as_str();
        match terms.check() {
            Ok(()) => {}
            Err(error @ TermsError::NegativeAmount) => return Err(Fault::permanent(SERVICE, "charge", error)),
            // Nothing may be stored of what could be card data; the answer needs no record to stay the same.
            Err(TermsError::NotAToken) => return Ok(Answered::Declined { reason: "invalid_token".to_owned() }),
        }
        let Some(_turn) = self.turns.take(saga_id).await else { return Err(contended("charge")) };
        let mut loaded = self.store.load(saga_id).await?;
        for _ in 0..ATTEMPTS {
            let recorded = match loaded.payment.decide_charge(saga_id, &terms) {
                ChargeDecision::Paid(succeeded) => return Ok(self.paid(succeeded, &loaded)),
                ChargeDecision::Declined(declined) => return Ok(Answered::Declined { reason: declined.reason }),
                ChargeDecision::Voided => return Ok(Answered::Voided),
                ChargeDecision::OtherTerms => {
                    let problem = "this saga's payment has another amount, order or means of payment";
                    return Err(Fault::permanent(SERVICE, "charge", problem));
                }
                ChargeDecision::Record(events) => self.store.append(saga_id, loaded, events, context).await?,
                ChargeDecision::FinishUndo => self.give_back(saga_id, loaded, context).await?,
                ChargeDecision::AskProvider => {
                    let outcome = self.ask(saga_id, &terms).await?;
                    self.store.append(saga_id, loaded, vec![outcome], context).await?
                }
            };
            loaded = match recorded {
                Some(loaded) => loaded,
                None => self.store.load(saga_id).await?,
            };
        }
        Err(contended("charge"))
    }

    async fn ask(&self, saga_id: &str, terms: &Terms) -> Result<PaymentEvent, Fault> {
        let charge = self.provider.charge(saga_id, terms.amount, &terms.token).await;
        Ok(match charge.map_err(|error| provider_fault("charge", error))? {
            Charge::Charged { charge_id, last_four } => {
                PaymentEvent::Succeeded(Succeeded { payment_id: charge_id, last_four, amount: terms.amount })
            }
            Charge::Declined { reason } => PaymentEvent::Declined(Declined { reason }),
            Charge::Voided => PaymentEvent::Voided,
        })
    }

    fn paid(&self, succeeded: Succeeded, loaded: &LoadedPayment) -> Answered {
        Answered::Paid {
            payment_id: succeeded.payment_id,
            last_four: succeeded.last_four,
            position: self.store.token(loaded.position),
        }
    }
}

#[async_trait]
impl Answer<ChargePayment> for Payments {
    async fn answer(&self, context: CallContext, call: ChargePayment) -> Result<Answered, Fault> {
        self.charge(&context, call).await
    }
}

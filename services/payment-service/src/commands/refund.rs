//! Giving back: the saga's undo, and the cancellation's refund.

use async_trait::async_trait;
use madrigal_contracts::catalog::Undone;
use madrigal_contracts::payment::RefundPayment;
use madrigal_core::{CallContext, Fault};
use madrigal_http::calls::Answer;

use super::{ATTEMPTS, Payments, contended};
use crate::domain::RefundDecision;

impl Payments {
    /// Gives back whatever the saga charged; of a payment never seen a tombstone remains, here and at the provider.
    ///
    /// # Errors
    /// A [`Fault`] where the store or the provider broke. The undo's intent may be durable then: no charge is possible
    /// any more, and repeating finishes it.
    ///
    /// # Cancellation
    /// Repeat it.
    pub async fn refund(&self, context: &CallContext, saga_id: &str) -> Result<Undone, Fault> {
        let Some(_turn) = self.turns.take(saga_id).await else { return Err(contended("refund")) };
        let mut loaded = self.store.load(saga_id).await?;
        for _ in 0..ATTEMPTS {
            let recorded = match loaded.payment.decide_refund() {
                RefundDecision::Undone { nothing_to_undo } => {
                    return Ok(Undone { nothing_to_undo, position: self.store.token(loaded.position) });
                }
                RefundDecision::Record(events) => self.store.append(saga_id, loaded, events, context).await?,
                RefundDecision::AskProvider => self.give_back(saga_id, loaded, context).await?,
            };
            loaded = match recorded {
                Some(loaded) => loaded,
                None => self.store.load(saga_id).await?,
            };
        }
        Err(contended("refund"))
    }
}

#[async_trait]
impl Answer<RefundPayment> for Payments {
    async fn answer(&self, context: CallContext, call: RefundPayment) -> Result<Undone, Fault> {
        self.refund(&context, &call.saga_id).await
    }
}

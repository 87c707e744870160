//! What payment-service contributes to the story of an order.

use async_trait::async_trait;
use madrigal_contracts::story::{MAX_SAGAS, PaymentTold, PaymentsTold, TellPayments};
use madrigal_core::{CallContext, Fault, StreamName};
use madrigal_http::Answer;

use super::PaymentQueries;
use crate::http::shapes::PaymentDocument;

#[async_trait]
impl Answer<TellPayments> for PaymentQueries {
    async fn answer(&self, _context: CallContext, call: TellPayments) -> Result<PaymentsTold, Fault> {
        // Taken before the reads: everything up to here is in them.
        let position = self.end();
        let mut payments = Vec::new();
        for saga_id in call.saga_ids.into_iter().take(MAX_SAGAS) {
            if StreamName::new("payment", &saga_id).is_err() {
                continue;
            }
            let Some((loaded, events)) = self.payment(&saga_id).await? else { continue };
            let shown = PaymentDocument::new(saga_id, loaded, &events);
            payments.push(PaymentTold {
                saga_id: shown.saga_id,
                state: shown.state.as_str().to_owned(),
                amount: shown.amount,
                payment_id: shown.payment_id,
                last_four: shown.last_four.filter(|digits| !digits.is_empty()),
                reason: shown.reason,
                events: shown.events,
            });
        }
        Ok(PaymentsTold { payments, position })
    }
}

//! The services that the catalogue asks: the only place that knows them.

use madrigal_contracts::order::{GetSagaStanding, HasReceived, SagaStanding};
use madrigal_core::{CallContext, Fault, PersonId};
use madrigal_http::Neighbour;

use crate::domain::{ProductId, SagaKey};

/// Whom the catalogue asks.
#[derive(Clone, Default)]
pub struct CatalogNeighbours {
    /// order-service, for what became of old reservations' sagas (without it they are kept), and for who received what
    /// (without it nobody can rate).
    pub orders: Option<Neighbour>,
}

impl CatalogNeighbours {
    /// Whether a customer received a product.
    ///
    /// # Errors
    /// A [`Fault`] where order-service does not answer, or where there is nobody to ask.
    pub async fn has_received(
        &self,
        context: &CallContext,
        customer: PersonId,
        product: &ProductId,
    ) -> Result<bool, Fault> {
        let Some(orders) = &self.orders else {
            return Err(Fault::not_applied("catalog", "has-received", "there is no order-service to ask"));
        };
        let call = HasReceived { user_id: customer, product_id: product.as_str().to_owned() };
        Ok(orders.call(context, call).await?.received)
    }

    /// Where a saga stands; `None` where there is nobody to ask.
    ///
    /// # Errors
    /// A [`Fault`] where order-service does not answer.
    pub async fn standing(&self, context: &CallContext, saga: &SagaKey) -> Result<Option<SagaStanding>, Fault> {
        let Some(orders) = &self.orders else { return Ok(None) };
        orders.call(context, GetSagaStanding { saga_id: saga.as_str().to_owned() }).await.map(Some)
    }
}

impl std::fmt::Debug for CatalogNeighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogNeighbours").field("orders", &self.orders.is_some()).finish()
    }
}

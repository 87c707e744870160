//! Whether a customer received a product: what catalog-service asks before it takes a rating.

use async_trait::async_trait;
use madrigal_contracts::order::{HasReceived, Receipt};
use madrigal_core::{CallContext, Fault};
use madrigal_http::Answer;
use madrigal_projection::{Query, ViewReader};

use crate::events::OrderStatus;
use crate::projections::order_view::OrderViewProjection;

/// How many delivered orders of a customer are looked at, the newest first.
const ORDERS: usize = 5_000;
/// How many of them are read at once.
const AT_ONCE: usize = 500;

/// Answers [`HasReceived`] from the order view.
#[derive(Clone)]
pub struct ReceivedProducts {
    view: ViewReader<OrderViewProjection>,
}

impl ReceivedProducts {
    /// Answers from this view.
    pub const fn new(view: ViewReader<OrderViewProjection>) -> Self {
        Self { view }
    }
}

impl std::fmt::Debug for ReceivedProducts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivedProducts").finish_non_exhaustive()
    }
}

#[async_trait]
impl Answer<HasReceived> for ReceivedProducts {
    async fn answer(&self, _context: CallContext, call: HasReceived) -> Result<Receipt, Fault> {
        let mut after: Option<String> = None;
        for _ in 0..ORDERS / AT_ONCE {
            let query = Query::newest(AT_ONCE)
                .having("user_id", call.user_id.0)
                .having("status", OrderStatus::Delivered.as_str())
                .after(after.take());
            let orders = self.view.query(query).await?;
            if orders.iter().any(|order| order.row.items.iter().any(|item| item.product_id == call.product_id)) {
                return Ok(Receipt { received: true });
            }
            after = orders.last().filter(|_| orders.len() == AT_ONCE).map(|order| order.key.clone());
            if after.is_none() {
                break;
            }
        }
        Ok(Receipt { received: false })
    }
}

//! The newest orders of one customer, for their page.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::order::{CustomerOrders, ListCustomerOrders, OrderBrief};
use madrigal_core::{CallContext, Fault};
use madrigal_http::Answer;
use madrigal_projection::{Query, ViewReader};

use crate::projections::order_view::{OrderView, OrderViewProjection};

/// How long it waits for the position that it is asked to have.
const FRESH: Duration = Duration::from_secs(1);

/// Answers [`ListCustomerOrders`] from the order view. A position that it has not reached in time is told by the answer's own.
#[derive(Clone)]
pub struct CustomersOrders {
    view: ViewReader<OrderViewProjection>,
}

impl CustomersOrders {
    /// Answers from this view.
    pub const fn new(view: ViewReader<OrderViewProjection>) -> Self {
        Self { view }
    }
}

impl std::fmt::Debug for CustomersOrders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomersOrders").finish_non_exhaustive()
    }
}

#[async_trait]
impl Answer<ListCustomerOrders> for CustomersOrders {
    async fn answer(&self, _: CallContext, call: ListCustomerOrders) -> Result<CustomerOrders, Fault> {
        if let Some(seen) = &call.seen {
            let _ = self.view.wait_for(seen, FRESH).await;
        }
        // Taken before the read: everything up to here is in it.
        let position = self.view.position().unwrap_or_default();
        let query = Query::newest(call.limit.clamp(1, ListCustomerOrders::MAX)).having("user_id", call.user_id.0);
        let rows = self.view.query(query).await?;
        Ok(CustomerOrders { orders: rows.into_iter().map(|viewed| brief(viewed.row)).collect(), position })
    }
}

fn brief(row: OrderView) -> OrderBrief {
    OrderBrief {
        order_id: row.order_id,
        status: row.current_status.as_str().to_owned(),
        created_at: row.created_at,
        item_count: row.summary.item_count,
        currency: row.currency,
        final_amount: row.summary.final_amount,
        version: row.version.0,
    }
}

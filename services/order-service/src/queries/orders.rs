//! Reading orders: from the view, as fresh as the caller's token asks; or from the events themselves.

use std::time::Duration;

use futures::future::try_join_all;
use madrigal_contracts::person_keys::RemotePersonKeys;
use madrigal_core::sealed::open_all;
use madrigal_core::{Fault, Opened, PersonId, PersonKeys, Position, PositionToken, StreamName, StreamVersion};
use madrigal_event_store::{DynEventStore, StreamRead};
use madrigal_projection::{NotYet, Query, ViewReader};
use serde_json::Value;

use crate::events::{Customer, OrderEvent, OrderStatus};
use crate::projections::order_view::{OrderView, OrderViewProjection};
use crate::queries::OrderAnswer;

/// How long a read waits for its view at most.
pub const WAIT_FOR_VIEW: Duration = Duration::from_secs(5);

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Only this user's.
    pub user_id: Option<PersonId>,
    /// Only those in this status.
    pub status: Option<OrderStatus>,
    /// Only those after this one, newest first.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Reads orders.
#[derive(Clone)]
pub struct OrderQueries {
    store: DynEventStore,
    view: ViewReader<OrderViewProjection>,
    keys: RemotePersonKeys,
}

impl OrderQueries {
    /// Queries over this store and view.
    pub fn new(store: DynEventStore, view: ViewReader<OrderViewProjection>, keys: RemotePersonKeys) -> Self {
        Self { store, view, keys }
    }

    /// Waits until the view has seen what `token` stands for.
    ///
    /// # Errors
    /// [`NotYet`].
    pub async fn wait_for(&self, token: &PositionToken) -> Result<(), NotYet> {
        self.view.wait_for(token, WAIT_FOR_VIEW).await
    }

    /// How many events the view is behind, without reading anything.
    pub fn lag_events(&self) -> u64 {
        let applied = self.view.applied_through().map_or(Position::START, |checkpoint| checkpoint.position);
        self.store.end().0.saturating_sub(applied.0)
    }

    /// The token of everything that is durable now.
    pub fn end(&self) -> PositionToken {
        self.store.token(self.store.end())
    }

    /// One row of the view.
    ///
    /// # Errors
    /// A [`Fault`] if the view cannot be read.
    pub async fn row(&self, order_id: &str) -> Result<Option<OrderView>, Fault> {
        Ok(self.view.get(order_id).await?.map(|viewed| viewed.row))
    }

    /// One order folded from its events: what the view will say once it is there.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke or an event cannot be read.
    pub async fn folded(&self, order_id: &str) -> Result<Option<OrderView>, Fault> {
        let Ok(stream) = StreamName::new(OrderEvent::CATEGORY, order_id) else { return Ok(None) };
        let (mut row, mut after) = (None, StreamVersion::NONE);
        loop {
            let slice = self.store.read_stream(&stream, StreamRead::after(after)).await?;
            for event in &slice.events {
                let decoded = OrderEvent::decode(event)
                    .map_err(|error| Fault::permanent("order-service", "fold order", error))?;
                row = OrderView::fold(row, &decoded, event.version(), event.metadata.timestamp);
            }
            match slice.events.last() {
                Some(last) if slice.has_more() => after = last.version(),
                _ => return Ok(row),
            }
        }
    }

    /// Rows of the view, newest first.
    ///
    /// # Errors
    /// A [`Fault`] if the view cannot be read.
    pub async fn list(&self, filter: OrderFilter) -> Result<Vec<OrderView>, Fault> {
        let mut query = Query::newest(filter.limit).after(filter.after);
        if let Some(user_id) = filter.user_id {
            query = query.having("user_id", user_id.0);
        }
        if let Some(status) = filter.status {
            query = query.having("status", status.as_str());
        }
        Ok(self.view.query(query).await?.into_iter().map(|viewed| viewed.row).collect())
    }

    /// Opens a row for somebody who may see it.
    ///
    /// # Errors
    /// A [`Fault`] if the key cannot be asked for or does not open it.
    pub async fn answer(&self, row: OrderView) -> Result<OrderAnswer, Fault> {
        let key = self.keys.person_key(row.customer.person()).await?;
        let customer: Opened<Customer> = row
            .customer
            .open(key.as_ref())
            .map_err(|error| Fault::permanent("order-service", "open customer", error))?;
        Ok(OrderAnswer::new(row, customer))
    }

    /// Opens rows for somebody who may see them.
    ///
    /// # Errors
    /// As [`OrderQueries::answer`].
    pub async fn answers(&self, rows: Vec<OrderView>) -> Result<Vec<OrderAnswer>, Fault> {
        try_join_all(rows.into_iter().map(|row| self.answer(row))).await
    }

    /// The events of an order after a version, with sealed fields opened; and whether there are more.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke or a key cannot be asked for.
    pub async fn events(
        &self,
        order_id: &str,
        after: StreamVersion,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<StreamVersion>), Fault> {
        let Ok(stream) = StreamName::new(OrderEvent::CATEGORY, order_id) else { return Ok((Vec::new(), None)) };
        let slice = self.store.read_stream(&stream, StreamRead { after, limit }).await?;
        let next = slice.events.last().filter(|_| slice.has_more()).map(|last| last.version());
        let mut events = Vec::with_capacity(slice.events.len());
        for event in &slice.events {
            let mut shown =
                serde_json::to_value(event).map_err(|error| Fault::permanent("order-service", "show event", error))?;
            open_all(&mut shown["eventData"], &self.keys).await?;
            events.push(shown);
        }
        Ok((events, next))
    }
}

impl std::fmt::Debug for OrderQueries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderQueries").finish_non_exhaustive()
    }
}

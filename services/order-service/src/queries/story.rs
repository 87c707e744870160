//! What order-service contributes to the story of an order: the order, its events, its sagas.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::story::{MAX_EVENTS, OrderTold, SagaTold, TellOrder};
use madrigal_core::{CallContext, Fault, PersonId, StreamVersion};
use madrigal_event_store::{DynEventStore, StreamRead};
use madrigal_http::Answer;
use madrigal_projection::ViewReader;
use madrigal_saga::{SagaEngine, SagaId, SagaStory};
use serde_json::{Value, json};

use super::OrderQueries;
use crate::projections::order_sagas::{KEPT, OrderSaga, OrderSagasProjection, Started};
use crate::projections::order_view::OrderView;
use crate::sagas::cancel_order;
use crate::sagas::place_order::{self, PlaceOrder};

const ENGINE: &str = "order-service";

/// Tells stories of orders.
#[derive(Clone)]
pub struct OrderStories {
    store: DynEventStore,
    queries: OrderQueries,
    sagas: ViewReader<OrderSagasProjection>,
    engine: SagaEngine,
}

impl OrderStories {
    /// Stories from these.
    pub fn new(
        store: DynEventStore,
        queries: OrderQueries,
        sagas: ViewReader<OrderSagasProjection>,
        engine: SagaEngine,
    ) -> Self {
        Self { store, queries, sagas, engine }
    }

    /// The story of the order with this id, or of the order of the saga with this id.
    ///
    /// # Errors
    /// A [`Fault`] if the store or a view broke, or a key cannot be asked for.
    pub async fn tell(&self, id: &str) -> Result<Option<OrderTold>, Fault> {
        if let Some(told) = self.tell_order(id).await? {
            return Ok(Some(told));
        }
        let Ok(saga_id) = id.parse::<SagaId>() else { return Ok(None) };
        match self.started(saga_id).await? {
            Some(started) if started.input.order_id != id => self.tell_order(&started.input.order_id).await,
            _ => Ok(None),
        }
    }

    async fn tell_order(&self, order_id: &str) -> Result<Option<OrderTold>, Fault> {
        // Taken before the reads: everything up to here is in them.
        let position = self.queries.end();
        // An order that never came to be is known to the view only. Should it be too far behind, the rest is told.
        let _ = self.sagas.wait_for(&position, FRESH).await;
        let row = self.queries.folded(order_id).await?;
        let (known, owner) = self.known_sagas(order_id, row.as_ref()).await?;
        let Some(user_id) = row.as_ref().map(|row| row.user_id).or(owner) else { return Ok(None) };
        let mut sagas = Vec::with_capacity(known.len());
        for saga in known {
            if let Some(story) = self.engine.show(&saga.saga_id).await? {
                sagas.push((saga, story));
            }
        }
        let (events, next) = self.queries.events(order_id, StreamVersion::NONE, MAX_EVENTS).await?;
        let order = match row {
            Some(row) => {
                let answer = self.queries.answer(row).await?;
                Some(serde_json::to_value(answer).map_err(|error| Fault::permanent(ENGINE, "show order", error))?)
            }
            None => self.pending(order_id, user_id, &sagas).await?,
        };
        let sagas = sagas.into_iter().map(|(saga, story)| told(&saga, &story)).collect::<Result<_, _>>()?;
        let order_id = order_id.to_owned();
        Ok(Some(OrderTold { order_id, user_id, order, events, more_events: next.is_some(), sagas, position }))
    }

    /// The sagas that the view knows, and those that follow from the order itself: so nothing that is durable is missing
    /// because a view is behind, but an order under way.
    async fn known_sagas(
        &self,
        order_id: &str,
        row: Option<&OrderView>,
    ) -> Result<(Vec<OrderSaga>, Option<PersonId>), Fault> {
        let seen = self.sagas.get(order_id).await?.map(|viewed| viewed.row).unwrap_or_default();
        let mut sagas = seen.sagas;
        let placed_by = row.and_then(|row| row.saga_id.as_deref()?.parse::<SagaId>().ok());
        let cancelled_by = row.map(|_| cancel_order::saga_id(order_id));
        for (saga_id, places) in placed_by.map(|id| (id, true)).into_iter().chain(cancelled_by.map(|id| (id, false))) {
            if sagas.iter().all(|known| known.saga_id != saga_id) {
                sagas.push(OrderSaga { saga_id, places });
            }
        }
        let surplus = sagas.len().saturating_sub(KEPT);
        sagas.drain(..surplus);
        Ok((sagas, seen.user_id))
    }

    /// An order that is being placed, as far as its saga knows it: `pending`, with prices once they are reserved. `None`
    /// where nothing is under way.
    async fn pending(
        &self,
        order_id: &str,
        user_id: PersonId,
        sagas: &[(OrderSaga, SagaStory)],
    ) -> Result<Option<Value>, Fault> {
        let under_way = sagas.iter().rev().find(|(saga, story)| saga.places && !story.state.is_ended());
        let Some((saga, story)) = under_way else { return Ok(None) };
        let Some(input) = self.first_record(saga.saga_id).await? else { return Ok(None) };
        let input: PlaceOrder = serde_json::from_value(input["input"].clone())
            .map_err(|error| Fault::permanent(ENGINE, "show pending order", error))?;
        let reserved = place_order::reserved_items(story);
        let items = match &reserved {
            Some(items) => json!(items),
            None => json!(input.lines),
        };
        Ok(Some(json!({
            "orderId": order_id, "userId": user_id, "currentStatus": "pending", "items": items,
            "currency": input.currency.to_string(), "sagaId": saga.saga_id.to_string(),
            "summary": reserved.and_then(|items| crate::aggregates::order::totals(&items, input.currency).ok()),
            "createdAt": story.started_at, "lastUpdated": story.last_progress_at, "version": 0,
        })))
    }

    async fn started(&self, saga_id: SagaId) -> Result<Option<Started>, Fault> {
        let slice = self.store.read_stream(&saga_id.stream(), FIRST).await?;
        Ok(slice.events.first().and_then(Started::of).map(|(_, started)| started))
    }

    async fn first_record(&self, saga_id: SagaId) -> Result<Option<Value>, Fault> {
        let slice = self.store.read_stream(&saga_id.stream(), FIRST).await?;
        let Some(first) = slice.events.first() else { return Ok(None) };
        first.decode().map(Some).map_err(|error| Fault::permanent(ENGINE, "read saga", error))
    }
}

/// How long a story waits for the view of sagas.
const FRESH: Duration = Duration::from_secs(1);
/// A stream's first event.
const FIRST: StreamRead = StreamRead { after: StreamVersion::NONE, limit: 1 };

fn told(saga: &OrderSaga, story: &SagaStory) -> Result<SagaTold, Fault> {
    Ok(SagaTold {
        saga_id: saga.saga_id.to_string(),
        places: saga.places,
        decided: story.committed_at.is_some(),
        saga: serde_json::to_value(story).map_err(|error| Fault::permanent(ENGINE, "show saga", error))?,
    })
}

#[async_trait]
impl Answer<TellOrder> for OrderStories {
    async fn answer(&self, _context: CallContext, call: TellOrder) -> Result<Option<OrderTold>, Fault> {
        self.tell(&call.id).await
    }
}

impl std::fmt::Debug for OrderStories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderStories").finish_non_exhaustive()
    }
}

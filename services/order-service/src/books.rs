//! The orders' side of the books over all services: what came of each saga that places an order, by the streams.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::StreamExt;
use madrigal_contracts::books::{ListMovedSagas, MAX_EVENTS, MAX_SAGAS, MovedSagas, ReadSagaOrders, SagaOrder};
use madrigal_contracts::catalog::ProductQuantity;
use madrigal_core::money::Totals;
use madrigal_core::{CallContext, Fault, Money, RecordedEvent, StreamName, StreamVersion};
use madrigal_event_store::{DynEventStore, StreamRead, whole_stream};
use madrigal_http::Answer;
use madrigal_saga::directory::summary;
use madrigal_saga::{SagaId, SagaSummary};

use crate::aggregates::order::Order;
use crate::events::{OrderEvent, OrderStatus};
use crate::projections::order_sagas::Started;
use crate::sagas::cancel_order::{self, CANCEL_ORDER};
use crate::sagas::place_order::PLACE_ORDER;

/// How many sagas are read at the same time.
const READS_AT_ONCE: usize = 8;

/// Tells what came of sagas. Cheap to clone.
#[derive(Clone)]
pub struct SagaOrders {
    store: DynEventStore,
}

impl SagaOrders {
    /// Of the sagas in this store.
    pub const fn new(store: DynEventStore) -> Self {
        Self { store }
    }

    async fn moved(&self, call: &ListMovedSagas) -> Result<MovedSagas, Fault> {
        let end = self.store.end();
        if call.limit == 0 || call.after >= end {
            return Ok(MovedSagas { through: call.after, end, ..MovedSagas::default() });
        }
        let read = self
            .store
            .read_log(call.after, call.limit.min(MAX_EVENTS))
            .await
            .map_err(|error| error.into_fault("order-service", "list-moved-sagas"))?;
        let last = call.through.map_or(read.scanned_through, |through| through.min(read.scanned_through));
        let mut firsts: BTreeMap<SagaId, Option<Started>> = BTreeMap::new();
        let mut begun = 0;
        for event in read.events.iter().filter(|event| event.position <= last) {
            let Some(saga) = SagaId::of_stream(&event.stream) else { continue };
            let first = firsts.entry(saga).or_default();
            if let Some((_, started)) = Started::of(event) {
                begun += u64::from(started.definition == PLACE_ORDER);
                *first = Some(started);
            }
        }
        let placing = firsts.into_iter().map(|(saga, started)| self.placing(saga, started));
        let found: Vec<Result<Option<String>, Fault>> =
            futures::stream::iter(placing).buffer_unordered(READS_AT_ONCE).collect().await;
        let sagas: BTreeSet<String> = found.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let at = read.events.last().map(|event| event.metadata.timestamp);
        Ok(MovedSagas { sagas: sagas.into_iter().collect(), begun, through: last, end: read.end, at })
    }

    /// The saga itself if it places an order; of a cancellation the saga that had placed its order.
    async fn placing(&self, saga: SagaId, started: Option<Started>) -> Result<Option<String>, Fault> {
        let started = match started {
            Some(started) => Some(started),
            None => {
                let read = StreamRead { after: StreamVersion::NONE, limit: 1 };
                let first = self.store.read_stream(&saga.stream(), read).await?;
                first.events.first().and_then(Started::of).map(|(_, started)| started)
            }
        };
        match started {
            Some(started) if started.definition == CANCEL_ORDER => {
                Ok(self.order(&started.input.order_id).await?.and_then(|(order, _)| order.saga_id))
            }
            // One that cannot be read is asked about all the same.
            Some(Started { .. }) | None => Ok(Some(saga.to_string())),
        }
    }

    async fn saga_order(&self, saga: String) -> Result<Option<SagaOrder>, Fault> {
        let Ok(id) = saga.parse::<SagaId>() else { return Ok(None) };
        let records = self.stream(&id.stream()).await?;
        let Some(first) = records.first() else { return Ok(None) };
        let mut told = SagaOrder {
            saga_id: saga.clone(),
            order_id: String::new(),
            under_way: true,
            status: None,
            stands: false,
            lines: Vec::new(),
            final_amount: None,
        };
        let Some((_, started)) = Started::of(first) else { return Ok(Some(told)) };
        if started.definition != PLACE_ORDER {
            return Ok(None);
        }
        told.order_id = started.input.order_id;
        told.under_way = !is_over(&records);
        let Some((order, summary)) = self.order(&told.order_id).await? else { return Ok(Some(told)) };
        if order.saga_id.as_deref() != Some(saga.as_str()) {
            return Ok(Some(told));
        }
        told.status = Some(order.status.as_str().to_owned());
        told.stands = matches!(order.status, OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Delivered);
        let line = |item: &crate::events::OrderItem| ProductQuantity {
            product_id: item.product_id.clone(),
            quantity: item.quantity,
        };
        told.lines = order.items.iter().map(line).collect();
        told.final_amount = summary.map(|summary| Money { amount: summary.final_amount, currency: order.currency });
        if !told.stands {
            let cancelling = self.stream(&cancel_order::saga_id(&told.order_id).stream()).await?;
            told.under_way |= !is_over(&cancelling);
        }
        Ok(Some(told))
    }

    async fn order(&self, id: &str) -> Result<Option<(Order, Option<Totals>)>, Fault> {
        let Ok(stream) = StreamName::new(OrderEvent::CATEGORY, id) else { return Ok(None) };
        let (mut order, mut summary) = (None, None);
        for event in self.stream(&stream).await? {
            let event =
                OrderEvent::decode(&event).map_err(|error| Fault::permanent("order-service", "read books", error))?;
            order = Order::evolve(order, &event);
            summary = match event {
                OrderEvent::Created(created) => Some(created.summary),
                OrderEvent::ItemAdded(added) => Some(added.summary),
                OrderEvent::ItemRemoved(removed) => Some(removed.summary),
                OrderEvent::Placed(placed) => Some(placed.summary),
                _ => summary,
            };
        }
        Ok(order.map(|order| (order, summary)))
    }

    async fn stream(&self, stream: &StreamName) -> Result<Vec<RecordedEvent>, Fault> {
        whole_stream(&*self.store, stream, StreamVersion::NONE).await
    }
}

/// Whether nothing more will happen to the saga of these records.
fn is_over(records: &[RecordedEvent]) -> bool {
    let summary = records.iter().fold(None, |row: Option<SagaSummary>, record| summary::apply(row, record));
    summary.is_some_and(|summary| summary.state.is_ended())
}

#[async_trait]
impl Answer<ListMovedSagas> for SagaOrders {
    async fn answer(&self, _: CallContext, call: ListMovedSagas) -> Result<MovedSagas, Fault> {
        self.moved(&call).await
    }
}

#[async_trait]
impl Answer<ReadSagaOrders> for SagaOrders {
    async fn answer(&self, _: CallContext, call: ReadSagaOrders) -> Result<Vec<SagaOrder>, Fault> {
        let sagas = call.sagas.into_iter().take(MAX_SAGAS).map(|saga| self.saga_order(saga));
        let read: Vec<Result<Option<SagaOrder>, Fault>> =
            futures::stream::iter(sagas).buffer_unordered(READS_AT_ONCE).collect().await;
        read.into_iter().filter_map(Result::transpose).collect()
    }
}

impl std::fmt::Debug for SagaOrders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SagaOrders").finish_non_exhaustive()
    }
}

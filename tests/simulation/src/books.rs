//! The books at rest: every log as a new process finds it after all power was lost, and what customers were told.

use std::collections::BTreeMap;
use std::sync::Arc;

use madrigal_core::{RecordedEvent, StreamName};
use madrigal_order_service::events::{OrderEvent, OrderStatus};
use madrigal_order_service::projections::order_view::{OrderView, OrderViewProjection};
use madrigal_projection::{Projection, Query, StoredRow, ViewId, ViewStore};
use madrigal_sim::Acknowledged;
use serde_json::Value;

use crate::customers::{Fact, Heard};
use crate::shop::{Role, Shop};

/// Everything that can be known of a shop at rest.
#[derive(Debug)]
pub struct Books {
    /// The logs.
    pub logs: BTreeMap<Role, Vec<RecordedEvent>>,
    /// What stores acknowledged while it lived.
    pub acknowledged: Vec<Acknowledged>,
    /// What customers were told.
    pub facts: Vec<Fact>,
    /// The order view, by the order's id, as its store has it.
    pub view: BTreeMap<String, Value>,
    /// Orders folded from the log.
    pub orders: BTreeMap<String, FoldedOrder>,
    /// How many pieces of each product there were at the beginning.
    pub stock: i64,
}

/// An order, folded from its events.
#[derive(Debug, Clone)]
pub struct FoldedOrder {
    /// As the view should show it.
    pub row: OrderView,
    /// The row as JSON.
    pub json: Value,
}

impl FoldedOrder {
    /// Whether it is paid for and takes stock: placed and not cancelled.
    pub fn stands(&self) -> bool {
        matches!(self.row.current_status, OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Delivered)
    }

    /// The saga that placed it.
    pub fn saga(&self) -> &str {
        self.row.saga_id.as_deref().unwrap_or_default()
    }
}

impl Books {
    /// Reads the books. Everything is killed for it.
    ///
    /// # Errors
    /// Where a log cannot be opened or read, or the view cannot be.
    pub async fn read(shop: &Arc<Shop>, heard: &Heard) -> Result<Self, String> {
        let view = read_view(shop).await?;
        let mut logs = BTreeMap::new();
        for role in Role::SERVICES {
            logs.insert(role, shop.read_log_again(role).await?);
        }
        let orders = fold(&logs[&Role::Order])?;
        Ok(Self { logs, acknowledged: shop.witness.seen(), facts: heard.facts(), view, orders, stock: shop.plan.stock })
    }

    /// A service's log.
    pub fn log(&self, role: Role) -> &[RecordedEvent] {
        self.logs.get(&role).map_or(&[], Vec::as_slice)
    }

    /// The events of a log by stream, those of one category.
    pub fn streams(&self, role: Role, category: &str) -> BTreeMap<StreamName, Vec<&RecordedEvent>> {
        let mut streams: BTreeMap<StreamName, Vec<&RecordedEvent>> = BTreeMap::new();
        for event in self.log(role).iter().filter(|event| event.stream.category() == category) {
            streams.entry(event.stream.clone()).or_default().push(event);
        }
        streams
    }
}

/// The data of an event as JSON; null where it is none.
pub fn data(event: &RecordedEvent) -> Value {
    event.decode().unwrap_or_default()
}

async fn read_view(shop: &Arc<Shop>) -> Result<BTreeMap<String, Value>, String> {
    let kept = shop.kept(Role::Order).views;
    let generations = kept.generations(OrderViewProjection.name()).await.map_err(|fault| fault.chain())?;
    let Some(generations) = generations else { return Ok(BTreeMap::new()) };
    let view = ViewId::new(OrderViewProjection.name(), generations.serving.number).ok_or("not a view's name")?;
    let rows = kept.query(&view, Query::oldest(1_000)).await.map_err(|fault| fault.chain())?;
    let read = |(key, row): (String, StoredRow)| (key, row.body.decode().unwrap_or_default());
    Ok(rows.into_iter().map(read).collect())
}

fn fold(log: &[RecordedEvent]) -> Result<BTreeMap<String, FoldedOrder>, String> {
    let mut rows: BTreeMap<String, Option<OrderView>> = BTreeMap::new();
    for event in log.iter().filter(|event| event.stream.category() == OrderEvent::CATEGORY) {
        let decoded = OrderEvent::decode(event).map_err(|error| error.to_string())?;
        let row = rows.entry(event.stream.id().to_owned()).or_default();
        *row = OrderView::fold(row.take(), &decoded, event.version(), event.metadata.timestamp);
    }
    let folded = |(id, row): (String, Option<OrderView>)| {
        let row = row.ok_or_else(|| format!("order {id} does not begin with its creation"))?;
        let json = serde_json::to_value(&row).map_err(|error| error.to_string())?;
        Ok((id, FoldedOrder { row, json }))
    };
    rows.into_iter().map(folded).collect()
}

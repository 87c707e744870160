//! `orders.view`: the rows of the order view as they are stored, damaged ones included.

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Content, Damage, Detail, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription};
use madrigal_core::{Fault, JsonBytes, Position, PositionToken, RowVersion, StreamVersion};
use madrigal_projection::{Mended, ProjectionRunner, StoredRow, ViewStore};
use madrigal_sqlite::SqliteViews;
use serde_json::{Value, json};

use super::events::OrderEvents;
use super::facts::{FIELDS, amounts, product_ids, sealed};
use crate::events::OrderEvent;
use crate::projections::order_view::{OrderView, OrderViewItem, OrderViewProjection};

/// The order view, as a copy of the orders' streams.
#[derive(Clone)]
pub struct OrderViewRows {
    runner: ProjectionRunner<OrderViewProjection>,
    views: SqliteViews,
    events: OrderEvents,
    log: madrigal_event_store::DynEventStore,
}

impl OrderViewRows {
    /// The view that this runner keeps in these views, told by these streams of this log.
    pub fn new(
        runner: ProjectionRunner<OrderViewProjection>,
        views: SqliteViews,
        events: OrderEvents,
        log: madrigal_event_store::DynEventStore,
    ) -> Self {
        Self { runner, views, events, log }
    }

    /// The row as the order's events up to `position` make it, by the view's own fold.
    async fn told(&self, key: &str, position: Position) -> Result<Mended<OrderView>, Fault> {
        let broken =
            |error: crate::events::OrderEventError| Fault::permanent("order-service", "mend order view", error);
        let mut mended = Mended::Nothing;
        for event in self.events.stream(key).await?.iter().filter(|event| event.position <= position) {
            let row = match mended {
                Mended::Row { row, .. } => Some(row),
                Mended::Nothing | Mended::Left => None,
            };
            let decoded = OrderEvent::decode(event).map_err(broken)?;
            let at = event.metadata.timestamp;
            mended = match OrderView::fold(row, &decoded, event.version(), at) {
                Some(row) => Mended::Row { row, version: event.version(), position: event.position },
                None => Mended::Nothing,
            };
        }
        Ok(mended)
    }

    /// The view's table is known once its runner has begun.
    async fn begun(&self) -> Result<(), Fault> {
        self.runner.reader().query(madrigal_projection::Query::oldest(1)).await.map(drop).or_else(|fault| {
            // Rows that do not decode are what is looked for.
            if fault.operation == "decode-row" { Ok(()) } else { Err(fault) }
        })
    }
}

/// A stored row as content; what does not decode is told as it is.
fn row(key: &str, stored: &StoredRow) -> Row {
    let version = RowVersion::of_stream(stored.version);
    match stored.body.decode::<OrderView>() {
        Ok(view) => Row::new(key, version).with_content(content(view)),
        Err(_) => {
            let text: String = String::from_utf8_lossy(stored.body.as_bytes()).chars().take(2_000).collect();
            Row::unreadable(key, version, text)
        }
    }
}

fn content(row: OrderView) -> Content {
    let item = |item: &OrderViewItem| {
        json!({ "productId": item.product_id, "name": item.name, "quantity": item.quantity, "price": item.price,
            "discount": item.discount, "lineTotal": item.line_total })
    };
    let items: Vec<Value> = row.items.iter().map(item).collect();
    let noted = |entry: &crate::projections::order_view::TimelineEntry| json!({ "status": entry.status, "at": entry.timestamp.to_string() });
    let delivered = row.timeline.iter().rev().find(|entry| entry.status == "delivered");
    let content = Content::new()
        .with("userId", row.user_id.0)
        .with("customer", sealed(&row.customer))
        .with("productIds", product_ids(&items))
        .with("items", items)
        .with("currency", json!(row.currency))
        .with("status", row.current_status.as_str())
        .with("timeline", row.timeline.iter().map(noted).collect::<Vec<_>>())
        .with_time("estimatedDelivery", row.estimated_delivery)
        .with("carrier", row.carrier)
        .with("trackingNumber", row.tracking_number)
        .with("sagaId", row.saga_id)
        .with("imported", row.imported)
        .with_time("createdAt", Some(row.created_at))
        .with_time("deliveredAt", delivered.map(|entry| entry.timestamp))
        .with_time("lastUpdated", Some(row.last_updated));
    let content = match row.payment {
        Some(paid) => {
            content.with("paymentId", paid.payment_id).with("paidAmount", paid.amount).with("lastFour", paid.last_four)
        }
        None => content,
    };
    amounts(content, &row.summary)
}

#[async_trait]
impl RowSet for OrderViewRows {
    fn description(&self) -> SetDescription {
        SetDescription::copy("orders.view", FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        let start = || self.log.token(Position::START);
        Ok(self.runner.reader().position().unwrap_or_else(start))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        self.begun().await?;
        let (view, range) = (self.runner.view(), read.range);
        if read.detail == Detail::Versions {
            let rows = self.views.versions(&view, range.after, range.through, read.limit).await?;
            return Ok(rows.into_iter().map(|(key, at)| Row::new(key, RowVersion::of_stream(at))).collect());
        }
        let rows = self.views.rows(&view, range.after, range.through, read.limit).await?;
        Ok(rows.iter().map(|(key, stored)| row(key, stored)).collect())
    }

    async fn by_key(&self, keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        self.begun().await?;
        let found = self.views.load(&self.runner.view(), keys).await?;
        let mut rows: Vec<Row> = found.iter().map(|(key, stored)| row(key, stored)).collect();
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(rows)
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        let RepairRow { key, seen, fields, .. } = repair;
        let (this, name) = (self.clone(), key.clone());
        let mended = self.runner.mend(&key, |stored, checkpoint| async move {
            let now = stored.as_ref().map(|stored| Seen::of(&row(&name, stored), &fields));
            if now == seen { this.told(&name, checkpoint.position).await } else { Ok(Mended::Left) }
        });
        // A row that is not there and should not be is left, too: the look that follows says so.
        Ok(if mended.await? { Repaired::Done } else { Repaired::Changed })
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        self.begun().await?;
        let view = self.runner.view();
        let known = self.views.get(&view, key).await?;
        let planted = match (damage, known) {
            (Damage::Add, Some(_)) => return Ok(Planted::NoSuchRow),
            (Damage::Add, None) => {
                let Some((_, any)) = self.views.rows(&view, None, None, 1).await?.pop() else {
                    return Ok(Planted::NoSuchRow);
                };
                Some(changed(any, key))
            }
            (_, None) => return Ok(Planted::NoSuchRow),
            (Damage::Delete, Some(_)) => None,
            (Damage::Change, Some(stored)) => Some(changed(stored, key)),
            (Damage::Older, Some(stored)) if stored.version.0 > 1 => {
                Some(StoredRow { version: StreamVersion(stored.version.0 - 1), ..stored })
            }
            (Damage::Older, Some(_)) => {
                return Ok(Planted::Refused { why: "the row has no older version".to_owned() });
            }
            (Damage::Newer, Some(stored)) => {
                Some(StoredRow { version: StreamVersion(stored.version.0 + 1_000), ..stored })
            }
        };
        self.views.tamper(&view, key, move |_| planted).await?;
        Ok(Planted::Done)
    }
}

/// The row with another sum, under this key.
fn changed(stored: StoredRow, key: &str) -> StoredRow {
    let mut body: Value = stored.body.decode().unwrap_or_default();
    let amount = body["summary"]["finalAmount"].as_i64().unwrap_or_default();
    body["summary"]["finalAmount"] = json!(amount + 1);
    body["orderId"] = json!(key);
    let body = JsonBytes::of(&body).unwrap_or(stored.body);
    StoredRow { body, ..stored }
}

impl std::fmt::Debug for OrderViewRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderViewRows").finish_non_exhaustive()
    }
}

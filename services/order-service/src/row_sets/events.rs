//! `orders.events`: the streams of orders, folded when they are asked for.

use async_trait::async_trait;
use futures::StreamExt;
use madrigal_consistency::row_set::{PageRead, of_versions};
use madrigal_consistency::{Changed, Detail, Row, RowSet, SetDescription};
use madrigal_core::{Fault, PositionToken, RecordedEvent, RowVersion, StreamName, StreamVersion};
use madrigal_event_store::{changed_streams, whole_stream};
use madrigal_sqlite::StreamIndex;

use super::facts::{FIELDS, OrderFacts};
use crate::events::{OrderEvent, OrderEventError};

/// How many streams are read at the same time.
const READS_AT_ONCE: usize = 8;

/// The orders as their streams tell them.
#[derive(Debug, Clone)]
pub struct OrderEvents {
    index: StreamIndex,
}

impl OrderEvents {
    /// The orders of the index's log.
    pub const fn new(index: StreamIndex) -> Self {
        Self { index }
    }

    /// Every event of an order, in order.
    pub(super) async fn stream(&self, key: &str) -> Result<Vec<RecordedEvent>, Fault> {
        // A key that names no stream has no events.
        let Ok(stream) = StreamName::new(OrderEvent::CATEGORY, key) else { return Ok(Vec::new()) };
        whole_stream(&**self.index.store(), &stream, StreamVersion::NONE).await
    }

    async fn row(&self, key: String) -> Result<Option<Row>, Fault> {
        Ok(last_row(&key, &self.stream(&key).await?))
    }
}

/// The row after each event.
fn rows_of(key: &str, events: &[RecordedEvent]) -> Vec<Row> {
    let (mut facts, mut rows) = (Ok(OrderFacts::default()), Vec::with_capacity(events.len()));
    for event in events {
        facts = facts.and_then(|facts: OrderFacts| facts.after(event));
        rows.push(row_of(key, &facts, event));
    }
    rows
}

/// The row after the last event: the only one that a check asks for.
fn last_row(key: &str, events: &[RecordedEvent]) -> Option<Row> {
    let facts = events.iter().try_fold(OrderFacts::default(), OrderFacts::after);
    events.last().map(|event| row_of(key, &facts, event))
}

/// A row as told by its events up to this one. One that cannot be read makes a row that says so.
fn row_of(key: &str, facts: &Result<OrderFacts, OrderEventError>, event: &RecordedEvent) -> Row {
    let version = RowVersion::of_stream(event.version());
    match facts {
        Ok(facts) => Row::new(key, version).with_content(facts.content().unwrap_or_default()),
        Err(error) => Row::unreadable(key, version, error.to_string()),
    }
}

#[async_trait]
impl RowSet for OrderEvents {
    fn description(&self) -> SetDescription {
        SetDescription::owner("orders.events", FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        let store = self.index.store();
        Ok(store.token(store.end()))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let page = self.index.page(OrderEvent::CATEGORY, read.range.after, read.range.through, read.limit).await?;
        if read.detail == Detail::Versions {
            return Ok(page.into_iter().map(|(key, at)| Row::new(key, RowVersion::of_stream(at))).collect());
        }
        self.by_key(page.into_iter().map(|(key, _)| key).collect(), read.detail).await
    }

    async fn by_key(&self, mut keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        let read = futures::stream::iter(keys.into_iter().map(|key| self.row(key))).buffered(READS_AT_ONCE);
        let rows: Vec<Result<Option<Row>, Fault>> = read.collect().await;
        rows.into_iter().filter_map(Result::transpose).collect()
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        let store = &**self.index.store();
        let (keys, through) = changed_streams(store, OrderEvent::CATEGORY, after.as_ref(), limit).await?;
        Ok(Some(Changed { keys: keys.into_iter().collect(), through }))
    }

    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        let rows = rows_of(key, &self.stream(key).await?);
        Ok(of_versions(rows, first, last))
    }
}

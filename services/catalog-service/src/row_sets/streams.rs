//! `products.events`: the streams, folded when they are asked for, with the rules that decide on them and not with a
//! projection; and what `stock.events` reads in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use madrigal_consistency::row_set::{MAX_PAGE, PageRead, of_versions};
use madrigal_consistency::{Changed, Content, Detail, Row, RowSet, SetDescription};
use madrigal_core::{Fault, PositionToken, RecordedEvent, RowVersion, StreamName, StreamVersion};
use madrigal_event_store::{changed_streams, whole_stream};
use madrigal_sqlite::StreamIndex;
use serde_json::json;

use super::remembered::Remembered;
use crate::domain::{Product, ProductEvent, ProductRated, ProductStatus};

/// The fields of a product's content.
pub(super) const PRODUCT_FIELDS: &[&str] = &[
    "name",
    "description",
    "category",
    "categoryNames",
    "attributes",
    "tags",
    "tagSet",
    "brand",
    "status",
    "price",
    "effectivePrice",
    "createdAt",
];
/// How many streams are read at the same time.
pub(super) const READS_AT_ONCE: usize = 8;

/// The products as their streams tell them; a product that was withdrawn is deleted.
#[derive(Debug, Clone)]
pub struct ProductEvents {
    index: StreamIndex,
    seen: Arc<Remembered<SeenProduct>>,
}

/// What a product was when its stream was last read.
#[derive(Debug, Clone, Copy)]
struct SeenProduct {
    version: StreamVersion,
    withdrawn: bool,
}

pub(super) fn product_content(product: &Product, created_at: Option<madrigal_core::Timestamp>) -> Content {
    let details = &product.details;
    let sorted = |texts: Vec<&String>| -> Vec<String> {
        let sorted: BTreeSet<&String> = texts.into_iter().collect();
        sorted.into_iter().cloned().collect()
    };
    let status = match details.status {
        ProductStatus::Active => "active",
        ProductStatus::Inactive => "inactive",
    };
    Content::new()
        .with("name", details.name.clone())
        .with("description", details.description.clone())
        .with("category", json!(details.category))
        .with("categoryNames", sorted(details.category.iter().map(|category| &category.name).collect()))
        .with("attributes", json!(details.attributes))
        .with("tags", details.tags.clone())
        .with("tagSet", sorted(details.tags.iter().collect()))
        .with("brand", details.brand.clone())
        .with("status", status)
        .with("price", json!(product.price))
        .with("effectivePrice", product.price.effective())
        .with_time("createdAt", created_at)
}

/// Every event of a stream behind a version, in order; a key that names no stream has none.
pub(super) async fn events(
    index: &StreamIndex,
    category: &str,
    key: &str,
    after: StreamVersion,
) -> Result<Vec<RecordedEvent>, Fault> {
    let Ok(stream) = StreamName::new(category, key) else { return Ok(Vec::new()) };
    whole_stream(&**index.store(), &stream, after).await
}

pub(super) fn position(index: &StreamIndex) -> PositionToken {
    let store = index.store();
    store.token(store.end())
}

/// The streams of a category that the last `limit` events of the log changed at most.
pub(super) async fn changed(
    index: &StreamIndex,
    category: &str,
    after: Option<PositionToken>,
    limit: usize,
) -> Result<Changed, Fault> {
    let (keys, through) = changed_streams(&**index.store(), category, after.as_ref(), limit).await?;
    Ok(Changed { keys: keys.into_iter().collect(), through })
}

impl ProductEvents {
    /// The products of these streams, among them those of the category `product`.
    pub fn new(index: StreamIndex) -> Self {
        Self { index, seen: Arc::new(Remembered::new()) }
    }

    /// The row without its content, where the stream is known as far as this.
    fn known(&self, key: &str, at: StreamVersion) -> Option<Row> {
        let seen = self.seen.get(key).filter(|seen| seen.version == at)?;
        Some(if seen.withdrawn {
            Row::tombstone(key, RowVersion::of_stream(at))
        } else {
            Row::new(key, RowVersion::of_stream(at))
        })
    }

    fn remember(&self, row: &Row) {
        let Some(version) = row.version else { return };
        let seen = SeenProduct { version: StreamVersion(version.count()), withdrawn: row.deleted };
        self.seen.change(&row.key, |_| Some(seen));
    }

    pub(super) async fn events(&self, key: &str) -> Result<Vec<RecordedEvent>, Fault> {
        events(&self.index, "product", key, StreamVersion::NONE).await
    }

    /// The events of its ratings, one from each stream.
    pub(super) async fn ratings(&self, key: &str) -> Result<Vec<RecordedEvent>, Fault> {
        let (mut rated, mut after) = (Vec::new(), format!("{key}~"));
        // Behind the product's id stands the customer's number.
        let through = format!("{key}~\u{10ffff}");
        loop {
            let page = self.index.page(ProductRated::CATEGORY, Some(after), Some(through.clone()), MAX_PAGE).await?;
            let (full, last) = (page.len() >= MAX_PAGE, page.last().map(|(id, _)| id.clone()));
            let read = page.into_iter().map(|(id, _)| async move {
                events(&self.index, ProductRated::CATEGORY, &id, StreamVersion::NONE).await
            });
            let read: Vec<_> = futures::stream::iter(read).buffered(READS_AT_ONCE).collect().await;
            for events in read {
                rated.extend(events?);
            }
            match last.filter(|_| full) {
                Some(last) => after = last,
                None => return Ok(rated),
            }
        }
    }

    /// The row after each event. Behind one that cannot be read nobody can say what the product is.
    async fn told(&self, key: &str) -> Result<Vec<Row>, Fault> {
        let events = self.events(key).await?;
        let created_at = events.first().map(|event| event.metadata.timestamp);
        let (mut product, mut unreadable, mut rows) = (None, None, Vec::new());
        for event in &events {
            if unreadable.is_none() {
                match ProductEvent::read(event) {
                    Ok(read) => product = Product::evolve(product.take(), &read),
                    Err(error) => unreadable = Some(error.to_string()),
                }
            }
            let version = RowVersion::of_stream(event.version());
            rows.extend(match (&unreadable, &product) {
                (Some(told), _) => Some(Row::unreadable(key, version, told)),
                (None, None) => None,
                (None, Some(Product { withdrawn: true, .. })) => Some(Row::tombstone(key, version)),
                (None, Some(product)) => {
                    Some(Row::new(key, version).with_content(product_content(product, created_at)))
                }
            });
        }
        Ok(rows)
    }
}

#[async_trait]
impl RowSet for ProductEvents {
    fn description(&self) -> SetDescription {
        SetDescription::owner("products.events", PRODUCT_FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(position(&self.index))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let page = self.index.page("product", read.range.after, read.range.through, read.limit).await?;
        if read.detail == Detail::Content {
            return self.by_key(page.into_iter().map(|(key, _)| key).collect(), read.detail).await;
        }
        // Whether a product was withdrawn stands in its last event. Streams of products are short, but there are many.
        let (mut rows, mut unknown) = (BTreeMap::new(), Vec::new());
        for (key, at) in page {
            match self.known(&key, at) {
                Some(row) => drop(rows.insert(key, row)),
                None => unknown.push(key),
            }
        }
        for row in self.by_key(unknown, read.detail).await? {
            self.remember(&row);
            rows.insert(row.key.clone(), Row { content: None, ..row });
        }
        Ok(rows.into_values().collect())
    }

    async fn by_key(&self, mut keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        let last = |key: String| async move { Ok(self.told(&key).await?.pop()) };
        let read = futures::stream::iter(keys.into_iter().map(last)).buffered(READS_AT_ONCE);
        let rows: Vec<Result<Option<Row>, Fault>> = read.collect().await;
        rows.into_iter().filter_map(Result::transpose).collect()
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        changed(&self.index, "product", after, limit).await.map(Some)
    }

    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        Ok(of_versions(self.told(key).await?, first, last))
    }
}

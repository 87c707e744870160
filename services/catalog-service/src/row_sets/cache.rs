//! `products.cache`: the product pages that are kept in memory, some of the products only.

use async_trait::async_trait;
use madrigal_cache::Change;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Detail, DynRowSet, RepairRow, Repaired, Row, RowSet, Seen, SetDescription};
use madrigal_core::{Fault, PositionToken};
use madrigal_event_store::DynEventStore;

use super::streams::{PRODUCT_FIELDS, product_content, version};
use crate::projections::ProductRow;
use crate::queries::ProductCache;

/// The pages.
#[derive(Clone)]
pub struct ProductCacheRows {
    cache: ProductCache,
    store: DynEventStore,
}

/// These sets and the cache's, where there is one.
pub fn with_cache(mut sets: Vec<DynRowSet>, cache: Option<&ProductCache>, store: &DynEventStore) -> Vec<DynRowSet> {
    if let Some(cache) = cache {
        sets.push(std::sync::Arc::new(ProductCacheRows { cache: cache.clone(), store: store.clone() }));
    }
    sets
}

fn row_of(key: &str, row: &ProductRow) -> Row {
    if row.product.withdrawn {
        return Row::tombstone(key, version(row.version));
    }
    Row::new(key, version(row.version)).with_content(product_content(&row.product, Some(row.created_at)))
}

#[async_trait]
impl RowSet for ProductCacheRows {
    fn description(&self) -> SetDescription {
        SetDescription { partial: true, ..SetDescription::copy("products.cache", PRODUCT_FIELDS) }
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(PositionToken::of(self.store.log().clone(), self.store.epoch(), self.cache.heard_through()))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let (mut rows, mut after) = (Vec::new(), read.range.after.clone());
        loop {
            let (listed, next) = self.cache.pages().list(after.as_deref(), read.limit.max(1));
            for listed in listed {
                if rows.len() >= read.limit || !read.range.contains(&listed.key) {
                    return Ok(rows);
                }
                // That there is no such product is no row.
                rows.extend(listed.value.map(|row| row_of(&listed.key, &row)));
            }
            match next {
                Some(next) => after = Some(next.to_string()),
                None => return Ok(rows),
            }
        }
    }

    async fn by_key(&self, mut keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        keys.dedup();
        let kept = |key: &String| Some(row_of(key, &*self.cache.pages().peek(key)?.value?));
        Ok(keys.iter().filter_map(kept).collect())
    }

    /// Drops the page: whoever asks next reads the view.
    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        let found = self.by_key(vec![repair.key.clone()], Detail::Content).await?;
        if found.first().map(|row| Seen::of(row, &repair.fields)) != repair.seen {
            return Ok(Repaired::Changed);
        }
        self.cache.pages().invalidate_now(&*repair.key, Change::Unknown);
        Ok(Repaired::Done)
    }
}

impl std::fmt::Debug for ProductCacheRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductCacheRows").field("cache", &self.cache).finish_non_exhaustive()
    }
}

//! `products.cache` and `stock.cache`: the product pages that are kept in memory, some of the products only; once for the
//! product on them and once for its stock.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_cache::Change;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Damage, Detail, DynRowSet, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription,
};
use madrigal_core::{Fault, PositionToken, RowVersion};
use madrigal_event_store::DynEventStore;

use super::stocks::{STOCK_FIELDS, stock_content};
use super::streams::{PRODUCT_FIELDS, product_content};
use crate::projections::ProductRow;
use crate::queries::ProductCache;

/// The pages, as copies of one kind of stream.
#[derive(Clone)]
pub struct ProductCacheRows {
    cache: ProductCache,
    store: DynEventStore,
    part: Part,
}

/// What of a page is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Product,
    Stock,
}

/// These sets and the cache's, where there is one.
pub fn with_cache(mut sets: Vec<DynRowSet>, cache: Option<&ProductCache>, store: &DynEventStore) -> Vec<DynRowSet> {
    for part in [Part::Product, Part::Stock] {
        if let Some(cache) = cache {
            sets.push(std::sync::Arc::new(ProductCacheRows { cache: cache.clone(), store: store.clone(), part }));
        }
    }
    sets
}

impl Part {
    fn row_of(self, key: &str, row: &ProductRow) -> Row {
        match self {
            Self::Product if row.product.withdrawn => Row::tombstone(key, RowVersion::of_stream(row.version)),
            Self::Product => Row::new(key, RowVersion::of_stream(row.version))
                .with_content(product_content(&row.product, Some(row.created_at))),
            Self::Stock => {
                Row::new(key, RowVersion::of_stream(row.stock_version)).with_content(stock_content(&row.stock))
            }
        }
    }

    /// The page as it should not be; `None` where it cannot be damaged so.
    fn damaged(self, mut row: ProductRow, damage: Damage) -> Option<ProductRow> {
        let version = match self {
            Self::Product => &mut row.version,
            Self::Stock => &mut row.stock_version,
        };
        match (damage, self) {
            (Damage::Older, _) if version.0 <= 1 => return None,
            (Damage::Older, _) => version.0 -= 1,
            (Damage::Newer, _) => version.0 += 1_000,
            (_, Self::Product) => row.product.details.name.push_str(" (damaged)"),
            (_, Self::Stock) => row.stock.on_hand += 1,
        }
        Some(row)
    }
}

#[async_trait]
impl RowSet for ProductCacheRows {
    fn description(&self) -> SetDescription {
        let copy = match self.part {
            Part::Product => SetDescription::copy("products.cache", PRODUCT_FIELDS),
            Part::Stock => SetDescription::copy("stock.cache", STOCK_FIELDS),
        };
        SetDescription { partial: true, ..copy }
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(self.store.token(self.cache.heard_through()))
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
                rows.extend(listed.value.map(|row| self.part.row_of(&listed.key, &row)));
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
        let kept = |key: &String| Some(self.part.row_of(key, &*self.cache.pages().peek(key)?.value?));
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

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        let kept = self.cache.pages().peek(key).and_then(|found| found.value);
        let page = match (damage, kept) {
            (Damage::Delete, _) => {
                return Ok(Planted::Refused { why: "nothing is missing in a cache".to_owned() });
            }
            (Damage::Add, Some(_)) | (Damage::Change | Damage::Older | Damage::Newer, None) => None,
            (Damage::Add, None) => self.cache.pages().list(None, 1).0.into_iter().find_map(|listed| listed.value),
            (_, Some(page)) => Some(page),
        };
        let Some(page) = page else { return Ok(Planted::NoSuchRow) };
        let Some(wrong) = self.part.damaged((*page).clone(), damage) else {
            return Ok(Planted::Refused { why: "the row has no older version".to_owned() });
        };
        self.cache.tamper(key, wrong, PLANTED_FRESH).await?;
        Ok(Planted::Done)
    }
}

/// How long a planted page is served.
const PLANTED_FRESH: Duration = Duration::from_secs(600);

impl std::fmt::Debug for ProductCacheRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductCacheRows").field("cache", &self.cache).finish_non_exhaustive()
    }
}

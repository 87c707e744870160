//! What is asked for again and again, kept in memory: product pages and completions.
//!
//! Both are kept with the position of the log through which they were read, so that one number answers everything: whether
//! a commit is in them, and whether they are as new as a reader's token. The desk and the ratings tell of each commit before
//! it is answered; the task that follows the log for the search index tells of it once more. A page that was read from a
//! view that is behind a commit is handed on and not kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use madrigal_cache::{Cache, CacheOptions, Change, Inspection, Loaded, Pattern, Ttl, Which};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, Position, RecordedEvent, RowVersion, StreamVersion};
use madrigal_projection::ViewReader;

use crate::commands::ProductListener;
use crate::domain::{Product, ProductId, ProductRated};
use crate::projections::{ProductRow, ProductView};
use crate::queries::Quotes;
use crate::search::Completion;

/// How long a page is served without asking the view. Commits are told at once; this is for what nobody told.
const PAGE_FRESH: Duration = Duration::from_secs(600);
/// How long completions are.
const COMPLETIONS_FRESH: Duration = Duration::from_secs(60);
/// All completions: any name may be among them.
const NAMES: &str = "names";
/// How often pages are inspected, and how many at a time.
const INSPECT_EVERY: Duration = Duration::from_secs(60);
const INSPECTED: usize = 50;
/// What an inspection waits before it calls a difference one.
const SETTLE: Duration = Duration::from_millis(500);

/// Product pages and completions in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProductCache {
    pages: Cache<ProductRow>,
    completions: Cache<Vec<Completion>>,
    /// The log was followed through here.
    heard: Arc<AtomicU64>,
}

impl ProductCache {
    /// An empty one of so many bytes: pages have three quarters, completions the rest. What is read before view and index
    /// have come to `end`, the log's end now, is not kept: so everything through there is in whatever is.
    pub fn new(host: &Host, bytes: u64, end: Position) -> Self {
        let options = |weight| CacheOptions { weight, ..CacheOptions::default() };
        let pages = Cache::builder("products", host.clone()).options(options(bytes - bytes / 4)).weigh(weight_of_row);
        let completions = Cache::builder("completions", host.clone()).options(options(bytes / 4));
        let completions = completions.weigh(|found: &Vec<Completion>| {
            found.iter().map(|completion| size_of::<Completion>() + completion.text.len()).sum()
        });
        let (pages, completions) = (pages.open(), completions.open());
        let (all, begun) = (Pattern::new("*"), Change::To(version_at(end)));
        pages.invalidate_now(&all, begun);
        completions.invalidate_now(&all, begun);
        Self { pages, completions, heard: Arc::new(AtomicU64::new(end.0)) }
    }

    /// A product or its stock or its ratings changed, in the log at `position` or before: told by the writer before it
    /// answers.
    pub fn committed(&self, id: &ProductId, position: Position) {
        self.pages.invalidate_now(id.as_str(), Change::To(version_at(position)));
    }

    /// Something may have been committed about a product.
    pub fn unsure(&self, id: &ProductId) {
        self.pages.invalidate_now(id.as_str(), Change::Unknown);
    }

    /// A product has another name than before, or is new, or was withdrawn.
    pub fn name_committed(&self, position: Position) {
        self.completions.invalidate_now(Which::Tag(NAMES), Change::To(version_at(position)));
    }

    /// The same once more, from the log, for writers who did not tell. Events that were heard before are passed over.
    pub(crate) fn hear(&self, events: &[RecordedEvent], through: Position) {
        let heard = self.heard.load(Ordering::Acquire);
        let mut name = None;
        for event in events.iter().filter(|event| event.position.0 > heard && event.position <= through) {
            let id = match event.stream.category() {
                "product" | "stock" => event.stream.id(),
                ProductRated::CATEGORY => event.stream.id().split('~').next().unwrap_or_default(),
                _ => continue,
            };
            if event.stream.category() == "product" && event.event_type.as_str() != "PriceChanged" {
                name = Some(event.position);
            }
            self.pages.invalidate_now(id, Change::To(version_at(event.position)));
        }
        if let Some(position) = name {
            self.name_committed(position);
        }
        self.heard.fetch_max(through.0, Ordering::AcqRel);
    }

    /// The position through which the log's changes are in all pages.
    pub fn heard_through(&self) -> Position {
        Position(self.heard.load(Ordering::Acquire))
    }

    /// The pages, as [`Cache::list`] and [`Cache::stats`] show them.
    pub const fn pages(&self) -> &Cache<ProductRow> {
        &self.pages
    }

    /// The completions.
    pub const fn completions(&self) -> &Cache<Vec<Completion>> {
        &self.completions
    }

    /// A page, read through at least `seen`.
    pub(crate) async fn page(
        &self,
        view: &ViewReader<ProductView>,
        id: &ProductId,
        seen: Option<Position>,
    ) -> Result<Option<Arc<ProductRow>>, Fault> {
        let fetch = {
            let (view, id) = (view.clone(), id.clone());
            move || async move { read(&view, id.as_str()).await }
        };
        let found = match seen {
            Some(seen) => self.pages.get_since(id.as_str(), version_at(seen), fetch, Ttl::of(PAGE_FRESH)).await?,
            None => self.pages.get(id.as_str(), fetch, Ttl::of(PAGE_FRESH)).await?,
        };
        Ok(found.value)
    }

    /// A page that is kept and was read through at least `seen`.
    pub(crate) fn page_since(&self, id: &ProductId, seen: Position) -> Option<Option<Arc<ProductRow>>> {
        self.pages.peek_since(id.as_str(), version_at(seen)).map(|found| found.value)
    }

    /// Puts a wrong page under a key, behind everybody's back, as if it had been read through everything that was heard.
    pub(crate) async fn tamper(&self, key: &str, wrong: ProductRow, fresh: Duration) -> Result<(), Fault> {
        self.pages.invalidate_now(key, Change::Unknown);
        let version = version_at(self.heard_through());
        let planted = move || async move { Ok(Loaded::versioned(version, wrong)) };
        self.pages.get(key, planted, Ttl::of(fresh)).await.map(drop)
    }

    /// Completions under a key, read through at least `seen`; `read` says through where it read.
    pub(crate) async fn complete<F, L>(
        &self,
        key: &str,
        seen: Option<Position>,
        read: F,
    ) -> Result<Vec<Completion>, Fault>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<(Position, Vec<Completion>), Fault>> + Send + 'static,
    {
        let fetch = move || async move {
            let (through, found) = read().await?;
            Ok(Loaded::versioned(version_at(through), found).tagged(NAMES))
        };
        let ttl = Ttl::of(COMPLETIONS_FRESH);
        let found = match seen {
            Some(seen) => self.completions.get_since(key, version_at(seen), fetch, ttl).await?,
            None => self.completions.get(key, fetch, ttl).await?,
        };
        Ok(found.value.map(|found| (*found).clone()).unwrap_or_default())
    }

    /// Compares some pages with the view each minute, until `stop`: the share that was right is measured, and pages that
    /// were not are named in the log and dropped.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn inspect_now_and_then(&self, view: ViewReader<ProductView>, stop: StopSignal) {
        let right = metrics::gauge!("cache_right_share", "cache" => "products");
        while !tasks::sleep_or_stopped(INSPECT_EVERY, &stop).await {
            if self.pages.is_empty() {
                continue;
            }
            let found = self.inspect(&view, INSPECTED).await;
            right.set(found.share_right());
            for wrong in found.wrong {
                tracing::error!(product_id = %wrong.key, cached = ?wrong.cached, view = ?wrong.owner, "a page in memory was wrong; it is dropped");
                self.pages.invalidate_now(&*wrong.key, Change::Unknown);
            }
        }
    }

    /// Compares some pages with the view.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn inspect(&self, view: &ViewReader<ProductView>, sample: usize) -> Inspection {
        self.pages
            .inspect(sample, SETTLE, |key| {
                let view = view.clone();
                async move { read(&view, &key).await }
            })
            .await
    }
}

/// Whoever keeps products in memory, told by the desk.
pub(crate) struct Keepers {
    pub(crate) quotes: Quotes,
    pub(crate) cache: Option<ProductCache>,
}

impl ProductListener for Keepers {
    fn changed(&self, id: &ProductId, product: &Arc<Product>, version: StreamVersion, position: Position) {
        if let Some(cache) = &self.cache
            && !self.quotes.keeps_name(id, product)
        {
            cache.name_committed(position);
        }
        self.quotes.changed(id, product, version, position);
    }

    fn committed(&self, id: &ProductId, position: Position) {
        if let Some(cache) = &self.cache {
            cache.committed(id, position);
        }
    }

    fn unsure(&self, id: &ProductId) {
        if let Some(cache) = &self.cache {
            cache.unsure(id);
        }
    }
}

/// A page as the view has it, with the position through which that surely has everything.
async fn read(view: &ViewReader<ProductView>, id: &str) -> Result<Loaded<ProductRow>, Fault> {
    // First: the row may only be newer than this.
    let through = view.applied_through().map_or(Position::START, |checkpoint| checkpoint.position);
    let row = view.get(id).await?.map(|viewed| viewed.row);
    Ok(Loaded::found(Some(version_at(through)), row))
}

/// A position as the cache compares it. Everything in this cache is of one log in one epoch: it lives no longer than the
/// process.
fn version_at(position: Position) -> RowVersion {
    RowVersion::try_from(position.0).unwrap_or_default()
}

fn weight_of_row(row: &ProductRow) -> usize {
    let details = &row.product.details;
    let tags: usize = details.tags.iter().map(|tag| size_of::<String>() + tag.len()).sum();
    // Names and values of both are short.
    let small = (details.category.len() + details.attributes.len()) * 128;
    size_of::<ProductRow>() + details.name.len() + details.description.len() + tags + small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_position_is_a_version() {
        let far = Position(1 << 60);
        assert!(version_at(far) > version_at(Position(1 << 50)));
    }
}

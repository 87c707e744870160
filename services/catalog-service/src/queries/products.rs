//! Products from the view, and searches from the index; both as fresh as a position token asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{Fault, Position, PositionToken};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{NotYet, ViewReader};
use madrigal_tantivy::{Wanted, analysis, highlight};

use crate::domain::ProductId;
use crate::indexers::ProductIndex;
use crate::projections::{ProductRow, ProductView};
use crate::queries::ProductCache;
use crate::search::fields::completion_prefixes;
use crate::search::{Completion, ProductHit, ProductSearch, SearchAnswer, SynonymFile, completion_request};

/// How long a read waits for its view at most.
const WAIT_FOR_VIEW: Duration = Duration::from_secs(5);

/// Reads products.
#[derive(Clone)]
pub struct ProductQueries {
    store: DynEventStore,
    view: ViewReader<ProductView>,
    index: ProductIndex,
    synonyms: SynonymFile,
    cache: Option<ProductCache>,
}

impl ProductQueries {
    /// Queries over these.
    pub fn new(
        store: DynEventStore,
        view: ViewReader<ProductView>,
        index: ProductIndex,
        synonyms: SynonymFile,
    ) -> Self {
        Self { store, view, index, synonyms, cache: None }
    }

    /// The same, keeping pages and completions in this cache.
    #[must_use]
    pub fn caching(self, cache: Option<ProductCache>) -> Self {
        Self { cache, ..self }
    }

    /// A product with its stock, withdrawn ones included, as fresh as `seen` asks; from the cache where there is one, for
    /// answers only: what is decided is decided on streams.
    ///
    /// # Errors
    /// [`PageError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn page(
        &self,
        id: &ProductId,
        seen: Option<&PositionToken>,
    ) -> Result<Option<Arc<ProductRow>>, PageError> {
        let Some(cache) = &self.cache else {
            if let Some(token) = seen {
                self.wait_for(token).await?;
            }
            return Ok(self.row(id).await?.map(Arc::new));
        };
        let position = seen.and_then(|token| self.position_in(token));
        if let (Some(_), Some(position)) = (seen, position)
            && let Some(page) = cache.page_since(id, position)
        {
            return Ok(page);
        }
        if let Some(token) = seen {
            self.wait_for(token).await?;
        }
        Ok(cache.page(&self.view, id, position).await?)
    }

    /// The position in this log that a token of this history stands for.
    fn position_in(&self, token: &PositionToken) -> Option<Position> {
        let (epoch, position) = token.component(self.store.log())?;
        (epoch == self.store.epoch()).then_some(position)
    }

    /// Waits until the view has seen what `token` stands for.
    ///
    /// # Errors
    /// [`NotYet`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_for(&self, token: &PositionToken) -> Result<(), NotYet> {
        self.view.wait_for(token, WAIT_FOR_VIEW).await
    }

    /// Waits until the search index has seen what `token` stands for.
    ///
    /// # Errors
    /// [`NotYet`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_for_search(&self, token: &PositionToken) -> Result<(), NotYet> {
        self.wait_for(token).await?;
        let Some((_, position)) = token.component(self.store.log()) else { return Ok(()) };
        if self.index.wait_beyond(position, WAIT_FOR_VIEW).await {
            return Ok(());
        }
        let lag = self.view.lag().await.unwrap_or(madrigal_projection::Lag {
            events: 0,
            seconds: 0.0,
            stalled_since: None,
            parked_lanes: 0,
        });
        let lag = madrigal_projection::Lag { events: self.search_lag_events(), ..lag };
        Err(NotYet::Behind { view: self.view.view(), lag })
    }

    /// How many events the view is behind, without reading anything.
    pub fn lag_events(&self) -> u64 {
        let applied = self.view.applied_through().map_or(Position::START, |checkpoint| checkpoint.position);
        self.store.end().0.saturating_sub(applied.0)
    }

    /// How many events the search index is behind.
    pub fn search_lag_events(&self) -> u64 {
        self.store.end().0.saturating_sub(self.index.reflects().0)
    }

    /// The token of a position in this log.
    pub fn token(&self, position: Position) -> PositionToken {
        self.store.token(position)
    }

    /// A product with its stock, withdrawn ones included.
    ///
    /// # Errors
    /// A [`Fault`] if the view cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn row(&self, id: &ProductId) -> Result<Option<ProductRow>, Fault> {
        Ok(self.view.get(id.as_str()).await?.map(|viewed| viewed.row))
    }

    /// Finds products. Hits carry the view's rows, so their prices, stocks and ratings are as fresh as those.
    ///
    /// # Errors
    /// [`SearchError`]; never for what is searched for.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn search(&self, search: ProductSearch) -> Result<SearchAnswer, SearchError> {
        let serving = self.index.serving().ok_or_else(|| self.being_built())?;
        let wanted = search.wanted(&self.synonyms.in_force().synonyms);
        let found = serving.index.search(search.request(wanted.clone())).await?;
        let keys: Vec<String> = found.keys().map(ToOwned::to_owned).collect();
        let mut rows = self.view.load(keys.clone()).await?;
        let mut hits = Vec::with_capacity(keys.len());
        for product_id in keys {
            let Some(row) = rows.remove(&product_id).map(|viewed| viewed.row) else { continue };
            // Withdrawn since the index was written.
            if !row.product.withdrawn {
                let highlight = wanted.as_ref().map(|wanted| highlighted(wanted, &row)).unwrap_or_default();
                hits.push(ProductHit { product_id, row, highlight });
            }
        }
        let next = found.places.last().filter(|_| found.more).cloned();
        let facets = search.facets.into_iter().zip(found.facets).collect();
        Ok(SearchAnswer { hits, next, total: found.total, facets })
    }

    /// Names that complete what was typed: those that begin so first, then those with a word that does; among them the most
    /// frequent first. Names that differ in case, accents and signs only count as one.
    ///
    /// # Errors
    /// [`SearchError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn suggest(
        &self,
        typed: &str,
        limit: usize,
        seen: Option<&PositionToken>,
    ) -> Result<Vec<Completion>, SearchError> {
        if !self.index.serves() {
            return Err(self.being_built());
        }
        let Some(cache) = &self.cache else { return self.complete(typed, limit).await };
        let (queries, text) = (self.clone(), typed.to_owned());
        let read = move || async move {
            // First: the index may only have come further since.
            let through = queries.index.reflects();
            match queries.complete(&text, limit).await {
                Ok(found) => Ok((through, found)),
                Err(SearchError::Fault(fault)) => Err(fault),
                Err(error @ SearchError::BeingBuilt { .. }) => Err(Fault::not_applied("catalog", "suggest", error)),
            }
        };
        let position = seen.and_then(|token| self.position_in(token));
        Ok(cache.complete(&format!("{limit}:{typed}"), position, read).await?)
    }

    async fn complete(&self, typed: &str, limit: usize) -> Result<Vec<Completion>, SearchError> {
        let serving = self.index.serving().ok_or_else(|| self.being_built())?;
        let Some((beginning, anywhere)) = completion_prefixes(typed) else { return Ok(Vec::new()) };
        let mut completions: Vec<(String, Completion)> = Vec::new();
        for prefix in [beginning, anywhere] {
            if completions.len() >= limit {
                break;
            }
            // Names that count as one may take several places, and those of the first round come again in the second.
            let found = serving.index.search(completion_request(prefix, limit * 4)).await?;
            let known = completions.len();
            for name in found.facets.into_iter().flatten() {
                let folded = analysis::folded(&name.value);
                match completions.iter_mut().position(|(known, _)| *known == folded) {
                    Some(same) if same >= known => completions[same].1.products += name.count,
                    Some(_) => {}
                    None => completions.push((folded, Completion { text: name.value, products: name.count })),
                }
            }
            completions[known..].sort_by(|(_, one), (_, other)| {
                other.products.cmp(&one.products).then_with(|| one.text.cmp(&other.text))
            });
        }
        completions.truncate(limit);
        Ok(completions.into_iter().map(|(_, completion)| completion).collect())
    }

    /// The synonyms in force.
    pub const fn synonyms(&self) -> &SynonymFile {
        &self.synonyms
    }

    fn being_built(&self) -> SearchError {
        SearchError::BeingBuilt { events: self.search_lag_events() }
    }
}

fn highlighted(wanted: &Wanted, row: &ProductRow) -> BTreeMap<&'static str, String> {
    let details = &row.product.details;
    let texts = [("name", &details.name), ("description", &details.description)];
    texts.into_iter().filter_map(|(field, text)| Some((field, highlight(wanted, text)?))).collect()
}

/// Why no page is shown.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The view is not as fresh as the token asks.
    #[error(transparent)]
    NotYet(#[from] NotYet),
    /// The view cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why nothing was searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The first index is not whole yet.
    #[error("the search index is being built; {events} events are missing")]
    BeingBuilt {
        /// How many.
        events: u64,
    },
    /// Index or view cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl std::fmt::Debug for ProductQueries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductQueries").finish_non_exhaustive()
    }
}

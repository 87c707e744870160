//! Products from the view, and searches from the index; both as fresh as a position token asks.

use std::time::Duration;

use madrigal_core::{Fault, Position, PositionToken};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{DynViewStore, NotYet, ViewReader};

use crate::domain::ProductId;
use crate::projections::{ProductRow, ProductView};
use crate::search::{ProductHit, ProductIndex, ProductSearch, SearchAnswer};

/// How long a read waits for its view at most.
const WAIT_FOR_VIEW: Duration = Duration::from_secs(5);

/// Reads products.
#[derive(Clone)]
pub struct ProductQueries {
    store: DynEventStore,
    views: DynViewStore,
    view: ViewReader<ProductView>,
    index: ProductIndex,
}

impl ProductQueries {
    /// Queries over these.
    pub fn new(store: DynEventStore, views: DynViewStore, view: ViewReader<ProductView>, index: ProductIndex) -> Self {
        Self { store, views, view, index }
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
        Err(NotYet::Behind { view: self.view.view().clone(), lag })
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
        PositionToken::of(self.store.log().clone(), self.store.epoch(), position)
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

    /// Finds products. Hits carry the view's rows, so prices and stocks are as fresh as those.
    ///
    /// # Errors
    /// A [`Fault`] if index or view cannot be read; never for what is searched for.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn search(&self, search: ProductSearch) -> Result<SearchAnswer, Fault> {
        let words = search.words.clone();
        let found = self.index.search(search).await?;
        let mut rows = self.views.load(self.view.view(), found.keys.clone()).await?;
        let mut hits = Vec::with_capacity(found.keys.len());
        for key in found.keys {
            let Some(stored) = rows.remove(&key) else { continue };
            let row: ProductRow =
                stored.body.decode().map_err(|error| Fault::permanent("catalog", "decode-row", error))?;
            // Withdrawn since the index was written.
            if !row.product.withdrawn {
                let highlight = self.index.highlight(words.as_deref(), &row)?;
                hits.push(ProductHit { product_id: key, row, highlight });
            }
        }
        Ok(SearchAnswer { hits, more: found.more, facets: found.facets })
    }
}

impl std::fmt::Debug for ProductQueries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductQueries").finish_non_exhaustive()
    }
}

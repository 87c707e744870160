//! The catalogue as the monitor compares it: products and stocks by their streams, whose word counts (`products.events`,
//! `stock.events`), and what is told by them: the view `products` (`products.view`, `stock.view`) and the search index
//! (`products.search`, `stock.search`); the pages that are kept in memory (`products.cache`).

mod cache;
mod remembered;
mod search;
mod stocks;
mod streams;
mod view;

use std::sync::Arc;

use madrigal_consistency::DynRowSet;
use madrigal_core::Fault;
use madrigal_event_store::DynEventStore;
use madrigal_projection::ProjectionRunner;
use madrigal_sqlite::{SqliteViews, StreamIndex};

pub use cache::{ProductCacheRows, with_cache};
pub use search::{ProductSearchRows, StockSearchRows};
pub use stocks::StockEvents;
pub use streams::ProductEvents;
pub use view::{ProductViewRows, StockViewRows};

use crate::indexers::ProductIndex;
use crate::projections::ProductView;

/// All of them.
///
/// # Errors
/// A [`Fault`] where the index of streams cannot be opened in `dir`.
///
/// # Cancellation
/// Safe to repeat.
pub async fn all(
    dir: &std::path::Path,
    store: &DynEventStore,
    products: &ProjectionRunner<ProductView>,
    views: SqliteViews,
    index: &ProductIndex,
) -> Result<Vec<DynRowSet>, Fault> {
    let streams =
        StreamIndex::open(dir.join("row-sets.sqlite"), Arc::clone(store), &["product", "stock", "rating"]).await?;
    let (owned, stocks) = (ProductEvents::new(streams.clone()), StockEvents::new(streams));
    let view = ProductViewRows::new(products.clone(), views, owned.clone(), stocks.clone());
    Ok(vec![
        Arc::new(owned),
        Arc::new(stocks),
        Arc::new(StockViewRows::new(view.clone())),
        Arc::new(view),
        Arc::new(ProductSearchRows::new(index.clone())),
        Arc::new(StockSearchRows::new(index.clone())),
    ])
}

//! Everything that reads: [`quotes`] from memory, [`products`] from the view, searches from the index.

pub mod products;
pub mod quotes;
pub mod story;

pub use products::{ProductQueries, SearchError};
pub use quotes::Quotes;

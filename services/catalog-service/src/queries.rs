//! Everything that reads: [`quotes`] from memory, [`products`] from the view, searches from the index;
//! [`cached`] keeps what is asked for again and again.

pub mod cached;
pub mod products;
pub mod quotes;
pub mod story;

pub use cached::ProductCache;
pub use products::{PageError, ProductQueries, SearchError};
pub use quotes::Quotes;

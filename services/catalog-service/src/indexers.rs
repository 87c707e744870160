//! What keeps the search index in step with the log.

pub mod products;

pub use products::ProductIndexer;

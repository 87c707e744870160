//! What keeps the search index in step with the view of products.
//!
//! * [`index`]: the generations of the index, of which one serves; [`products`]: the task that fills one of them;
//! * [`managed`]: what an operator sees of them and does with them.

pub mod index;
pub mod managed;
pub mod products;

pub use index::ProductIndex;
pub use managed::ProductSearchProjection;

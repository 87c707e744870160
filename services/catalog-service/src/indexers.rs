//! What keeps the search index in step with the view of products.
//!
//! * [`index`]: the generations of the index, of which one serves; [`products`]: the task that fills one of them;
//! * [`managed`]: what an operator sees of them and does with them; `mend`: one document.

pub mod index;
pub mod managed;
mod mend;
pub mod products;

pub use index::ProductIndex;
pub use managed::ProductSearchProjection;

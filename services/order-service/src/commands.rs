//! What may be asked of orders: placing, changing drafts, cancelling, shipping, delivering.

mod change;
mod load;
mod place;

pub use change::{ChangeError, OrderChanges};
pub use load::load_order;
pub use place::{DraftRequest, OrderRequest, PlaceError, Placements};

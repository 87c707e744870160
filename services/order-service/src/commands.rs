//! What may be asked of orders: placing, changing drafts, cancelling, shipping, delivering, importing.

mod change;
mod import;
mod load;
mod place;

pub use change::{ChangeError, OrderChanges};
pub use import::{BuyerName, Buyers, Import, ImportRefusal, OrderImports, PastOrder};
pub use load::load_order;
pub use place::{DraftRequest, OrderRequest, PlaceError, Placements};

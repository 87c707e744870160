//! The orders as the monitor compares them: `orders.events`, their streams, whose word counts; `orders.view`, the order view.
//!
//! The owner's side is folded by `facts`, with the aggregate and not with the projection: what the projection folds wrongly
//! shows as a difference.

mod events;
mod facts;
mod view;

pub use events::OrderEvents;
pub use facts::{FIELDS, OrderFacts};
pub use view::OrderViewRows;

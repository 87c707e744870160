//! Collectors: what the topics tell becomes facts and rollups, at least once and in order per key, effect and checkpoint in one
//! transaction.
//!
//! [`follow`] is the loop, the same for every topic; [`orders`] and [`products`] are what a batch of theirs does; [`progress`]
//! is how far they are, for readers that present a position.

pub mod follow;
pub mod orders;
pub mod products;
pub mod progress;

pub use follow::{Collector, Effect};
pub use orders::OrdersEffect;
pub use products::ProductsEffect;
pub use progress::{Following, NotYet};

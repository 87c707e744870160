//! What may be asked about orders: one, many, their events.

mod answer;
mod orders;
mod story;

pub use answer::{CustomerInfo, OrderAnswer, OrderItemAnswer};
pub use orders::{OrderFilter, OrderQueries, WAIT_FOR_VIEW};
pub use story::OrderStories;

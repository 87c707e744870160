//! What may be asked about orders: one, many, their events.

mod answer;
mod customer;
mod orders;
mod received;
mod story;

pub use answer::{CustomerInfo, OrderAnswer, OrderItemAnswer};
pub use customer::CustomersOrders;
pub use orders::{OrderFilter, OrderQueries, WAIT_FOR_VIEW};
pub use received::ReceivedProducts;
pub use story::OrderStories;

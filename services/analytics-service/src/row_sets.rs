//! The copies of this service as the monitor compares them: `orders.analytics` and `users.analytics`.
//!
//! A repair of an order writes its fact from the owner's row and recomputes the days and the customers that it touches, since
//! nobody knows what the damaged fact had done to the rollups.

mod orders;
mod users;

pub use orders::OrderFactRows;
pub use users::UserRows;

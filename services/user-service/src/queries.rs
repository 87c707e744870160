//! What is asked about users.

mod buyer;
mod conflicts;
mod events;

pub(crate) use buyer::{BuyerCache, BuyerNamed, BuyerOf, KeyOf};
pub(crate) use conflicts::conflicts_of;
pub(crate) use events::events_of;

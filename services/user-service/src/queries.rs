//! What is asked about users.

mod buyer;
mod events;

pub(crate) use buyer::{BuyerCache, BuyerOf, KeyOf};
pub(crate) use events::events_of;

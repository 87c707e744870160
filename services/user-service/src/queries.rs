//! What is asked about users.

mod buyer;
mod events;

pub(crate) use buyer::{BuyerCache, BuyerNamed, BuyerOf, KeyOf};
pub(crate) use events::events_of;

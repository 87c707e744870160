//! The fact: what one order comes to for analytics, folded from its messages alone.

mod fold;
mod lines;

use std::borrow::Cow;

use madrigal_core::money::Totals;
use madrigal_core::{Currency, Timestamp};

pub use fold::{Folding, MessageError, Told};
pub use lines::{Line, read_lines, write_lines};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum OrderState {
    /// Being put together, or placed and not confirmed yet.
    Draft = 0,
    /// Paid.
    Confirmed = 1,
    /// With the carrier.
    Shipped = 2,
    /// With the customer: *completed*, in the brief's word.
    Delivered = 3,
    /// Called off.
    Cancelled = 4,
}

impl OrderState {
    const ALL: [Self; 5] = [Self::Draft, Self::Confirmed, Self::Shipped, Self::Delivered, Self::Cancelled];

    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Confirmed => "confirmed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// As it is stored.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The state that is stored so.
    pub fn of_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied())
    }
}

/// One order as analytics knows it. `P` is what a product is: its id while messages are folded, its number in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFact<P> {
    /// The order's version: how many events are in it.
    pub version: u64,
    /// Whose it is.
    pub user_id: i64,
    /// Of all amounts.
    pub currency: Currency,
    /// Where it stands.
    pub state: OrderState,
    /// Whether it is an order of the past, brought in.
    pub imported: bool,
    /// When it came into being; of an order of the past, when it was ordered.
    pub created_at: Timestamp,
    /// From when it counts: when it was placed; an order of the past, when it was ordered. `None` for a draft.
    pub placed_at: Option<Timestamp>,
    /// What it comes to.
    pub totals: Totals,
    /// What was ordered.
    pub lines: Vec<Line<P>>,
}

impl<P> OrderFact<P> {
    /// The same with other products.
    pub fn with_lines<Q>(self, lines: Vec<Line<Q>>) -> OrderFact<Q> {
        OrderFact {
            version: self.version,
            user_id: self.user_id,
            currency: self.currency,
            state: self.state,
            imported: self.imported,
            created_at: self.created_at,
            placed_at: self.placed_at,
            totals: self.totals,
            lines,
        }
    }
}

/// A product as a message names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its id.
    pub product_id: Cow<'a, str>,
    /// Its name when it was ordered.
    pub name: Cow<'a, str>,
}

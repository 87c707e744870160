//! The stock of one product: five numbers and the rule that ties them together.

use madrigal_core::RecordedEvent;
use serde::{Deserialize, Serialize};

use super::event::{UnreadableEvent, Written, read, written};

/// The books of one product.
///
/// At all times `received + adjusted = on_hand + sold` and `0 ≤ reserved ≤ on_hand`, `0 ≤ sold`. `on_hand` includes what
/// is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// Everything that ever came in.
    pub received: i64,
    /// The sum of corrections, which may be negative.
    pub adjusted: i64,
    /// What lies on the shelf, reserved or not.
    pub on_hand: i64,
    /// What is promised to sagas under way.
    pub reserved: i64,
    /// What was sold and not returned.
    pub sold: i64,
}

/// What happens to a stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StockEvent {
    /// Goods came in.
    Received(StockReceived),
    /// A correction.
    Adjusted(StockAdjusted),
    /// Promised to a saga.
    Reserved(StockMoved),
    /// The promise was taken back.
    ReservationReleased(StockMoved),
    /// The promise became a sale.
    ReservationConfirmed(StockMoved),
    /// The sale was undone, the goods are back.
    Returned(StockMoved),
}

/// The data of `StockReceived`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockReceived {
    /// How many, at least 1.
    pub quantity: i64,
    /// Why, as an operator put it.
    pub reason: String,
}

/// The data of `StockAdjusted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockAdjusted {
    /// By how many, up or down.
    pub change: i64,
    /// Why, as an operator put it.
    pub reason: String,
}

/// The data of the four events by which a saga moves stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockMoved {
    /// The saga.
    pub saga_id: String,
    /// The order that it is for.
    pub order_id: String,
    /// How many, at least 1.
    pub quantity: i64,
}

/// An event that the books cannot take: a decision with it is refused, a history with it is corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the books of this product would not balance")]
pub struct BooksBroken;

/// Why an operator's change of stock is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StockRefusal {
    /// Nothing would change.
    #[error("a change of stock is not 0")]
    NoChange,
    /// More would be taken than is available.
    #[error("only {available} are available")]
    Overdrawn {
        /// On hand and not reserved.
        available: i64,
    },
    /// Beyond what 64 bits hold.
    #[error("the stock would be too large")]
    Overflow,
}

impl Stock {
    /// On hand and not reserved.
    pub const fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }

    /// Whether the books balance.
    pub fn balances(&self) -> bool {
        let sources = i128::from(self.received) + i128::from(self.adjusted);
        let uses = i128::from(self.on_hand) + i128::from(self.sold);
        sources == uses && 0 <= self.reserved && self.reserved <= self.on_hand && 0 <= self.sold
    }

    /// Decides an operator's change: a positive one is a receipt, a negative one a correction.
    ///
    /// # Errors
    /// [`StockRefusal`]; a change never takes what is reserved.
    pub fn change(&self, change: i64, reason: &str) -> Result<StockEvent, StockRefusal> {
        let reason = reason.to_owned();
        let event = match change {
            0 => return Err(StockRefusal::NoChange),
            1.. => StockEvent::Received(StockReceived { quantity: change, reason }),
            _ => StockEvent::Adjusted(StockAdjusted { change, reason }),
        };
        if change < 0 && self.available().checked_add(change).is_none_or(|left| left < 0) {
            return Err(StockRefusal::Overdrawn { available: self.available() });
        }
        self.after(&event).map_err(|BooksBroken| StockRefusal::Overflow)?;
        Ok(event)
    }

    /// The stock after `event`.
    ///
    /// # Errors
    /// [`BooksBroken`] where the result would overflow, go below zero or not balance; the stock is unchanged then.
    pub fn after(&self, event: &StockEvent) -> Result<Self, BooksBroken> {
        let next = self.moved(event).ok_or(BooksBroken)?;
        if next.balances() { Ok(next) } else { Err(BooksBroken) }
    }

    fn moved(mut self, event: &StockEvent) -> Option<Self> {
        let add = |number: &mut i64, change: i64| number.checked_add(change).map(|sum| *number = sum);
        match event {
            StockEvent::Received(StockReceived { quantity, .. }) => {
                add(&mut self.received, positive(*quantity)?)?;
                add(&mut self.on_hand, *quantity)?;
            }
            StockEvent::Adjusted(StockAdjusted { change, .. }) => {
                add(&mut self.adjusted, *change)?;
                add(&mut self.on_hand, *change)?;
            }
            StockEvent::Reserved(StockMoved { quantity, .. }) => add(&mut self.reserved, positive(*quantity)?)?,
            StockEvent::ReservationReleased(StockMoved { quantity, .. }) => {
                add(&mut self.reserved, -positive(*quantity)?)?;
            }
            StockEvent::ReservationConfirmed(StockMoved { quantity, .. }) => {
                add(&mut self.reserved, -positive(*quantity)?)?;
                add(&mut self.on_hand, -quantity)?;
                add(&mut self.sold, *quantity)?;
            }
            StockEvent::Returned(StockMoved { quantity, .. }) => {
                add(&mut self.sold, -positive(*quantity)?)?;
                add(&mut self.on_hand, *quantity)?;
            }
        }
        Some(self)
    }
}

fn positive(quantity: i64) -> Option<i64> {
    (quantity > 0).then_some(quantity)
}

impl StockEvent {
    /// The event's type and data for the store.
    pub fn written(&self) -> Written {
        match self {
            Self::Received(data) => written("StockReceived", data),
            Self::Adjusted(data) => written("StockAdjusted", data),
            Self::Reserved(data) => written("StockReserved", data),
            Self::ReservationReleased(data) => written("ReservationReleased", data),
            Self::ReservationConfirmed(data) => written("ReservationConfirmed", data),
            Self::Returned(data) => written("StockReturned", data),
        }
    }

    /// The event as recorded in a `stock-…` stream.
    ///
    /// # Errors
    /// [`UnreadableEvent`] for a type or form that is not known.
    pub fn read(event: &RecordedEvent) -> Result<Self, UnreadableEvent> {
        Ok(match event.event_type.as_str() {
            "StockReceived" => Self::Received(read(event)?),
            "StockAdjusted" => Self::Adjusted(read(event)?),
            "StockReserved" => Self::Reserved(read(event)?),
            "ReservationReleased" => Self::ReservationReleased(read(event)?),
            "ReservationConfirmed" => Self::ReservationConfirmed(read(event)?),
            "StockReturned" => Self::Returned(read(event)?),
            _ => return Err(UnreadableEvent::of(event, None)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(quantity: i64) -> StockMoved {
        StockMoved { saga_id: "s".into(), order_id: "o".into(), quantity }
    }

    fn stock(on_hand: i64, reserved: i64, sold: i64) -> Stock {
        Stock { received: on_hand + sold, adjusted: 0, on_hand, reserved, sold }
    }

    #[test]
    fn each_event_moves_its_numbers_and_no_others() {
        let before = stock(10, 4, 3);
        for (event, expected) in [
            (StockEvent::Reserved(moved(6)), Stock { reserved: 10, ..before }),
            (StockEvent::ReservationReleased(moved(4)), Stock { reserved: 0, ..before }),
            (StockEvent::ReservationConfirmed(moved(4)), Stock { on_hand: 6, reserved: 0, sold: 7, ..before }),
            (StockEvent::Returned(moved(3)), Stock { on_hand: 13, sold: 0, ..before }),
            (before.change(5, "delivery").unwrap(), Stock { received: 18, on_hand: 15, ..before }),
            (before.change(-6, "broken").unwrap(), Stock { adjusted: -6, on_hand: 4, ..before }),
        ] {
            assert_eq!(before.after(&event), Ok(expected), "{event:?}");
        }
    }

    #[test]
    fn what_would_break_the_books_is_refused() {
        let before = stock(10, 4, 3);
        for event in [
            StockEvent::Reserved(moved(7)),
            StockEvent::Reserved(moved(0)),
            StockEvent::Reserved(moved(-1)),
            StockEvent::ReservationReleased(moved(5)),
            StockEvent::ReservationConfirmed(moved(5)),
            StockEvent::Returned(moved(4)),
            StockEvent::Returned(moved(i64::MIN)),
            StockEvent::Adjusted(StockAdjusted { change: -7, reason: String::new() }),
            StockEvent::Received(StockReceived { quantity: i64::MAX, reason: String::new() }),
        ] {
            assert_eq!(before.after(&event), Err(BooksBroken), "{event:?}");
        }
    }

    #[test]
    fn an_operator_never_takes_what_is_reserved() {
        let before = stock(10, 4, 3);
        for (change, refusal) in [
            (0, StockRefusal::NoChange),
            (-7, StockRefusal::Overdrawn { available: 6 }),
            (i64::MIN, StockRefusal::Overdrawn { available: 6 }),
            (i64::MAX, StockRefusal::Overflow),
        ] {
            assert_eq!(before.change(change, "x"), Err(refusal), "{change}");
        }
    }
}

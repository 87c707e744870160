//! A reservation: what one saga holds, and what became of it.
//!
//! One stream per saga, written together with the stock that it moves: so a repeated message is recognised by its stream,
//! however long ago the first one came, and a stock needs no list of the sagas that touched it.

use madrigal_core::{BasisPoints, Money, RecordedEvent};
use serde::{Deserialize, Serialize};

use super::event::{UnreadableEvent, Written, read, written};
use super::ids::ProductId;
use super::product::Product;
use super::stock::{Stock, StockMoved};

/// A reserved line, at the price of that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationLine {
    /// The product.
    pub product_id: ProductId,
    /// Its name then.
    pub name: String,
    /// For one, before discount.
    pub price: Money,
    /// Off the line.
    pub discount: BasisPoints,
    /// How many, at least 1.
    pub quantity: u32,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its lines are held.
    Reserved,
    /// Its lines were given back before they were sold.
    Released,
    /// Its lines are sold.
    Sold,
    /// Its lines were sold and came back.
    Returned,
    /// It was undone before it was ever made: a late message must not make it.
    Tombstoned,
}

impl Standing {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Sold => "sold",
            Self::Returned => "returned",
            Self::Tombstoned => "tombstoned",
        }
    }
}

/// A reservation's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The order that it is for; empty under a tombstone.
    pub order_id: String,
    /// What it holds or held, in the order asked.
    pub lines: Vec<ReservationLine>,
    /// Where it stands.
    pub standing: Standing,
    /// Released since its order was cancelled: a confirmation that comes after this is no surprise.
    pub cancelled: bool,
    /// Whether a confirmation came after the release.
    pub confirmed_late: bool,
}

/// Why a reservation was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseCause {
    /// Its saga undid the step.
    Undone,
    /// Its order was cancelled before the reservation was confirmed.
    Cancelled,
    /// It was old, and its saga was over or had never been.
    Expired,
}

/// What happens to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReservationEvent {
    /// The lines are held.
    Made(ReservationMade),
    /// They were given back unsold.
    Released(ReservationReleased),
    /// They are sold.
    Confirmed,
    /// They came back.
    Returned,
    /// Undone before it was made.
    Tombstoned,
    /// A confirmation came after the release.
    ConfirmedAfterRelease,
}

/// The data of `ReservationMade`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationMade {
    /// The order that it is for.
    pub order_id: String,
    /// Each product once.
    pub lines: Vec<ReservationLine>,
}

/// The data of `ReservationReleased`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationReleased {
    /// Why.
    pub cause: ReleaseCause,
}

#[derive(Serialize)]
struct Nothing {}

/// What to answer to a request to reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveDecision {
    /// All lines can be held: record this.
    Make(ReservationMade),
    /// It was made before: give the stored answer.
    Stored,
    /// It was undone before: refuse.
    Released,
    /// These lines cannot be served; record nothing.
    OutOfStock(Vec<Short>),
    /// The saga reserved something else under the same key: a mistake of the caller.
    OtherContent,
}

/// A line that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// The product as it was asked for.
    pub product_id: String,
    /// How many were asked for.
    pub requested: u32,
    /// How many there are; 0 where the product is unknown or not for sale.
    pub available: i64,
}

/// What to do about a request that undoes or confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoDecision {
    /// Release the held lines.
    Release(ReleaseCause),
    /// Take the sold lines back.
    Return,
    /// Leave a tombstone.
    Tombstone,
    /// Nothing is left to undo.
    Nothing,
    /// It is sold: releasing it would lose the sale. Only a return undoes it.
    Sold,
}

/// What to do about a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmDecision {
    /// Sell the held lines.
    Sell,
    /// It is sold: give the stored answer.
    Stored,
    /// It was released before: record that. `alarm` unless its order is known to be cancelled.
    RecordLate {
        /// Whether somebody should look at it.
        alarm: bool,
    },
    /// As before, and recorded already.
    LateAgain,
    /// There never was such a reservation.
    Unknown,
}

impl Reservation {
    /// Decides to reserve. `shelf` tells each product and its stock.
    pub fn reserve<'a>(
        current: Option<&Self>,
        order_id: &str,
        lines: &[(String, u32)],
        shelf: impl Fn(&str) -> Option<(ProductId, &'a Product, &'a Stock)>,
    ) -> ReserveDecision {
        if let Some(current) = current {
            return current.repeat(order_id, lines);
        }
        let (mut held, mut short) = (Vec::with_capacity(lines.len()), Vec::new());
        for (product_id, requested) in lines {
            let found = shelf(product_id).filter(|(_, product, _)| product.orderable());
            let available = found.as_ref().map_or(0, |(_, _, stock)| stock.available());
            match found {
                Some((product_id, product, _)) if i64::from(*requested) <= available => held.push(ReservationLine {
                    product_id,
                    name: product.details.name.clone(),
                    price: product.price.money(),
                    discount: product.price.discount,
                    quantity: *requested,
                }),
                _ => short.push(Short { product_id: product_id.clone(), requested: *requested, available }),
            }
        }
        if short.is_empty() {
            ReserveDecision::Make(ReservationMade { order_id: order_id.to_owned(), lines: held })
        } else {
            ReserveDecision::OutOfStock(short)
        }
    }

    fn repeat(&self, order_id: &str, lines: &[(String, u32)]) -> ReserveDecision {
        match self.standing {
            Standing::Released | Standing::Returned | Standing::Tombstoned => ReserveDecision::Released,
            Standing::Reserved | Standing::Sold => {
                let same = self.order_id == order_id
                    && self.lines.len() == lines.len()
                    && self.lines.iter().zip(lines).all(|(held, (product_id, quantity))| {
                        held.product_id.as_str() == product_id && held.quantity == *quantity
                    });
                if same { ReserveDecision::Stored } else { ReserveDecision::OtherContent }
            }
        }
    }

    /// Decides to release: the undo of reserving.
    pub fn release(current: Option<&Self>, cause: ReleaseCause) -> UndoDecision {
        match current.map(|reservation| reservation.standing) {
            None => UndoDecision::Tombstone,
            Some(Standing::Reserved) => UndoDecision::Release(cause),
            Some(Standing::Sold) => UndoDecision::Sold,
            Some(Standing::Released | Standing::Returned | Standing::Tombstoned) => UndoDecision::Nothing,
        }
    }

    /// Decides to take back: the cancellation's side.
    pub fn take_back(current: Option<&Self>) -> UndoDecision {
        match current.map(|reservation| reservation.standing) {
            Some(Standing::Sold) => UndoDecision::Return,
            _ => Self::release(current, ReleaseCause::Cancelled),
        }
    }

    /// Decides to confirm.
    pub fn confirm(current: Option<&Self>) -> ConfirmDecision {
        let Some(current) = current else { return ConfirmDecision::Unknown };
        match current.standing {
            Standing::Reserved => ConfirmDecision::Sell,
            Standing::Sold | Standing::Returned => ConfirmDecision::Stored,
            Standing::Released | Standing::Tombstoned if current.confirmed_late => ConfirmDecision::LateAgain,
            Standing::Released | Standing::Tombstoned => ConfirmDecision::RecordLate { alarm: !current.cancelled },
        }
    }

    /// The reservation after `event`; events that do not fit its standing change nothing.
    #[must_use]
    pub fn evolve(current: Option<Self>, event: &ReservationEvent) -> Option<Self> {
        let standing = |standing| move |reservation: Self| Self { standing, ..reservation };
        match event {
            ReservationEvent::Made(ReservationMade { order_id, lines }) => current.or_else(|| {
                Some(Self {
                    order_id: order_id.clone(),
                    lines: lines.clone(),
                    standing: Standing::Reserved,
                    cancelled: false,
                    confirmed_late: false,
                })
            }),
            ReservationEvent::Released(ReservationReleased { cause }) => current.map(|reservation| Self {
                standing: Standing::Released,
                cancelled: *cause == ReleaseCause::Cancelled,
                ..reservation
            }),
            ReservationEvent::Confirmed => current.map(standing(Standing::Sold)),
            ReservationEvent::Returned => current.map(standing(Standing::Returned)),
            ReservationEvent::Tombstoned => current.or_else(|| {
                Some(Self {
                    order_id: String::new(),
                    lines: Vec::new(),
                    standing: Standing::Tombstoned,
                    cancelled: false,
                    confirmed_late: false,
                })
            }),
            ReservationEvent::ConfirmedAfterRelease => {
                current.map(|reservation| Self { confirmed_late: true, ..reservation })
            }
        }
    }

    /// The data by which a saga moves the stock of one of its lines.
    pub fn moved(saga_id: &str, order_id: &str, line: &ReservationLine) -> StockMoved {
        StockMoved { saga_id: saga_id.to_owned(), order_id: order_id.to_owned(), quantity: i64::from(line.quantity) }
    }
}

impl ReservationEvent {
    /// The event's type and data for the store.
    pub fn written(&self) -> Written {
        match self {
            Self::Made(data) => written("ReservationMade", data),
            Self::Released(data) => written("ReservationReleased", data),
            Self::Confirmed => written("ReservationConfirmed", &Nothing {}),
            Self::Returned => written("ReservationReturned", &Nothing {}),
            Self::Tombstoned => written("ReservationTombstoned", &Nothing {}),
            Self::ConfirmedAfterRelease => written("ConfirmedAfterRelease", &Nothing {}),
        }
    }

    /// The event as recorded in a `reservation-…` stream.
    ///
    /// # Errors
    /// [`UnreadableEvent`] for a type or form that is not known.
    pub fn read(event: &RecordedEvent) -> Result<Self, UnreadableEvent> {
        Ok(match event.event_type.as_str() {
            "ReservationMade" => Self::Made(read(event)?),
            "ReservationReleased" => Self::Released(read(event)?),
            "ReservationConfirmed" => Self::Confirmed,
            "ReservationReturned" => Self::Returned,
            "ReservationTombstoned" => Self::Tombstoned,
            "ConfirmedAfterRelease" => Self::ConfirmedAfterRelease,
            _ => return Err(UnreadableEvent::of(event, None)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Details, Price, ProductStatus};
    use madrigal_core::Currency;

    fn made() -> ReservationEvent {
        let line = ReservationLine {
            product_id: ProductId::parse("tea").unwrap(),
            name: "Tea".into(),
            price: Money { amount: 5, currency: Currency::EUR },
            discount: BasisPoints::ZERO,
            quantity: 2,
        };
        ReservationEvent::Made(ReservationMade { order_id: "o1".into(), lines: vec![line] })
    }

    fn released(cause: ReleaseCause) -> ReservationEvent {
        ReservationEvent::Released(ReservationReleased { cause })
    }

    fn after(events: &[ReservationEvent]) -> Option<Reservation> {
        events.iter().fold(None, Reservation::evolve)
    }

    #[test]
    fn every_message_has_its_answer_in_every_standing() {
        use ReservationEvent::{Confirmed, ConfirmedAfterRelease, Returned, Tombstoned};
        let undone = || released(ReleaseCause::Undone);
        let stored = Some(ReserveDecision::Stored);
        let refused = Some(ReserveDecision::Released);
        let release = UndoDecision::Release(ReleaseCause::Undone);
        let nothing = UndoDecision::Nothing;
        for (history, reserve, undo, take_back, confirm) in [
            (vec![], None, UndoDecision::Tombstone, UndoDecision::Tombstone, ConfirmDecision::Unknown),
            (
                vec![made()],
                stored.clone(),
                release,
                UndoDecision::Release(ReleaseCause::Cancelled),
                ConfirmDecision::Sell,
            ),
            (vec![made(), Confirmed], stored, UndoDecision::Sold, UndoDecision::Return, ConfirmDecision::Stored),
            (vec![made(), Confirmed, Returned], refused.clone(), nothing, nothing, ConfirmDecision::Stored),
            (vec![made(), undone()], refused.clone(), nothing, nothing, ConfirmDecision::RecordLate { alarm: true }),
            (
                vec![made(), released(ReleaseCause::Cancelled)],
                refused.clone(),
                nothing,
                nothing,
                ConfirmDecision::RecordLate { alarm: false },
            ),
            (
                vec![made(), undone(), ConfirmedAfterRelease],
                refused.clone(),
                nothing,
                nothing,
                ConfirmDecision::LateAgain,
            ),
            (vec![Tombstoned], refused, nothing, nothing, ConfirmDecision::RecordLate { alarm: true }),
        ] {
            let state = after(&history);
            let state = state.as_ref();
            if let Some(expected) = reserve {
                let asked = [("tea".to_owned(), 2)];
                assert_eq!(Reservation::reserve(state, "o1", &asked, |_| None), expected, "{history:?}");
            }
            assert_eq!(Reservation::release(state, ReleaseCause::Undone), undo, "{history:?}");
            assert_eq!(Reservation::take_back(state), take_back, "{history:?}");
            assert_eq!(Reservation::confirm(state), confirm, "{history:?}");
        }
    }

    #[test]
    fn a_key_used_for_something_else_is_a_mistake() {
        let state = after(&[made()]);
        for (order, product, quantity) in [("o2", "tea", 2), ("o1", "milk", 2), ("o1", "tea", 3)] {
            let asked = [(product.to_owned(), quantity)];
            assert_eq!(
                Reservation::reserve(state.as_ref(), order, &asked, |_| None),
                ReserveDecision::OtherContent,
                "{order} {product} {quantity}"
            );
        }
    }

    #[test]
    fn all_lines_are_held_or_none_and_the_short_ones_are_named() {
        let details = |status| Details {
            name: "Tea".into(),
            description: String::new(),
            category: vec![],
            attributes: vec![],
            tags: vec![],
            brand: None,
            status,
        };
        let price = Price { amount: 5, currency: Currency::EUR, discount: BasisPoints::ZERO };
        let on_sale = Product { details: details(ProductStatus::Active), price, withdrawn: false };
        let inactive = Product { details: details(ProductStatus::Inactive), price, withdrawn: false };
        let withdrawn = Product { withdrawn: true, ..on_sale.clone() };
        let stock = Stock { received: 10, on_hand: 10, reserved: 7, ..Stock::default() };
        let ids: Vec<ProductId> =
            ["on-sale", "inactive", "withdrawn"].iter().map(|id| ProductId::parse(id).unwrap()).collect();
        let shelf = |id: &str| match id {
            "on-sale" => Some((ids[0].clone(), &on_sale, &stock)),
            "inactive" => Some((ids[1].clone(), &inactive, &stock)),
            "withdrawn" => Some((ids[2].clone(), &withdrawn, &stock)),
            _ => None,
        };
        let short = |lines: &[(&str, u32)]| {
            let lines: Vec<(String, u32)> = lines.iter().map(|(id, quantity)| ((*id).to_owned(), *quantity)).collect();
            match Reservation::reserve(None, "o", &lines, shelf) {
                ReserveDecision::OutOfStock(short) => {
                    short.into_iter().map(|line| (line.product_id, line.available)).collect()
                }
                ReserveDecision::Make(_) => vec![],
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(short(&[("on-sale", 3)]), []);
        assert_eq!(short(&[("on-sale", 4)]), [("on-sale".to_owned(), 3)]);
        assert_eq!(
            short(&[("inactive", 1), ("on-sale", 1), ("withdrawn", 1), ("gone", 1)]),
            [("inactive".to_owned(), 0), ("withdrawn".to_owned(), 0), ("gone".to_owned(), 0)]
        );
    }
}

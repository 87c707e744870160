//! What catalog-service answers.

use madrigal_core::{BasisPoints, Money, PositionToken};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

/// Asks what products cost now. At most 1,000 at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuoteProducts {
    /// Which.
    pub product_ids: Vec<String>,
}

/// What one product costs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// The product.
    pub product_id: String,
    /// Its name.
    pub name: String,
    /// For one, before discount.
    pub price: Money,
    /// Off the line.
    pub discount: BasisPoints,
    /// Whether it may be ordered: its status is `active`.
    pub orderable: bool,
}

impl Call for QuoteProducts {
    /// Quotes of the products that exist, in the order asked; unknown ones are missing.
    type Answer = Vec<Quote>;
    const NAME: &'static str = "catalog.quote-products";
}

/// How many of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductQuantity {
    /// The product.
    pub product_id: String,
    /// How many, at least 1.
    pub quantity: u32,
}

/// Reserves all lines or none, for one saga; asking again gives the first answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveStock {
    /// The saga: the key of this reservation.
    pub saga_id: String,
    /// The order that it is for.
    pub order_id: String,
    /// Each product once.
    pub lines: Vec<ProductQuantity>,
}

/// A line that was reserved, at the price of that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservedLine {
    /// The product as it is sold: its price is the order's price.
    #[serde(flatten)]
    pub quote: Quote,
    /// How many.
    pub quantity: u32,
}

/// A line that could not be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShortLine {
    /// The product.
    pub product_id: String,
    /// How many were asked for.
    pub requested: u32,
    /// How many there are; 0 also where the product is unknown or not for sale.
    pub available: i64,
}

/// The answer to [`ReserveStock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "outcome")]
pub enum Reservation {
    /// All lines are reserved.
    Reserved {
        /// In the order asked.
        lines: Vec<ReservedLine>,
        /// The catalogue's position that has it.
        position: PositionToken,
    },
    /// Nothing is reserved, since these lines cannot be served.
    OutOfStock {
        /// Which.
        lines: Vec<ShortLine>,
    },
    /// Nothing is reserved: this saga's reservation was released before (a late message).
    Released,
}

impl Call for ReserveStock {
    type Answer = Reservation;
    const NAME: &'static str = "catalog.reserve-stock";
}

/// Releases what a saga reserved. Of a reservation never seen a tombstone remains, so that a late one is refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseReservation {
    /// The saga.
    pub saga_id: String,
}

/// The answer to calls that undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undone {
    /// Whether there was nothing to undo (a tombstone remains).
    pub nothing_to_undo: bool,
    /// The position that has it.
    pub position: PositionToken,
}

impl Call for ReleaseReservation {
    type Answer = Undone;
    const NAME: &'static str = "catalog.release-reservation";
}

/// Turns a reservation into a sale.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmReservation {
    /// The saga.
    pub saga_id: String,
}

/// The answer to [`ConfirmReservation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "outcome")]
pub enum Confirmation {
    /// What was reserved is sold.
    Sold {
        /// The position that has it.
        position: PositionToken,
    },
    /// The reservation was released before: recorded, and an alarm unless the order is cancelled.
    AfterRelease {
        /// The position that has the record.
        position: PositionToken,
    },
    /// There never was such a reservation; nothing was done.
    Unknown,
}

impl Call for ConfirmReservation {
    type Answer = Confirmation;
    const NAME: &'static str = "catalog.confirm-reservation";
}

/// Takes back what a saga sold (or still holds): the cancellation's side of the stock.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnStock {
    /// The saga that reserved it.
    pub saga_id: String,
}

impl Call for ReturnStock {
    type Answer = Undone;
    const NAME: &'static str = "catalog.return-stock";
}

//! The books over all services, read saga by saga: what the orders say, what is reserved and sold for them, what the provider
//! holds.
//!
//! The saga that places an order is the key under which all three keep their side. Each service says which sagas something
//! happened to since a position of its log ([`ListMovedSagas`]), and what it has of some of them. Whoever compares reads the
//! orders first: a saga that is over has left everything that it was to leave.

use madrigal_core::{Currency, Money, Position, Timestamp};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

use crate::catalog::ProductQuantity;

/// The most sagas that one call asks about.
pub const MAX_SAGAS: usize = 500;
/// The most events that one call looks through.
pub const MAX_EVENTS: usize = 2_000;

/// Asks which sagas something happened to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListMovedSagas {
    /// After this position of the service's log.
    pub after: Position,
    /// Through this one; to the end where there is none.
    pub through: Option<Position>,
    /// At most so many events are looked through, and no more than [`MAX_EVENTS`]; 0 asks for the end only.
    pub limit: usize,
}

/// The answer to [`ListMovedSagas`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovedSagas {
    /// Each once. A cancellation is told as the saga that had placed its order.
    pub sagas: Vec<String>,
    /// Of order-service: how many sagas that place orders were begun in this part of the log.
    pub begun: u64,
    /// Everything up to here was looked through.
    pub through: Position,
    /// The log's last durable position.
    pub end: Position,
    /// When the last event that was looked through was written; logs that are walked beside each other keep step by it.
    pub at: Option<Timestamp>,
}

impl Call for ListMovedSagas {
    type Answer = MovedSagas;
    const NAME: &'static str = "books.list-moved-sagas";
}

/// Asks order-service what came of sagas that place orders; at most [`MAX_SAGAS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadSagaOrders {
    /// Which.
    pub sagas: Vec<String>,
}

/// What came of a saga that places an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaOrder {
    /// The saga.
    pub saga_id: String,
    /// The order that it places.
    pub order_id: String,
    /// Whether it, or the cancellation of its order, is under way (or paused, stuck, set aside): its participants may have
    /// done their part or not.
    pub under_way: bool,
    /// Where the order stands that it has placed; `None` where it has placed none.
    pub status: Option<String>,
    /// Whether that order stands: it was placed and not cancelled.
    pub stands: bool,
    /// What the order holds.
    pub lines: Vec<ProductQuantity>,
    /// What it comes to; `None` where none was placed.
    pub final_amount: Option<Money>,
}

impl SagaOrder {
    /// Whether its order was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.status.is_some() && !self.stands
    }
}

impl Call for ReadSagaOrders {
    /// Of those that there are; unknown ones are missing.
    type Answer = Vec<SagaOrder>;
    const NAME: &'static str = "books.read-saga-orders";
}

/// Asks catalog-service what it holds or has sold for sagas; at most [`MAX_SAGAS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadSagaReservations {
    /// Which.
    pub sagas: Vec<String>,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReservationStanding {
    /// Its lines are held.
    Reserved,
    /// Its lines were given back before they were sold.
    Released,
    /// Its lines are sold.
    Sold,
    /// Its lines were sold and came back.
    Returned,
    /// It was undone before it was ever made.
    Tombstoned,
}

/// A saga's reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaReservation {
    /// The saga.
    pub saga_id: String,
    /// The order that it is for; empty under a tombstone.
    pub order_id: String,
    /// Where it stands.
    pub standing: ReservationStanding,
    /// Whether a confirmation came after its release.
    pub confirmed_late: bool,
    /// What it holds or held.
    pub lines: Vec<ProductQuantity>,
}

impl Call for ReadSagaReservations {
    /// Of those that there are.
    type Answer = Vec<SagaReservation>;
    const NAME: &'static str = "books.read-saga-reservations";
}

/// Asks payment-service what its provider did for sagas; at most [`MAX_SAGAS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadSagaAccounts {
    /// Which.
    pub sagas: Vec<String>,
}

/// The provider's account of one saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaAccount {
    /// The saga.
    pub saga_id: String,
    /// What was taken.
    pub charges: Vec<Money>,
    /// What was given back.
    pub refunds: Vec<Money>,
}

impl SagaAccount {
    /// What stays taken in this currency, in minor units.
    pub fn net(&self, currency: Currency) -> i128 {
        let sum = |moved: &[Money]| -> i128 {
            moved.iter().filter(|money| money.currency == currency).map(|money| i128::from(money.amount)).sum()
        };
        sum(&self.charges) - sum(&self.refunds)
    }
}

impl Call for ReadSagaAccounts {
    /// Of those under which money moved.
    type Answer = Vec<SagaAccount>;
    const NAME: &'static str = "books.read-saga-accounts";
}

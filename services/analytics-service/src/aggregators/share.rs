//! What one order adds to the rollups.

use std::collections::BTreeMap;

use madrigal_core::{Currency, Timestamp};

use crate::facts::{OrderFact, OrderState};

/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;

/// The whole hours since 1970 in UTC.
pub const fn hour_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(HOUR)
}

/// The whole days since 1970 in UTC.
pub const fn day_of_hour(hour: i64) -> i64 {
    hour.div_euclid(24)
}

/// The moment at which an hour begins, in microseconds.
pub const fn hour_begins(hour: i64) -> i64 {
    hour.saturating_mul(HOUR)
}

/// What an hour or a day comes to, in one currency; distinct customers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// All orders.
    pub orders: i64,
    /// Their final amounts.
    pub revenue: i128,
    /// Those delivered.
    pub completed: i64,
    /// Those cancelled.
    pub cancelled: i64,
    /// Those with the carrier.
    pub shipped: i64,
    /// The final amounts of those cancelled.
    pub cancelled_revenue: i128,
}

impl Bucket {
    /// Adds `sign` times another.
    pub fn add(&mut self, other: &Self, sign: i64) {
        self.orders += sign * other.orders;
        self.revenue += i128::from(sign) * other.revenue;
        self.completed += sign * other.completed;
        self.cancelled += sign * other.cancelled;
        self.shipped += sign * other.shipped;
        self.cancelled_revenue += i128::from(sign) * other.cancelled_revenue;
    }
}

/// What was sold of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sold {
    /// In how many orders.
    pub orders: i64,
    /// How many pieces.
    pub units: i128,
    /// For how much.
    pub revenue: i128,
}

impl Sold {
    /// Adds `sign` times another.
    pub fn add(&mut self, other: &Self, sign: i64) {
        self.orders += sign * other.orders;
        self.units += i128::from(sign) * other.units;
        self.revenue += i128::from(sign) * other.revenue;
    }
}

/// What a customer ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ordered {
    /// How many orders.
    pub orders: i64,
    /// How many of them are not cancelled.
    pub kept: i64,
    /// The final amounts of those.
    pub revenue: i128,
}

impl Ordered {
    /// Adds `sign` times another.
    pub fn add(&mut self, other: &Self, sign: i64) {
        self.orders += sign * other.orders;
        self.kept += sign * other.kept;
        self.revenue += i128::from(sign) * other.revenue;
    }
}

/// What one order that counts adds to the rollups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// When: whole hours since 1970.
    pub hour: i64,
    /// In which currency.
    pub currency: Currency,
    /// Whose.
    pub user_id: i64,
    /// To its hour and its day.
    pub bucket: Bucket,
    /// To its customer.
    pub ordered: Ordered,
    /// To its products.
    pub sold: Vec<(i64, Sold)>,
}

impl Share {
    /// The share of an order; `None` where it does not count (yet).
    pub fn of(fact: &OrderFact<i64>) -> Option<Self> {
        let hour = hour_of(fact.placed_at?);
        let amount = i128::from(fact.totals.final_amount);
        let is = |state| i64::from(fact.state == state);
        let kept = fact.state != OrderState::Cancelled;
        let bucket = Bucket {
            orders: 1,
            revenue: amount,
            completed: is(OrderState::Delivered),
            cancelled: is(OrderState::Cancelled),
            shipped: is(OrderState::Shipped),
            cancelled_revenue: if kept { 0 } else { amount },
        };
        let ordered = Ordered { orders: 1, kept: kept.into(), revenue: if kept { amount } else { 0 } };
        let sold = if kept { sold(fact) } else { Vec::new() };
        Some(Self { hour, currency: fact.currency, user_id: fact.user_id, bucket, ordered, sold })
    }

    /// The whole days since 1970.
    pub const fn day(&self) -> i64 {
        day_of_hour(self.hour)
    }

    /// In which hour and currency whose customer it makes distinct.
    pub const fn customer_hour(&self) -> (i64, Currency, i64) {
        (self.hour, self.currency, self.user_id)
    }
}

/// What an order sold, each product once however many lines it has.
fn sold(fact: &OrderFact<i64>) -> Vec<(i64, Sold)> {
    let of =
        |line: &crate::facts::Line<i64>| Sold { orders: 1, units: line.quantity.into(), revenue: line.amount.into() };
    if let [line] = fact.lines.as_slice() {
        return vec![(line.product, of(line))];
    }
    let mut sold: BTreeMap<i64, Sold> = BTreeMap::new();
    for line in &fact.lines {
        let there = sold.entry(line.product).or_default();
        there.add(&of(line), 1);
        there.orders = 1;
    }
    sold.into_iter().collect()
}

//! The brief's `order_analytics`, by day and by hour.

use std::collections::{BTreeMap, HashSet};

use madrigal_sqlite::sql::{self, Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::period::{Lengths, Period, Zone, day_text};
use crate::aggregators::share::{hour_begins, hour_of};

/// A day or an hour in one currency. Only those with orders have a row. Amounts are minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalyticsRow {
    /// The day (`2026-11-23`), or the beginning of the hour with its offset (`2026-11-23T10:00:00+02:00`).
    pub date: String,
    /// Of all amounts: amounts of two currencies are never added.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Orders placed, cancelled ones included.
    pub total_orders: i64,
    /// Their final amounts, cancelled ones included, as in the brief's query.
    pub total_revenue: i64,
    /// `totalRevenue` / `totalOrders`, rounded half up.
    pub avg_order_value: i64,
    /// Distinct customers, exactly.
    pub unique_customers: i64,
    /// Orders delivered.
    pub completed_orders: i64,
    /// Orders cancelled.
    pub cancelled_orders: i64,
    /// Orders with the carrier now.
    pub shipped_orders: i64,
    /// What of `totalRevenue` was cancelled: the difference is what was kept.
    pub cancelled_revenue: i64,
}

/// Sums without their date and currency.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) orders: i64,
    pub(super) revenue: i64,
    pub(super) customers: i64,
    pub(super) completed: i64,
    pub(super) cancelled: i64,
    pub(super) shipped: i64,
    pub(super) cancelled_revenue: i64,
}

impl Sums {
    pub(super) const COLUMNS: &'static str = "total_orders, total_revenue, unique_customers, completed_orders, \
                                              cancelled_orders, shipped_orders, cancelled_revenue";

    pub(super) fn of(row: &Row<'_>, first: usize) -> sql::Result<Self> {
        Ok(Self {
            orders: row.get(first)?,
            revenue: row.get(first + 1)?,
            customers: row.get(first + 2)?,
            completed: row.get(first + 3)?,
            cancelled: row.get(first + 4)?,
            shipped: row.get(first + 5)?,
            cancelled_revenue: row.get(first + 6)?,
        })
    }

    /// Everything but distinct customers, which are no sum.
    pub(super) fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.revenue = self.revenue.saturating_add(other.revenue);
        self.completed += other.completed;
        self.cancelled += other.cancelled;
        self.shipped += other.shipped;
        self.cancelled_revenue = self.cancelled_revenue.saturating_add(other.cancelled_revenue);
    }

    fn row(self, date: String, currency: String) -> AnalyticsRow {
        AnalyticsRow {
            date,
            currency,
            total_orders: self.orders,
            total_revenue: self.revenue,
            avg_order_value: average(self.revenue, self.orders),
            unique_customers: self.customers,
            completed_orders: self.completed,
            cancelled_orders: self.cancelled,
            shipped_orders: self.shipped,
            cancelled_revenue: self.cancelled_revenue,
        }
    }
}

/// Rounded half up; 0 where there is nothing.
pub(super) fn average(sum: i64, count: i64) -> i64 {
    if count <= 0 {
        return 0;
    }
    let (sum, count) = (i128::from(sum), i128::from(count));
    i64::try_from((2 * sum + count).div_euclid(2 * count)).unwrap_or(i64::MAX)
}

/// By day: the most in UTC, and in other zones, whose distinct customers are counted from the orders.
pub const DAILY: Lengths = Lengths { usual: 30, most: 366, most_elsewhere: 92 };
/// By hour.
pub const HOURLY: Lengths = Lengths::new(2, 31);

/// By day.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn daily(connection: &Connection, period: Period) -> sql::Result<Vec<AnalyticsRow>> {
    if period.zone == Zone::UTC {
        let select = format!("SELECT day, currency, {} FROM daily WHERE day BETWEEN ?1 AND ?2", Sums::COLUMNS);
        let mut select = connection.prepare_cached(&select)?;
        let rows = select.query_map([period.first, period.last], |row| {
            Ok(Sums::of(row, 2)?.row(day_text(row.get(0)?), row.get(1)?))
        })?;
        return rows.collect();
    }
    let mut days: BTreeMap<(i64, String), Sums> = BTreeMap::new();
    for_hours(connection, period, |hour, currency, sums| {
        days.entry((period.zone.day_of(hour), currency)).or_default().add(&sums);
    })?;
    for (place, customers) in customers_by_day(connection, period)? {
        days.entry(place).or_default().customers = customers;
    }
    Ok(days.into_iter().map(|((day, currency), sums)| sums.row(day_text(day), currency)).collect())
}

/// By hour.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn hourly(connection: &Connection, period: Period) -> sql::Result<Vec<AnalyticsRow>> {
    let mut rows = Vec::new();
    for_hours(connection, period, |hour, currency, sums| {
        rows.push(sums.row(period.zone.hour_text(hour), currency));
    })?;
    Ok(rows)
}

fn for_hours(connection: &Connection, period: Period, mut each: impl FnMut(i64, String, Sums)) -> sql::Result<()> {
    let select = format!("SELECT hour, currency, {} FROM hourly WHERE hour >= ?1 AND hour < ?2", Sums::COLUMNS);
    let mut select = connection.prepare_cached(&select)?;
    let (first, end) = period.hours();
    let mut rows = select.query([first, end])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, row.get(1)?, Sums::of(row, 2)?);
    }
    Ok(())
}

/// Distinct customers of days that are not days of UTC: counted from the orders, a day's customers in memory at a time.
fn customers_by_day(connection: &Connection, period: Period) -> sql::Result<Vec<((i64, String), i64)>> {
    let mut select = connection.prepare_cached(
        "SELECT placed_at, currency, user_id FROM orders INDEXED BY orders_by_time
         WHERE placed_at >= ?1 AND placed_at < ?2 ORDER BY placed_at",
    )?;
    let (first, end) = period.hours();
    let mut rows = select.query(params![hour_begins(first), hour_begins(end)])?;
    let mut counted = Vec::new();
    let mut open: BTreeMap<String, HashSet<i64>> = BTreeMap::new();
    let mut day = i64::MIN;
    let mut close = |day: i64, open: &mut BTreeMap<String, HashSet<i64>>| {
        let closed = std::mem::take(open).into_iter();
        counted.extend(closed.map(|(currency, users)| ((day, currency), i64::try_from(users.len()).unwrap_or(0))));
    };
    while let Some(row) = rows.next()? {
        let of = period.zone.day_of(hour_of(madrigal_core::Timestamp::from_micros(row.get(0)?)));
        if of != day {
            close(day, &mut open);
            day = of;
        }
        let currency = row.get_ref(1)?.as_str()?;
        match open.get_mut(currency) {
            Some(users) => users.insert(row.get(2)?),
            None => open.entry(currency.to_owned()).or_default().insert(row.get(2)?),
        };
    }
    close(day, &mut open);
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::average;

    #[test]
    fn an_average_is_rounded_half_up() {
        for (sum, count, expected) in [(10, 4, 3), (9, 4, 2), (0, 0, 0), (7, 0, 0), (i64::MAX, 1, i64::MAX)] {
            assert_eq!(average(sum, count), expected, "{sum}/{count}");
        }
    }
}

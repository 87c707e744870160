//! The differences that a batch makes to the rollups: gathered in memory, so that an hour that a thousand orders fall into is
//! written once, and written in the transaction of their facts.

use std::collections::BTreeMap;

use madrigal_core::Currency;
use madrigal_sqlite::sql::{self, Transaction, params};

use super::share::{Bucket, Ordered, Share, Sold, day_of_hour, hour_begins};
use crate::facts::OrderFact;
use crate::store::{delete_order, load_order, write_order};

/// An hour or day, a currency, a customer: where a share goes to.
type Place = (i64, Currency, i64);

/// Differences that are not written yet. One per transaction; [`Changes::write`] at its end.
#[derive(Debug, Default)]
pub struct Changes {
    hours: BTreeMap<(i64, Currency), Bucket>,
    /// Distinct customers of hours.
    hour_customers: BTreeMap<(i64, Currency), i64>,
    products: BTreeMap<(i64, i64, Currency), Sold>,
    customers: BTreeMap<(i64, i64, Currency), Ordered>,
}

impl Changes {
    /// Writes an order's fact, or takes it away, and notes what that changes. `before` is what the table has.
    ///
    /// # Errors
    /// An SQL error if the engine broke.
    pub fn put(
        &mut self,
        tx: &Transaction<'_>,
        order_id: &str,
        before: Option<&OrderFact<i64>>,
        after: Option<&OrderFact<i64>>,
    ) -> sql::Result<()> {
        match after {
            Some(after) => write_order(tx, order_id, before, after)?,
            None => delete_order(tx, order_id)?,
        }
        self.note(tx, order_id, before, after)
    }

    /// Inserts the fact of an order that is expected to be new; where it is there already, what the table has.
    ///
    /// # Errors
    /// An SQL error if the engine broke.
    pub fn begin(
        &mut self,
        tx: &Transaction<'_>,
        order_id: &str,
        fact: &OrderFact<i64>,
    ) -> sql::Result<Option<OrderFact<i64>>> {
        if crate::store::insert_order(tx, order_id, fact)? {
            self.note(tx, order_id, None, Some(fact))?;
            return Ok(None);
        }
        load_order(tx, order_id)
    }

    fn note(
        &mut self,
        tx: &Transaction<'_>,
        order_id: &str,
        before: Option<&OrderFact<i64>>,
        after: Option<&OrderFact<i64>>,
    ) -> sql::Result<()> {
        let (before, after) = (before.and_then(Share::of), after.and_then(Share::of));
        if before == after {
            return Ok(());
        }
        let (one, other) = (before.as_ref(), after.as_ref());
        let same = |what: fn(&Share) -> Place| one.map(what) == other.map(what);
        let moved = !same(|share| (share.hour, share.currency, share.user_id));
        let same_customer = !moved && one.map(|share| share.ordered) == other.map(|share| share.ordered);
        let same_day = same(|share| (share.day(), share.currency, 0));
        let same_products = same_day && one.map(|share| &share.sold) == other.map(|share| &share.sold);
        for (share, sign) in [(one, -1), (other, 1)] {
            let Some(share) = share else { continue };
            let (day, currency) = (share.day(), share.currency);
            self.hours.entry((share.hour, currency)).or_default().add(&share.bucket, sign);
            if !same_customer {
                self.customers.entry((day, share.user_id, currency)).or_default().add(&share.ordered, sign);
            }
            for (product, sold) in share.sold.iter().filter(|_| !same_products) {
                self.products.entry((day, *product, currency)).or_default().add(sold, sign);
            }
            // The table says who else ordered in the hour, whatever this order is there.
            if moved && !another_in_hour(tx, share, order_id)? {
                *self.hour_customers.entry((share.hour, currency)).or_default() += sign;
            }
        }
        Ok(())
    }

    /// Writes the rollups.
    ///
    /// # Errors
    /// An SQL error if the engine broke.
    pub fn write(self, tx: &Transaction<'_>) -> sql::Result<()> {
        let mut days: BTreeMap<(i64, Currency), (Bucket, i64)> = BTreeMap::new();
        for (&(hour, currency), bucket) in &self.hours {
            days.entry((day_of_hour(hour), currency)).or_default().0.add(bucket, 1);
        }
        let mut totals: BTreeMap<(i64, Currency), Ordered> = BTreeMap::new();
        for (&(day, user_id, currency), ordered) in &self.customers {
            totals.entry((user_id, currency)).or_default().add(ordered, 1);
            days.entry((day, currency)).or_default().1 += add_customer_day(tx, day, user_id, currency, ordered)?;
        }
        let mut hours: BTreeMap<(i64, Currency), (Bucket, i64)> =
            self.hours.into_iter().map(|(place, bucket)| (place, (bucket, 0))).collect();
        for (place, customers) in self.hour_customers {
            hours.entry(place).or_default().1 += customers;
        }
        for ((hour, currency), (bucket, customers)) in hours {
            add_bucket(tx, ADD_HOUR, DROP_HOUR, (hour, currency), &bucket, customers)?;
        }
        for ((day, currency), (bucket, customers)) in days {
            add_bucket(tx, ADD_DAY, DROP_DAY, (day, currency), &bucket, customers)?;
        }
        for ((day, product, currency), sold) in self.products {
            add_product_day(tx, day, product, currency, &sold)?;
        }
        for ((user_id, currency), ordered) in totals {
            add_customer(tx, user_id, currency, &ordered)?;
        }
        Ok(())
    }
}

/// Whether the customer has another order in the share's hour and currency.
fn another_in_hour(tx: &Transaction<'_>, share: &Share, order_id: &str) -> sql::Result<bool> {
    let mut select = tx.prepare_cached(
        "SELECT 1 FROM orders WHERE user_id = ?1 AND currency = ?2 AND placed_at >= ?3 AND placed_at < ?4
           AND order_id <> ?5 LIMIT 1",
    )?;
    let (begins, ends) = (hour_begins(share.hour), hour_begins(share.hour + 1));
    select.exists(params![share.user_id, share.currency.as_str(), begins, ends, order_id])
}

/// Sums of integers beyond 64 bits become reals in SQLite; the cast brings them back as the highest integer.
macro_rules! bucket_sql {
    ($table:literal, $key:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (",
            $key,
            ", currency, total_orders, total_revenue, unique_customers,
               completed_orders, cancelled_orders, shipped_orders, cancelled_revenue)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (",
            $key,
            ", currency) DO UPDATE SET
               total_orders = total_orders + excluded.total_orders,
               total_revenue = CAST(total_revenue + excluded.total_revenue AS INTEGER),
               unique_customers = unique_customers + excluded.unique_customers,
               completed_orders = completed_orders + excluded.completed_orders,
               cancelled_orders = cancelled_orders + excluded.cancelled_orders,
               shipped_orders = shipped_orders + excluded.shipped_orders,
               cancelled_revenue = CAST(cancelled_revenue + excluded.cancelled_revenue AS INTEGER)"
        )
    };
}

const ADD_HOUR: &str = bucket_sql!("hourly", "hour");
const ADD_DAY: &str = bucket_sql!("daily", "day");
const DROP_HOUR: &str = "DELETE FROM hourly WHERE hour = ?1 AND currency = ?2 AND total_orders = 0";
const DROP_DAY: &str = "DELETE FROM daily WHERE day = ?1 AND currency = ?2 AND total_orders = 0";

fn add_bucket(
    tx: &Transaction<'_>,
    add: &'static str,
    drop: &'static str,
    (place, currency): (i64, Currency),
    bucket: &Bucket,
    customers: i64,
) -> sql::Result<()> {
    tx.prepare_cached(add)?.execute(params![
        place,
        currency.as_str(),
        bucket.orders,
        fitting(bucket.revenue),
        customers,
        bucket.completed,
        bucket.cancelled,
        bucket.shipped,
        fitting(bucket.cancelled_revenue),
    ])?;
    if bucket.orders < 0 {
        tx.prepare_cached(drop)?.execute(params![place, currency.as_str()])?;
    }
    Ok(())
}

fn add_product_day(tx: &Transaction<'_>, day: i64, product: i64, currency: Currency, sold: &Sold) -> sql::Result<()> {
    tx.prepare_cached(
        "INSERT INTO product_days (day, product, currency, orders, units, revenue) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (day, product, currency) DO UPDATE SET orders = orders + excluded.orders,
           units = CAST(units + excluded.units AS INTEGER), revenue = CAST(revenue + excluded.revenue AS INTEGER)",
    )?
    .execute(params![day, product, currency.as_str(), sold.orders, fitting(sold.units), fitting(sold.revenue)])?;
    if sold.orders < 0 {
        let drop = "DELETE FROM product_days WHERE day = ?1 AND product = ?2 AND currency = ?3 AND orders = 0";
        tx.prepare_cached(drop)?.execute(params![day, product, currency.as_str()])?;
    }
    Ok(())
}

/// Returns by how many the day's distinct customers change: 1, 0 or -1.
fn add_customer_day(
    tx: &Transaction<'_>,
    day: i64,
    user_id: i64,
    currency: Currency,
    ordered: &Ordered,
) -> sql::Result<i64> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO customer_days (day, user_id, currency, orders, kept, revenue) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (day, user_id, currency) DO UPDATE SET orders = orders + excluded.orders,
           kept = kept + excluded.kept, revenue = CAST(revenue + excluded.revenue AS INTEGER)
         RETURNING orders",
    )?;
    let values = params![day, user_id, currency.as_str(), ordered.orders, ordered.kept, fitting(ordered.revenue)];
    let orders: i64 = upsert.query_row(values, |row| row.get(0))?;
    if orders == 0 {
        let drop = "DELETE FROM customer_days WHERE day = ?1 AND user_id = ?2 AND currency = ?3";
        tx.prepare_cached(drop)?.execute(params![day, user_id, currency.as_str()])?;
    }
    Ok(i64::from(orders > 0) - i64::from(orders - ordered.orders > 0))
}

fn add_customer(tx: &Transaction<'_>, user_id: i64, currency: Currency, ordered: &Ordered) -> sql::Result<()> {
    tx.prepare_cached(
        "INSERT INTO customers (user_id, currency, orders, kept, revenue) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id, currency) DO UPDATE SET orders = orders + excluded.orders,
           kept = kept + excluded.kept, revenue = CAST(revenue + excluded.revenue AS INTEGER)",
    )?
    .execute(params![user_id, currency.as_str(), ordered.orders, ordered.kept, fitting(ordered.revenue)])?;
    if ordered.orders < 0 {
        let drop = "DELETE FROM customers WHERE user_id = ?1 AND currency = ?2 AND orders = 0";
        tx.prepare_cached(drop)?.execute(params![user_id, currency.as_str()])?;
    }
    Ok(())
}

/// As it is stored: what does not fit is the highest or lowest number.
pub(super) fn fitting(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum > 0 { i64::MAX } else { i64::MIN })
}

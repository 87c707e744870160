//! One day: its hours, its products and its customers.

use std::collections::{BTreeMap, BTreeSet};

use madrigal_core::Currency;
use madrigal_sqlite::sql::{self, Connection, Row, Transaction, params};

use crate::aggregators::changes::fitting;
use crate::aggregators::share::{Bucket, Ordered, Share, Sold, hour_begins};
use crate::store;

/// Numbers of a row, as they are stored.
type Numbers = Vec<i64>;
/// The rows of a day: under the rollup's name, its key without the day, and its currency.
type Rows = BTreeMap<(&'static str, i64, String), Numbers>;

const HOURLY: &str = "hourly";
const DAILY: &str = "daily";
const PRODUCTS: &str = "product_days";
const CUSTOMERS: &str = "customer_days";

/// The next day after this one that has facts or rollups.
pub(super) fn next(connection: &Connection, after: i64) -> sql::Result<Option<i64>> {
    let from = after.saturating_add(1);
    let mut next: Option<i64> = None;
    let mut see = |day: Option<i64>| next = next.into_iter().chain(day).min();
    for table in ["daily", "product_days", "customer_days"] {
        let mut select = connection.prepare_cached(&format!("SELECT min(day) FROM {table} WHERE day >= ?1"))?;
        see(select.query_row([from], |row| row.get(0))?);
    }
    let (hour, time) = (from.saturating_mul(24), hour_begins(from.saturating_mul(24)));
    let mut select = connection.prepare_cached("SELECT min(hour) FROM hourly WHERE hour >= ?1")?;
    see(select.query_row([hour], |row| row.get::<_, Option<i64>>(0))?.map(|hour| hour.div_euclid(24)));
    let mut select = connection.prepare_cached("SELECT min(placed_at) FROM orders WHERE placed_at >= ?1")?;
    let micros: Option<i64> = select.query_row([time], |row| row.get(0))?;
    see(micros.map(|micros| micros.div_euclid(hour_begins(24))));
    Ok(next)
}

/// How many rows of a day differ from what the facts come to.
pub(super) fn differences(connection: &Connection, day: i64) -> sql::Result<u64> {
    Ok(differing(&recomputed(connection, day)?, &stored(connection, day)?))
}

/// Makes the day's rows what the facts come to; how many differed.
pub(super) fn mend(tx: &Transaction<'_>, day: i64) -> sql::Result<u64> {
    let (right, there) = (recomputed(tx, day)?, stored(tx, day)?);
    let differ = differing(&right, &there);
    if differ == 0 {
        return Ok(0);
    }
    tx.execute("DELETE FROM hourly WHERE hour >= ?1 AND hour < ?2", [day * 24, (day + 1) * 24])?;
    for table in [DAILY, PRODUCTS, CUSTOMERS] {
        tx.execute(&format!("DELETE FROM {table} WHERE day = ?1"), [day])?;
    }
    for ((table, key, currency), numbers) in &right {
        let columns = match *table {
            HOURLY => "hour, currency",
            DAILY => "day, currency",
            PRODUCTS => "day, product, currency",
            _ => "day, user_id, currency",
        };
        let others = match *table {
            HOURLY | DAILY => BUCKET,
            PRODUCTS => SOLD,
            _ => ORDERED,
        };
        let mut values: Vec<&dyn sql::ToSql> = Vec::with_capacity(10);
        if !matches!(*table, HOURLY | DAILY) {
            values.push(&day);
        }
        values.push(key);
        values.push(currency);
        values.extend(numbers.iter().map(|number| number as &dyn sql::ToSql));
        let places = vec!["?"; values.len()].join(", ");
        let insert = format!("INSERT INTO {table} ({columns}, {others}) VALUES ({places})");
        tx.prepare_cached(&insert)?.execute(values.as_slice())?;
    }
    Ok(differ)
}

const BUCKET: &str = "total_orders, total_revenue, unique_customers, completed_orders, cancelled_orders, \
                      shipped_orders, cancelled_revenue";
const SOLD: &str = "orders, units, revenue";
const ORDERED: &str = "orders, kept, revenue";

fn differing(right: &Rows, there: &Rows) -> u64 {
    let wrong = right.iter().filter(|(key, numbers)| there.get(key) != Some(numbers)).count();
    let extra = there.keys().filter(|key| !right.contains_key(key)).count();
    (wrong + extra) as u64
}

/// What the facts of a day come to.
fn recomputed(connection: &Connection, day: i64) -> sql::Result<Rows> {
    let mut buckets: BTreeMap<(&'static str, i64, Currency), (Bucket, BTreeSet<i64>)> = BTreeMap::new();
    let mut products: BTreeMap<(i64, Currency), Sold> = BTreeMap::new();
    let mut customers: BTreeMap<(i64, Currency), Ordered> = BTreeMap::new();
    let columns = store::COLUMNS;
    let select = format!("SELECT {columns} FROM orders WHERE placed_at >= ?1 AND placed_at < ?2");
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query([hour_begins(day * 24), hour_begins((day + 1) * 24)])?;
    while let Some(row) = rows.next()? {
        let Some(share) = Share::of(&store::fact_of(row, 0)?) else { continue };
        for place in [(HOURLY, share.hour, share.currency), (DAILY, day, share.currency)] {
            let (bucket, customers) = buckets.entry(place).or_default();
            bucket.add(&share.bucket, 1);
            customers.insert(share.user_id);
        }
        customers.entry((share.user_id, share.currency)).or_default().add(&share.ordered, 1);
        for (product, sold) in &share.sold {
            products.entry((*product, share.currency)).or_default().add(sold, 1);
        }
    }
    let buckets = buckets.into_iter().map(|((table, place, currency), (bucket, customers))| {
        ((table, place, currency.to_string()), bucket_numbers(&bucket, customers.len()))
    });
    let products = products.into_iter().map(|((product, currency), sold)| {
        ((PRODUCTS, product, currency.to_string()), vec![sold.orders, fitting(sold.units), fitting(sold.revenue)])
    });
    let customers = customers.into_iter().map(|((user_id, currency), ordered)| {
        ((CUSTOMERS, user_id, currency.to_string()), vec![ordered.orders, ordered.kept, fitting(ordered.revenue)])
    });
    Ok(buckets.chain(products).chain(customers).collect())
}

fn bucket_numbers(bucket: &Bucket, customers: usize) -> Numbers {
    vec![
        bucket.orders,
        fitting(bucket.revenue),
        i64::try_from(customers).unwrap_or(i64::MAX),
        bucket.completed,
        bucket.cancelled,
        bucket.shipped,
        fitting(bucket.cancelled_revenue),
    ]
}

/// What the rollups say of a day.
fn stored(connection: &Connection, day: i64) -> sql::Result<Rows> {
    let mut there = Rows::new();
    let selects = [
        (HOURLY, format!("SELECT hour, currency, {BUCKET} FROM hourly WHERE hour >= ?1 AND hour < ?2"), 7),
        (DAILY, format!("SELECT day, currency, {BUCKET} FROM daily WHERE day >= ?1 AND day < ?2"), 7),
        (PRODUCTS, format!("SELECT product, currency, {SOLD} FROM product_days WHERE day >= ?1 AND day < ?2"), 3),
        (CUSTOMERS, format!("SELECT user_id, currency, {ORDERED} FROM customer_days WHERE day >= ?1 AND day < ?2"), 3),
    ];
    for (table, select, numbers) in selects {
        let scale = if table == HOURLY { 24 } else { 1 };
        let mut select = connection.prepare_cached(&select)?;
        let read = |row: &Row<'_>| {
            let numbers = (2..2 + numbers).map(|column| row.get(column)).collect::<sql::Result<Numbers>>()?;
            Ok(((table, row.get(0)?, row.get(1)?), numbers))
        };
        for row in select.query_map(params![day * scale, (day + 1) * scale], read)? {
            let (key, numbers) = row?;
            there.insert(key, numbers);
        }
    }
    Ok(there)
}

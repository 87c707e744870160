//! Customers over all days, some hundred at a time.

use std::collections::BTreeMap;

use madrigal_sqlite::sql::{self, Connection, OptionalExtension, Transaction, params};

use crate::aggregators::changes::fitting;
use crate::facts::OrderState;

/// Customers of one step: one snapshot.
const STEP: i64 = 200;

/// What one step found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    /// The last customer of the step; the highest number where there are no more.
    pub(super) through: i64,
    /// How many customers with orders it had.
    pub(super) customers: u64,
    /// How many rows differ.
    pub(super) differ: u64,
}

type Rows = BTreeMap<(i64, String), [i64; 3]>;

/// Compares the next customers after this one.
pub(super) fn check(connection: &Connection, after: i64) -> sql::Result<Checked> {
    let mut select = connection.prepare_cached(
        "SELECT DISTINCT user_id FROM orders INDEXED BY orders_by_user
         WHERE placed_at IS NOT NULL AND user_id > ?1 ORDER BY user_id LIMIT 1 OFFSET ?2",
    )?;
    let through = select.query_row([after, STEP - 1], |row| row.get(0)).optional()?.unwrap_or(i64::MAX);
    let (right, there) = (recomputed(connection, after, through)?, stored(connection, after, through)?);
    Ok(Checked { through, customers: right.len() as u64, differ: differing(&right, &there) })
}

/// Makes the rows of these customers what the facts come to; how many differed.
pub(super) fn mend(tx: &Transaction<'_>, after: i64, through: i64) -> sql::Result<u64> {
    let (right, there) = (recomputed(tx, after, through)?, stored(tx, after, through)?);
    let differ = differing(&right, &there);
    if differ == 0 {
        return Ok(0);
    }
    tx.execute("DELETE FROM customers WHERE user_id > ?1 AND user_id <= ?2", [after, through])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO customers (user_id, currency, orders, kept, revenue) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for ((user_id, currency), [orders, kept, revenue]) in &right {
        insert.execute(params![user_id, currency, orders, kept, revenue])?;
    }
    Ok(differ)
}

fn differing(right: &Rows, there: &Rows) -> u64 {
    let wrong = right.iter().filter(|(key, numbers)| there.get(key) != Some(numbers)).count();
    let extra = there.keys().filter(|key| !right.contains_key(key)).count();
    (wrong + extra) as u64
}

fn recomputed(connection: &Connection, after: i64, through: i64) -> sql::Result<Rows> {
    let mut select = connection.prepare_cached(
        "SELECT user_id, currency, status, final_amount FROM orders
         WHERE placed_at IS NOT NULL AND user_id > ?1 AND user_id <= ?2",
    )?;
    let mut sums: BTreeMap<(i64, String), (i64, i64, i128)> = BTreeMap::new();
    let mut rows = select.query([after, through])?;
    while let Some(row) = rows.next()? {
        let (orders, kept, revenue) = sums.entry((row.get(0)?, row.get(1)?)).or_default();
        *orders += 1;
        if row.get::<_, i64>(2)? != OrderState::Cancelled.number() {
            *kept += 1;
            *revenue += i128::from(row.get::<_, i64>(3)?);
        }
    }
    Ok(sums.into_iter().map(|(key, (orders, kept, revenue))| (key, [orders, kept, fitting(revenue)])).collect())
}

fn stored(connection: &Connection, after: i64, through: i64) -> sql::Result<Rows> {
    let mut select = connection.prepare_cached(
        "SELECT user_id, currency, orders, kept, revenue FROM customers WHERE user_id > ?1 AND user_id <= ?2",
    )?;
    let rows = select
        .query_map([after, through], |row| Ok(((row.get(0)?, row.get(1)?), [row.get(2)?, row.get(3)?, row.get(4)?])))?;
    rows.collect()
}

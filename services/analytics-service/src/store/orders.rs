//! Rows of the table `orders`. Whoever writes them writes the rollups in the same transaction, see [`crate::aggregators`].

use madrigal_core::money::Totals;
use madrigal_core::{Currency, Timestamp};
use madrigal_sqlite::sql::{self, Connection, OptionalExtension, Row, Transaction, Type, params};

use crate::facts::{OrderFact, OrderState, read_lines, write_lines};

/// The columns that [`fact_of`] reads, in its order.
pub(crate) const COLUMNS: &str = "version, user_id, currency, status, imported, created_at, placed_at, item_count, \
                                  total_amount, discount_amount, tax_amount, final_amount, lines";

/// The fact of an order, or `None`.
///
/// # Errors
/// An SQL error if the engine broke, or the row does not have the form that this program writes.
pub fn load_order(connection: &Connection, order_id: &str) -> sql::Result<Option<OrderFact<i64>>> {
    let mut select = connection.prepare_cached(
        "SELECT version, user_id, currency, status, imported, created_at, placed_at, item_count, total_amount,
           discount_amount, tax_amount, final_amount, lines FROM orders WHERE order_id = ?1",
    )?;
    select.query_row([order_id], |row| fact_of(row, 0)).optional()
}

/// The fact in a row whose [`COLUMNS`] begin at `first`.
pub(crate) fn fact_of(row: &Row<'_>, first: usize) -> sql::Result<OrderFact<i64>> {
    let odd =
        |column: usize, kind, why: &'static str| sql::Error::FromSqlConversionFailure(first + column, kind, why.into());
    let whole = |column: usize| -> sql::Result<u64> {
        u64::try_from(row.get::<_, i64>(first + column)?).map_err(|_| odd(column, Type::Integer, "below zero"))
    };
    let currency = row.get_ref(first + 2)?.as_str()?;
    let lines = row.get_ref(first + 12)?.as_blob()?;
    Ok(OrderFact {
        version: whole(0)?,
        user_id: row.get(first + 1)?,
        currency: Currency::parse(currency).ok_or_else(|| odd(2, Type::Text, "not a currency"))?,
        state: OrderState::of_number(row.get(first + 3)?).ok_or_else(|| odd(3, Type::Integer, "not a status"))?,
        imported: row.get(first + 4)?,
        created_at: Timestamp::from_micros(row.get(first + 5)?),
        placed_at: row.get::<_, Option<i64>>(first + 6)?.map(Timestamp::from_micros),
        totals: Totals {
            item_count: whole(7)?,
            total_amount: row.get(first + 8)?,
            discount_amount: row.get(first + 9)?,
            tax_amount: row.get(first + 10)?,
            final_amount: row.get(first + 11)?,
        },
        lines: read_lines(lines).ok_or_else(|| odd(12, Type::Blob, "not lines"))?,
    })
}

/// Inserts the order's row; false where there is one, which stays.
pub(crate) fn insert_order(tx: &Transaction<'_>, order_id: &str, fact: &OrderFact<i64>) -> sql::Result<bool> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO orders (order_id, version, user_id, currency, status, imported, created_at, placed_at, item_count,
           total_amount, discount_amount, tax_amount, final_amount, lines)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT (order_id) DO NOTHING",
    )?;
    Ok(insert.execute(params![
        order_id,
        number(fact.version),
        fact.user_id,
        fact.currency.as_str(),
        fact.state.number(),
        fact.imported,
        fact.created_at.as_micros(),
        fact.placed_at.map(Timestamp::as_micros),
        number(fact.totals.item_count),
        fact.totals.total_amount,
        fact.totals.discount_amount,
        fact.totals.tax_amount,
        fact.totals.final_amount,
        write_lines(&fact.lines),
    ])? == 1)
}

/// Writes the order's row, whatever was there.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn write_order(
    tx: &Transaction<'_>,
    order_id: &str,
    before: Option<&OrderFact<i64>>,
    fact: &OrderFact<i64>,
) -> sql::Result<()> {
    let same = |before: &OrderFact<i64>| {
        let columns = |fact: &OrderFact<i64>| (fact.user_id, fact.currency, fact.imported, fact.created_at);
        columns(before) == columns(fact)
            && (before.placed_at, &before.lines, before.totals) == (fact.placed_at, &fact.lines, fact.totals)
    };
    if before.is_some_and(same) {
        // The common change of an order that is there: no index is touched.
        let mut update = tx.prepare_cached("UPDATE orders SET version = ?2, status = ?3 WHERE order_id = ?1")?;
        update.execute(params![order_id, number(fact.version), fact.state.number()])?;
        return Ok(());
    }
    if before.is_some() {
        delete_order(tx, order_id)?;
    }
    insert_order(tx, order_id, fact).map(|_| ())
}

/// Takes the order's row away.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn delete_order(tx: &Transaction<'_>, order_id: &str) -> sql::Result<()> {
    tx.prepare_cached("DELETE FROM orders WHERE order_id = ?1")?.execute([order_id]).map(|_| ())
}

/// As SQLite keeps it: counts end far below 2^63.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

//! Rows as they stand: chunks for readers, and rows that are told again in the log.

use madrigal_cdc::{Change, Chunk, ChunkError, Key, Op, SnapshotMark, Value as Told};
use madrigal_core::Timestamp;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::tables::{Table, text};
use super::{Inner, log};
use crate::parked::number;
use crate::sql::{self, Connection, Result};

/// The values of a key's columns, in the key's order.
pub(super) fn key_values(table: &Table, key: &Key) -> std::result::Result<Vec<Value>, ChunkError> {
    let not_a_key = || ChunkError::NotAKey(key.clone());
    if key.columns().len() != table.described.key.len() {
        return Err(not_a_key());
    }
    let value = |column: &String| match key.columns().get(column) {
        Some(Told::Number(number)) => match number.as_i64() {
            Some(whole) => Some(Value::Integer(whole)),
            None => number.as_f64().map(Value::Real),
        },
        Some(Told::Text(text)) => Some(Value::Text(text.clone())),
        _ => None,
    };
    table.described.key.iter().map(|column| value(column).ok_or_else(not_a_key)).collect()
}

pub(super) fn chunk(
    connection: &Connection,
    log: &Inner,
    table: &Table,
    after: Option<Vec<Value>>,
    limit: usize,
) -> Result<Chunk> {
    let (condition, values) = after_key(table, after);
    let (key, image, from) = (table.key("this"), table.image("this"), table.name());
    let order = table.key_columns("this.").join(", ");
    let mut select = connection.prepare(&format!(
        "SELECT {key}, {image} FROM {from} AS this {condition} ORDER BY {order} LIMIT {}",
        number(limit as u64)
    ))?;
    let at = now(connection)?;
    let rows = select.query_map(params_from_iter(values), |row| {
        Ok((
            log::json(row, 0)?.ok_or_else(|| log::unreadable(0, "no key"))?,
            log::json(row, 1)?.ok_or_else(|| log::unreadable(1, "no row"))?,
        ))
    })?;
    let rows: Vec<Change> =
        rows.map(|row| row.map(|(key, after)| read(log, table, key, after, at))).collect::<Result<_>>()?;
    let next = if rows.len() == limit { rows.last().and_then(|row| row.key.clone()) } else { None };
    // Table and log are seen at one moment, inside one transaction.
    let moment = log::end(connection)?;
    Ok(Chunk { rows, low: moment, high: moment, epoch: log.epoch, next })
}

pub(super) fn rows(connection: &Connection, log: &Inner, table: &Table, keys: Vec<Vec<Value>>) -> Result<Chunk> {
    let (key, image, from) = (table.key("this"), table.image("this"), table.name());
    let mut select =
        connection.prepare(&format!("SELECT {key}, {image} FROM {from} AS this WHERE {}", equal_to(table)))?;
    let at = now(connection)?;
    let mut rows = Vec::new();
    for values in keys {
        let mut found = select.query(params_from_iter(values))?;
        while let Some(row) = found.next()? {
            let key = log::json(row, 0)?.ok_or_else(|| log::unreadable(0, "no key"))?;
            let after = log::json(row, 1)?.ok_or_else(|| log::unreadable(1, "no row"))?;
            rows.push(self::read(log, table, key, after, at));
        }
    }
    let moment = log::end(connection)?;
    Ok(Chunk { rows, low: moment, high: moment, epoch: log.epoch, next: None })
}

fn read(log: &Inner, table: &Table, key: Key, after: madrigal_cdc::Row, at: Timestamp) -> Change {
    Change {
        key: Some(key),
        before: None,
        after: Some(after),
        source: log::source(log, &table.described.table, at, SnapshotMark::Incremental),
        op: Op::Read,
        captured_at: at,
        transaction: None,
    }
}

/// Tells all rows again, in this transaction.
pub(super) fn retell_all(tx: &sql::Transaction<'_>, table: &Table) -> Result<()> {
    let statement = retell(table);
    tx.execute(&format!("{statement} ORDER BY {}", table.key_columns("this.").join(", ")), []).map(|_| ())
}

/// Tells some rows again; the key after which the next begin, `None` after the last.
pub(super) fn retell_after(
    tx: &sql::Transaction<'_>,
    table: &Table,
    after: Option<Vec<Value>>,
    limit: usize,
) -> Result<Option<Vec<Value>>> {
    let (condition, values) = after_key(table, after);
    let order = table.key_columns("this.").join(", ");
    let limit_number = number(limit as u64);
    // The keys first: where the next begin must be known, and rows do not change inside the transaction.
    let keys: Vec<Vec<Value>> = {
        let mut select = tx.prepare(&format!(
            "SELECT {order} FROM {} AS this {condition} ORDER BY {order} LIMIT {limit_number}",
            table.name()
        ))?;
        let columns = table.described.key.len();
        let rows =
            select.query_map(params_from_iter(values.clone()), |row| (0..columns).map(|at| row.get(at)).collect())?;
        rows.collect::<Result<_>>()?
    };
    tx.execute(
        &format!("{} {condition} ORDER BY {order} LIMIT {limit_number}", retell(table)),
        params_from_iter(values),
    )?;
    Ok(if keys.len() == limit { keys.into_iter().next_back() } else { None })
}

/// Tells the rows with these keys again.
pub(super) fn retell_keys(tx: &sql::Transaction<'_>, table: &Table, keys: Vec<Vec<Value>>) -> Result<()> {
    let mut insert = tx.prepare(&format!("{} WHERE {}", retell(table), equal_to(table)))?;
    for values in keys {
        insert.execute(params_from_iter(values))?;
    }
    Ok(())
}

fn retell(table: &Table) -> String {
    format!(
        "INSERT INTO changes (table_name, op, key, row_after) SELECT {}, 'r', {}, {} FROM {} AS this",
        text(&table.described.table),
        table.key("this"),
        table.image("this"),
        table.name()
    )
}

fn after_key(table: &Table, after: Option<Vec<Value>>) -> (String, Vec<Value>) {
    match after {
        None => (String::new(), Vec::new()),
        Some(values) => {
            let columns = table.key_columns("this.").join(", ");
            (format!("WHERE ({columns}) > ({})", placeholders(values.len())), values)
        }
    }
}

fn equal_to(table: &Table) -> String {
    let columns = table.key_columns("this.");
    format!("({}) = ({})", columns.join(", "), placeholders(columns.len()))
}

fn placeholders(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// When the rows are read, by the database's clock, as that of changes.
fn now(connection: &Connection) -> Result<Timestamp> {
    let text: String = connection.query_row("SELECT strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')", [], |row| row.get(0))?;
    text.parse().map_err(|error: madrigal_core::time::TimestampError| log::unreadable(0, error))
}

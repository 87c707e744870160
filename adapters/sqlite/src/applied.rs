//! How far copies in this file are: kept in the transaction of the rows, so that a crash takes both or neither.
//!
//! ```text
//! database.write("apply-rows", move |tx| {
//!     tx.execute("INSERT …", [])?;
//!     applied::advance(tx, "users.index", "users", epoch, position)?;
//!     Ok(())
//! })
//! ```

use madrigal_core::{Fault, LogEpoch, Position};
use rusqlite::{Connection, params};

use crate::database::Database;
use crate::migrations::Migration;
use crate::parked::{number, unsigned};
use crate::sql;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "how far copies are",
    sql: "CREATE TABLE applied_through (
        copy TEXT NOT NULL, log TEXT NOT NULL, epoch TEXT NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (copy, log)) WITHOUT ROWID, STRICT;",
}];

/// Makes the table in a file that copies live in.
///
/// # Errors
/// A [`Fault`] if the engine broke or the file is of a newer version.
///
/// # Cancellation
/// Safe to repeat.
pub async fn prepare(database: &Database) -> Result<(), Fault> {
    database.migrate("applied-through", STEPS).await
}

/// The copy has everything of that log up to `position`. Never goes back within an epoch; another epoch begins anew.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn advance(
    tx: &sql::Transaction<'_>,
    copy: &str,
    log: &str,
    epoch: LogEpoch,
    position: Position,
) -> sql::Result<()> {
    tx.prepare_cached(
        "INSERT INTO applied_through (copy, log, epoch, position) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (copy, log) DO UPDATE SET epoch = excluded.epoch, position = excluded.position
         WHERE applied_through.epoch <> excluded.epoch OR applied_through.position < excluded.position",
    )?
    .execute(params![copy, log, epoch.to_string(), number(position.0)])
    .map(|_| ())
}

/// How far the copy is in each of its sources' logs, by the logs' names.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn of(connection: &Connection, copy: &str) -> sql::Result<Vec<(String, LogEpoch, Position)>> {
    let mut select =
        connection.prepare_cached("SELECT log, epoch, position FROM applied_through WHERE copy = ?1 ORDER BY log")?;
    let rows = select.query_map([copy], |row| {
        let epoch: String = row.get(1)?;
        let unreadable = |error: <uuid::Uuid as std::str::FromStr>::Err| {
            sql::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
        };
        let epoch = epoch.parse().map(LogEpoch::from_uuid).map_err(unreadable)?;
        Ok((row.get(0)?, epoch, Position(unsigned(row.get(2)?))))
    })?;
    rows.collect()
}

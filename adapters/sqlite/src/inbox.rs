//! The inbox: which messages a group has handled, recorded in the transaction of their effects.
//!
//! ```text
//! database.write("apply-stock", move |tx| {
//!     if !inbox::first_time(tx, &delivery.group, &delivery.id, now)? { return Ok(()); }
//!     tx.execute("UPDATE …", [])?;
//!     Ok(())
//! })
//! ```

use madrigal_core::{Fault, Timestamp};
use madrigal_projection::GroupId;
use rusqlite::{Connection, params};

use crate::database::Database;
use crate::migrations::Migration;
use crate::sql;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "handled messages",
    sql: "CREATE TABLE inbox (
        scope TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (scope, id)) WITHOUT ROWID, STRICT;
      CREATE INDEX inbox_by_age ON inbox (at);",
}];

/// Makes the inbox's table in a file, for effects that live in another file than their group's offsets.
///
/// # Errors
/// A [`Fault`] if the engine broke or the file is of a newer version.
///
/// # Cancellation
/// Safe to repeat.
pub async fn prepare(database: &Database) -> Result<(), Fault> {
    database.migrate("inbox", STEPS).await
}

/// Records the message in the caller's transaction; false where it was recorded before, so that the effect is there.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn first_time(tx: &sql::Transaction<'_>, group: &GroupId, id: &str, now: Timestamp) -> sql::Result<bool> {
    // Apart from the group's own list, which is written after the effect and would make a repeated effect look new.
    record(tx, &format!("effect:{group}"), id, now)
}

pub(crate) fn record(tx: &sql::Transaction<'_>, scope: &str, id: &str, now: Timestamp) -> sql::Result<bool> {
    let mut insert =
        tx.prepare_cached("INSERT INTO inbox (scope, id, at) VALUES (?1, ?2, ?3) ON CONFLICT (scope, id) DO NOTHING")?;
    Ok(insert.execute(params![scope, id, now.as_micros()])? == 1)
}

pub(crate) fn knows(connection: &Connection, scope: &str, id: &str) -> sql::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM inbox WHERE scope = ?1 AND id = ?2")?.exists([scope, id])
}

/// How many ids one transaction forgets, so that others may write in between.
pub(crate) const FORGOTTEN_AT_ONCE: usize = 10_000;

/// Forgets ids that were recorded before `before`, at most [`FORGOTTEN_AT_ONCE`].
pub(crate) fn forget(tx: &sql::Transaction<'_>, before: Timestamp) -> sql::Result<usize> {
    let old = "SELECT scope, id FROM inbox WHERE at < ?1 ORDER BY at LIMIT ?2";
    let mut delete = tx.prepare_cached(&format!("DELETE FROM inbox WHERE (scope, id) IN ({old})"))?;
    delete.execute(params![before.as_micros(), i64::try_from(FORGOTTEN_AT_ONCE).unwrap_or(i64::MAX)])
}

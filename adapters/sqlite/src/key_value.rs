//! A durable map of texts, for read models that are looked up by one key.

use madrigal_core::Fault;
use rusqlite::{OptionalExtension, params};

use crate::database::Database;
use crate::migrations::Migration;
use crate::parked::{number, unsigned};
use crate::sql;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "a versioned map",
    sql: "CREATE TABLE key_values (key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT) WITHOUT ROWID, STRICT;",
}];

/// A value with its owner's version; `None` is a tombstone, which refuses older values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The owner's version.
    pub version: u64,
    /// The value, or nothing where it was deleted.
    pub value: Option<String>,
}

/// A map of texts in one SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteKeyValue {
    database: Database,
}

impl SqliteKeyValue {
    /// The map of this file.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(database: Database) -> Result<Self, Fault> {
        database.migrate("key-values", STEPS).await?;
        Ok(Self { database })
    }

    /// What is under a key, tombstones included.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn get(&self, key: &str) -> Result<Option<Versioned>, Fault> {
        let key = key.to_owned();
        self.database.read("get-value", move |connection| get(connection, &key)).await
    }

    /// Puts a value (or a tombstone) unless the one that is there is as new or newer; whether it was put.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn put(&self, key: &str, versioned: Versioned) -> Result<bool, Fault> {
        let key = key.to_owned();
        self.database.write("put-value", move |tx| put(tx, &key, &versioned)).await
    }
}

/// As [`SqliteKeyValue::put`], inside a caller's transaction.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn put(tx: &sql::Transaction<'_>, key: &str, versioned: &Versioned) -> sql::Result<bool> {
    let changed = tx
        .prepare_cached(
            "INSERT INTO key_values (key, version, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET version = excluded.version, value = excluded.value
             WHERE key_values.version < excluded.version",
        )?
        .execute(params![key, number(versioned.version), versioned.value])?;
    Ok(changed == 1)
}

/// As [`SqliteKeyValue::get`], inside a caller's transaction or read.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn get(connection: &sql::Connection, key: &str) -> sql::Result<Option<Versioned>> {
    connection
        .prepare_cached("SELECT version, value FROM key_values WHERE key = ?1")?
        .query_row([key], |row| Ok(Versioned { version: unsigned(row.get(0)?), value: row.get(1)? }))
        .optional()
}

/// Puts what takes a key's place, whatever version is there; nothing is left where there is none. For repairs, inside a
/// caller's transaction that has looked at what is there.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn replace(tx: &sql::Transaction<'_>, key: &str, versioned: Option<&Versioned>) -> sql::Result<()> {
    tx.prepare_cached("DELETE FROM key_values WHERE key = ?1")?.execute([key])?;
    if let Some(versioned) = versioned {
        put(tx, key, versioned)?;
    }
    Ok(())
}

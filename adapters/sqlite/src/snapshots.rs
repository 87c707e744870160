//! Snapshots of aggregates: a cache that may be deleted.

use async_trait::async_trait;
use madrigal_core::{Fault, JsonBytes, StreamName, StreamVersion};
use madrigal_event_store::{Snapshot, SnapshotStore};
use rusqlite::{OptionalExtension, params};

use crate::database::Database;
use crate::migrations::Migration;
use crate::parked::{number, unsigned};
use crate::sql;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "snapshots",
    sql: "CREATE TABLE snapshots (
        id INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, schema_hash INTEGER NOT NULL,
        state TEXT NOT NULL) STRICT;",
}];

/// Snapshots in one SQLite file, the latest of each stream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteSnapshots {
    database: Database,
}

impl SqliteSnapshots {
    /// The snapshots of this file.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(database: Database) -> Result<Self, Fault> {
        database.migrate("snapshots", STEPS).await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl SnapshotStore for SqliteSnapshots {
    async fn load(&self, stream: &StreamName) -> Result<Option<Snapshot>, Fault> {
        let stream = stream.clone();
        self.database
            .read("load-snapshot", move |connection| {
                connection
                    .prepare_cached("SELECT version, schema_hash, state FROM snapshots WHERE stream = ?1")?
                    .query_row([stream.as_str()], |row| {
                        let state: String = row.get(2)?;
                        Ok(Snapshot {
                            version: StreamVersion(unsigned(row.get(0)?)),
                            schema_hash: row.get::<_, i64>(1)?.cast_unsigned(),
                            state: JsonBytes::trusted(state.into()),
                        })
                    })
                    .optional()
            })
            .await
    }

    async fn save(&self, stream: &StreamName, snapshot: Snapshot) -> Result<(), Fault> {
        let stream = stream.clone();
        self.database
            .write("save-snapshot", move |tx| {
                let state =
                    std::str::from_utf8(snapshot.state.as_bytes()).map_err(|error| sql::Error::Utf8Error(3, error))?;
                // A newer snapshot stays, unless it has another form: that one is no use to whoever writes this one.
                tx.prepare_cached(
                    "INSERT INTO snapshots (stream, version, schema_hash, state) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (stream) DO UPDATE SET version = excluded.version, schema_hash = excluded.schema_hash,
                       state = excluded.state
                     WHERE snapshots.version < excluded.version OR snapshots.schema_hash <> excluded.schema_hash",
                )?
                .execute(params![
                    stream.as_str(),
                    number(snapshot.version.0),
                    snapshot.schema_hash.cast_signed(),
                    state
                ])?;
                Ok(())
            })
            .await
    }

    async fn clear(&self) -> Result<(), Fault> {
        self.database.write("clear-snapshots", |tx| tx.execute("DELETE FROM snapshots", []).map(|_| ())).await
    }
}

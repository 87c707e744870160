//! Offsets, inboxes and parked messages of groups.

use std::collections::HashSet;

use async_trait::async_trait;
use madrigal_core::{Fault, Timestamp};
use madrigal_projection::memory::check_progress;
use madrigal_projection::{Checkpoint, GroupBatch, GroupId, Offsets, ParkedEvent, ParkedFilter};
use rusqlite::{Connection, OptionalExtension, params};

use crate::database::Database;
use crate::migrations::Migration;
use crate::parked::{self, number};
use crate::views::checkpoint_of;
use crate::{fault, inbox, sql};

pub(crate) const PARKED_STEPS: &[Migration] =
    &[Migration { version: 1, name: "parked events and messages", sql: parked::TABLE }];

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "checkpoints of groups",
    sql: "CREATE TABLE offsets (
        consumers TEXT NOT NULL, topic TEXT NOT NULL, epoch TEXT NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (consumers, topic)) WITHOUT ROWID, STRICT;",
}];

/// Offsets in one SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteOffsets {
    database: Database,
}

impl SqliteOffsets {
    /// The offsets of this file, and its inbox.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(database: Database) -> Result<Self, Fault> {
        database.migrate("parked", PARKED_STEPS).await?;
        database.migrate("offsets", STEPS).await?;
        inbox::prepare(&database).await?;
        Ok(Self { database })
    }

    /// The file.
    pub const fn database(&self) -> &Database {
        &self.database
    }
}

#[async_trait]
impl Offsets for SqliteOffsets {
    async fn checkpoint(&self, group: &GroupId) -> Result<Option<Checkpoint>, Fault> {
        let group = group.clone();
        self.database.read("checkpoint", move |connection| checkpoint(connection, &group)).await
    }

    async fn commit(&self, group: &GroupId, batch: GroupBatch) -> Result<(), Fault> {
        let group = group.clone();
        let refused = self.database.decide("commit-offsets", move |tx| commit(tx, &group, &batch)).await?;
        refused.map_err(|why| fault::permanent("commit-offsets", why))
    }

    async fn handled(&self, group: &GroupId, ids: Vec<String>) -> Result<HashSet<String>, Fault> {
        let scope = group.to_string();
        let known = move |connection: &Connection| {
            let mut known = HashSet::new();
            for id in ids {
                if inbox::knows(connection, &scope, &id)? {
                    known.insert(id);
                }
            }
            Ok(known)
        };
        self.database.read("handled", known).await
    }

    async fn forget_handled(&self, before: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        loop {
            let some = self.database.write("forget-handled", move |tx| inbox::forget(tx, before)).await?;
            forgotten += some as u64;
            if some < inbox::FORGOTTEN_AT_ONCE {
                return Ok(forgotten);
            }
        }
    }

    async fn parked(&self, group: &GroupId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        let scope = scope(group);
        self.database.read("parked", move |connection| parked::list(connection, &scope, &filter)).await
    }

    async fn parked_lanes(&self, group: &GroupId, limit: usize) -> Result<Vec<String>, Fault> {
        let scope = scope(group);
        self.database.read("parked-lanes", move |connection| parked::lanes(connection, &scope, limit)).await
    }
}

fn scope(group: &GroupId) -> String {
    format!("group:{group}")
}

fn checkpoint(connection: &Connection, group: &GroupId) -> sql::Result<Option<Checkpoint>> {
    let mut select =
        connection.prepare_cached("SELECT epoch, position FROM offsets WHERE consumers = ?1 AND topic = ?2")?;
    select.query_row([group.group(), group.topic()], checkpoint_of).optional()
}

/// As [`Offsets::commit`], inside a caller's transaction: effect and checkpoint become durable together. The inner error
/// says why the batch is refused; the caller undoes its transaction then.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn commit(tx: &sql::Transaction<'_>, group: &GroupId, batch: &GroupBatch) -> sql::Result<Result<(), String>> {
    if let Err(why) = check_progress(checkpoint(tx, group)?, batch.checkpoint) {
        return Ok(Err(why));
    }
    let inbox_scope = group.to_string();
    for id in &batch.handled {
        inbox::record(tx, &inbox_scope, id, batch.at)?;
    }
    parked::change(tx, &scope(group), &batch.parked, &batch.unparked, &batch.skipped)?;
    tx.prepare_cached(
        "INSERT INTO offsets (consumers, topic, epoch, position) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (consumers, topic) DO UPDATE SET epoch = excluded.epoch, position = excluded.position",
    )?
    .execute(params![
        group.group(),
        group.topic(),
        batch.checkpoint.epoch.to_string(),
        number(batch.checkpoint.position.0)
    ])?;
    Ok(Ok(()))
}

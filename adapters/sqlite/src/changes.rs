//! Change capture: triggers that the database keeps itself write every change of a table into a table of changes, in the
//! transaction that makes it, whoever that is.
//!
//! * One log per file: `changes`, numbered without gaps in the order of commits (there is one writer at a time), kept until
//!   every consumer that acknowledges has it, and up to a cap.
//! * Triggers are generated from the table's columns and checked whenever the log opens. Where they were taken away behind
//!   our back, changes may be missing: then the log begins a new epoch, and tells all rows again. So it does where the row
//!   of `changes_log` was deleted, as whoever restores a file of another time must do.
//! * An update is told once, also where the table's own trigger raises the version by a second update: with the row before
//!   the first and after the last.
//! * A `REPLACE` that deletes another row is seen by connections with `recursive_triggers` only, which is set here for the
//!   service's own; do not use it in others.

mod chunks;
mod log;
mod status;
mod tables;
mod triggers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_cdc::{
    CapturedTable, ChangeSource, Changes, Chunk, ChunkError, Key, ReadChangesError, Retelling, RowVersions,
};
use madrigal_core::{Fault, Host, LogEpoch, LogName, Position, tasks};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollFrom, Start};

pub use self::status::{ChangesStatus, ConsumerStatus};
use crate::database::Database;
use crate::fault;
use crate::migrations::Migration;
use crate::sql;

const STEPS: &[Migration] =
    &[Migration { version: 1, name: "captured changes", sql: include_str!("changes/0001_changes.sql") }];

/// How often a waiting reader looks for the changes of other processes; those of its own wake it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The longest wait of one read.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The most changes or rows of one answer.
const MAX_LIMIT: usize = 10_000;

/// Rows that are told again in one transaction: other writers wait for so many at most.
const RETOLD_AT_ONCE: usize = 1_000;

/// A table to capture.
#[derive(Debug, Clone)]
pub struct CaptureTable {
    /// Its name.
    pub table: &'static str,
    /// Where its rows' versions come from. A version column MUST be raised at every update: by the statement itself or by
    /// a trigger of the table; an update that leaves it alone is not told.
    pub versions: RowVersions,
    /// Columns that never leave the table.
    pub secret: &'static [&'static str],
}

/// How a log of changes is kept.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// The log's name in positions and tokens, also the logical name in envelopes.
    pub log: LogName,
    /// The most changes that are kept, also for a consumer that has not acknowledged them: then it must take a snapshot.
    pub cap: u64,
    /// The newest changes that are kept in any case, for readers that do not acknowledge; at most the cap.
    pub keep: u64,
}

impl CaptureOptions {
    /// The changes of a file, as this log: the newest 10,000 in any case, 200,000 at most, which are a few hundred MB of
    /// rows of 1 KiB.
    pub const fn new(log: LogName) -> Self {
        Self { log, cap: 200_000, keep: 10_000 }
    }
}

/// The changes of one SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteChanges {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    options: CaptureOptions,
    tables: Vec<tables::Table>,
    epoch: LogEpoch,
}

impl SqliteChanges {
    /// Begins or goes on capturing these tables of the file. Rows that are there when a table is captured for the first
    /// time are told as read (`r`), so that the log has everything. Tables that are not named any more are left alone.
    ///
    /// # Errors
    /// A permanent [`Fault`] where a table or a secret column is not there, or a table cannot be captured; a fault if the
    /// engine broke. Nothing was changed then.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(
        database: Database,
        captured: Vec<CaptureTable>,
        options: CaptureOptions,
        host: &Host,
    ) -> Result<Self, Fault> {
        database.migrate("changes", STEPS).await?;
        let next_epoch = LogEpoch::new(host);
        let opened = database.decide("open-changes", move |tx| {
            // Without it a row that REPLACE deletes would go unnoticed. It belongs to the connection; there is one writer.
            tx.pragma_update(None, "recursive_triggers", true)?;
            log::open(tx, &captured, next_epoch)
        });
        let (epoch, tables) = opened.await?.map_err(|why| fault::permanent("open-changes", why))?;
        let cap = options.cap.max(1);
        let options = CaptureOptions { cap, keep: options.keep.min(cap), ..options };
        Ok(Self { inner: Arc::new(Inner { database, options, tables, epoch }) })
    }

    /// The log's epoch.
    pub fn epoch(&self) -> LogEpoch {
        self.inner.epoch
    }

    /// The log's end.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn end(&self) -> Result<Position, Fault> {
        self.inner.database.read("changes-end", log::end).await
    }

    /// Takes everything but key and version of a deleted row out of the log, in the transaction that deletes it: of its
    /// changes only the last delete stays, without what the row was. For erasures; the row MUST be gone already. A table
    /// that is not captured has nothing to forget.
    ///
    /// # Errors
    /// An SQL error if the engine broke.
    pub fn forget_row(&self, tx: &sql::Transaction<'_>, table: &str, key: &Key) -> sql::Result<()> {
        match self.inner.tables.iter().find(|known| known.described.table == table) {
            Some(table) => log::forget_row(tx, &table.described, key),
            None => Ok(()),
        }
    }

    /// How much is kept, and for whom.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn status(&self) -> Result<ChangesStatus, Fault> {
        let cap = self.inner.options.cap;
        self.inner.database.read("changes-status", move |connection| status::read(connection, cap)).await
    }

    /// Deletes what every consumer that acknowledges has, but for the newest, and what is beyond the cap, at most 10,000
    /// changes at once; how many it were. Without such consumers the cap alone counts.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn prune(&self) -> Result<u64, Fault> {
        let CaptureOptions { cap, keep, .. } = self.inner.options;
        self.inner.database.write("prune-changes", move |tx| log::prune(tx, cap, keep)).await
    }

    /// Stops waiting for a consumer.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn forget_consumer(&self, consumer: &str) -> Result<(), Fault> {
        let consumer = consumer.to_owned();
        let forgotten = self.inner.database.write("forget-consumer", move |tx| {
            tx.execute("DELETE FROM changes_consumers WHERE name = ?1", [consumer]).map(|_| ())
        });
        forgotten.await
    }

    fn table(&self, name: &str) -> Result<tables::Table, ChunkError> {
        let found = self.inner.tables.iter().find(|table| table.described.table == name);
        found.cloned().ok_or_else(|| ChunkError::UnknownTable(name.to_owned()))
    }

    fn after(&self, from: PollFrom) -> Result<log::After, ReadChangesError> {
        match from {
            PollFrom::Start(Start::Earliest) => Ok(log::After::Earliest),
            PollFrom::Start(Start::Latest) => Ok(log::After::Latest),
            PollFrom::Start(Start::At(position)) => Ok(log::After::Position(position)),
            PollFrom::After(at) if at.epoch == self.inner.epoch => Ok(log::After::Position(at.position)),
            PollFrom::After(at) => Err(ReadChangesError::OtherEpoch { reader: at.epoch, log: self.inner.epoch }),
        }
    }
}

#[async_trait]
impl ChangeSource for SqliteChanges {
    fn log(&self) -> &LogName {
        &self.inner.options.log
    }

    async fn tables(&self) -> Result<Vec<CapturedTable>, Fault> {
        Ok(self.inner.tables.iter().map(|table| table.described.clone()).collect())
    }

    async fn read(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Changes, ReadChangesError> {
        let until = tasks::instant() + wait.min(MAX_WAIT);
        let limit = limit.clamp(1, MAX_LIMIT);
        let mut after = self.after(from)?;
        loop {
            let written = self.inner.database.committed().notified();
            tokio::pin!(written);
            // From here on a commit is noticed, so that a write between the read and the wait is not slept over.
            written.as_mut().enable();
            let inner = Arc::clone(&self.inner);
            let read = move |connection: &sql::Connection| log::read(connection, &inner, after, limit);
            let changes = self.inner.database.read("read-changes", read).await??;
            let left = until.saturating_duration_since(tasks::instant());
            if !changes.changes.is_empty() || left.is_zero() {
                return Ok(changes);
            }
            // What "latest" and "earliest" mean was settled by the first look.
            after = log::After::Position(changes.scanned_through);
            tokio::select! {
                () = written => {}
                () = tasks::sleep(left.min(LOOK_EVERY)) => {}
            }
        }
    }

    async fn chunk(&self, table: &str, after: Option<&Key>, limit: usize) -> Result<Chunk, ChunkError> {
        let table = self.table(table)?;
        let after = after.map(|key| chunks::key_values(&table, key)).transpose()?;
        let (inner, limit) = (Arc::clone(&self.inner), limit.clamp(1, MAX_LIMIT));
        let read = move |connection: &sql::Connection| chunks::chunk(connection, &inner, &table, after, limit);
        Ok(self.inner.database.read("read-chunk", read).await?)
    }

    async fn rows(&self, table: &str, keys: &[Key]) -> Result<Chunk, ChunkError> {
        let table = self.table(table)?;
        let keys: Vec<_> = keys.iter().map(|key| chunks::key_values(&table, key)).collect::<Result<_, _>>()?;
        let inner = Arc::clone(&self.inner);
        let read = move |connection: &sql::Connection| chunks::rows(connection, &inner, &table, keys);
        Ok(self.inner.database.read("read-rows", read).await?)
    }

    async fn acknowledge(&self, consumer: &str, through: Checkpoint) -> Result<(), Fault> {
        let (consumer, epoch) = (consumer.to_owned(), self.inner.epoch);
        if through.epoch != epoch {
            return Err(fault::permanent("acknowledge", format!("{consumer} acknowledges another epoch of the log")));
        }
        self.inner.database.write("acknowledge", move |tx| log::acknowledge(tx, &consumer, through.position)).await
    }
}

#[async_trait]
impl Retelling for SqliteChanges {
    async fn kept_after(&self) -> Result<Position, Fault> {
        self.inner.database.read("kept-after", log::pruned_through).await
    }

    async fn retell(&self, table: &str, keys: Option<&[Key]>) -> Result<Position, ChunkError> {
        let table = self.table(table)?;
        let keys = match keys {
            Some(keys) => Some(keys.iter().map(|key| chunks::key_values(&table, key)).collect::<Result<Vec<_>, _>>()?),
            None => None,
        };
        match keys {
            Some(keys) => {
                for some in keys.chunks(RETOLD_AT_ONCE) {
                    let (table, some) = (table.clone(), some.to_vec());
                    let told = self.inner.database.write("retell", move |tx| chunks::retell_keys(tx, &table, some));
                    told.await?;
                }
            }
            None => {
                let mut after = None;
                loop {
                    let of = table.clone();
                    let told = self
                        .inner
                        .database
                        .write("retell", move |tx| chunks::retell_after(tx, &of, after, RETOLD_AT_ONCE));
                    after = match told.await? {
                        Some(last) => Some(last),
                        None => break,
                    };
                }
            }
        }
        Ok(self.end().await?)
    }
}

//! The port: where changes come from.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, LogEpoch, LogName, Position};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::PollFrom;

use crate::change::Change;
use crate::row::Key;
use crate::row_versions::RowVersions;

/// A table whose changes are captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedTable {
    /// The schema, as in `public`; of SQLite `main`.
    pub schema: String,
    /// The table.
    pub table: String,
    /// All its columns, in the table's order.
    pub columns: Vec<CapturedColumn>,
    /// The names of the key's columns, in the key's order.
    pub key: Vec<String>,
    /// Where the versions of its rows come from.
    pub versions: RowVersions,
}

impl CapturedTable {
    /// The columns that leave the owner.
    pub fn told(&self) -> impl Iterator<Item = &CapturedColumn> {
        self.columns.iter().filter(|column| !column.secret)
    }
}

/// A column of a captured table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedColumn {
    /// The name.
    pub name: String,
    /// The type as its database declares it, as in `TEXT`.
    pub declared: String,
    /// Whether it stays with its owner: it is in no change, no chunk, and no table of changes.
    pub secret: bool,
}

/// A change and its place in the source's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedChange {
    /// Its place; of a row that was read for a snapshot, the place up to which the log was seen before it.
    pub position: Position,
    /// The change.
    pub change: Change,
}

/// What a read brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// In order of position.
    pub changes: Vec<PlacedChange>,
    /// The watermark: everything up to here was looked at. It advances where nothing that is captured happens, too.
    pub scanned_through: Position,
    /// The log's epoch.
    pub epoch: LogEpoch,
    /// The log's end when it was looked at.
    pub end: Position,
}

/// Rows as they stand in a table: operation `r`, mark `incremental`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The rows, in order of their keys.
    pub rows: Vec<Change>,
    /// The low watermark: the log's end at some moment before the rows were read.
    pub low: Position,
    /// The high watermark: the log's end at some moment after it.
    pub high: Position,
    /// The log's epoch.
    pub epoch: LogEpoch,
    /// After which key the next chunk begins; `None` where there are no more rows.
    pub next: Option<Key>,
}

/// Why there are no changes to read from there.
#[derive(Debug, thiserror::Error)]
pub enum ReadChangesError {
    /// The checkpoint is of another history of the log.
    #[error("the checkpoint is of epoch {reader}, the log is in epoch {log}")]
    OtherEpoch {
        /// The checkpoint's epoch.
        reader: LogEpoch,
        /// The log's.
        log: LogEpoch,
    },
    /// The checkpoint is beyond the log's end.
    #[error("the checkpoint stands at {reader}, beyond the log's end at {end}")]
    BeyondEnd {
        /// The checkpoint's position.
        reader: Position,
        /// The log's end.
        end: Position,
    },
    /// Changes after the checkpoint are gone: read the tables again, then go on after `kept_after`.
    #[error("the changes after {reader} are pruned, there are those after {kept_after}: take a snapshot again")]
    Pruned {
        /// The checkpoint's position.
        reader: Position,
        /// The changes after it are there.
        kept_after: Position,
    },
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a table was not read.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// It is not captured.
    #[error("table {0} is not captured")]
    UnknownTable(String),
    /// A key is not one of this table.
    #[error("{0} is not a key of this table")]
    NotAKey(Key),
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A source of changes: one database, captured whoever writes to it.
///
/// # Contract
/// Each MUST is a case in `madrigal-conformance`, run on every implementation.
///
/// 1. Every committed change of a captured table MUST come, in the order of commits, once between two checkpoints; nothing
///    of a transaction that was undone. A changed key comes as a delete and a create.
/// 2. Secret columns MUST NOT leave: not in rows, keys, or where changes are kept until they are read.
/// 3. `scanned_through` MUST cover everything that was looked at, so that a quiet table still says how far it is.
/// 4. A checkpoint of another epoch, beyond the end, or before what is kept MUST be refused; changes are never left out
///    silently.
/// 5. A chunk MUST show every row as it stood at one moment between its watermarks, rows in order of their keys, and no row
///    that was there all the time may be missing between two chunks that follow each other.
#[async_trait]
pub trait ChangeSource: Send + Sync + 'static {
    /// The log's name in positions and tokens.
    fn log(&self) -> &LogName;

    /// The tables that are captured.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn tables(&self) -> Result<Vec<CapturedTable>, Fault>;

    /// The next changes of all tables, at most `limit` (1 to 10,000). Where there are none, waits up to `wait` (at most 30
    /// seconds) for one; an answer without changes still says how far it looked.
    ///
    /// [`Start::Earliest`](madrigal_projection::consumer::Start::Earliest) begins with the first change that is kept: rows
    /// that have not changed since are read by chunks.
    ///
    /// # Errors
    /// [`ReadChangesError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn read(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Changes, ReadChangesError>;

    /// At most `limit` (1 to 10,000) rows of a table, after a key, in order of their keys.
    ///
    /// # Errors
    /// [`ChunkError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn chunk(&self, table: &str, after: Option<&Key>, limit: usize) -> Result<Chunk, ChunkError>;

    /// The rows of a table with these keys (at most 10,000); keys without a row have none. `next` is `None`.
    ///
    /// # Errors
    /// [`ChunkError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn rows(&self, table: &str, keys: &[Key]) -> Result<Chunk, ChunkError>;

    /// Says that a consumer has everything through there, so that older changes need not be kept for it. A consumer that has
    /// said so once is waited for, up to the source's cap.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    async fn acknowledge(&self, consumer: &str, through: Checkpoint) -> Result<(), Fault>;
}

/// A source behind a pointer.
pub type DynChangeSource = Arc<dyn ChangeSource>;

/// A source that can tell rows again in its own log, in order with everything else that happens to them.
#[async_trait]
pub trait Retelling: ChangeSource {
    /// Everything after this position is kept; before it, changes are gone.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn kept_after(&self) -> Result<Position, Fault>;

    /// Tells the rows of a table with these keys again, or all of them, as read (`r`); the log's end after that. A row that
    /// is deleted meanwhile is told as deleted after it.
    ///
    /// # Errors
    /// [`ChunkError`].
    ///
    /// # Cancellation
    /// Some rows may be told again, others not; safe to repeat.
    async fn retell(&self, table: &str, keys: Option<&[Key]>) -> Result<Position, ChunkError>;
}

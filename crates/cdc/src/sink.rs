//! The port: a copy, as a processor writes it.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::{Fault, LogEpoch, LogName, RowVersion};
use madrigal_projection::Checkpoint;

use crate::row::Row;

/// A row for a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The key, as the copy names it.
    pub key: String,
    /// The owner's version of the row.
    pub version: RowVersion,
    /// The row; `None` leaves a tombstone. Columns that are [`Unchanged`](crate::Value::Unchanged) keep what the copy has.
    pub row: Option<Row>,
}

/// What a copy has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    /// The owner's version of it.
    pub version: RowVersion,
    /// The row; `None` is a tombstone.
    pub row: Option<Row>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It is there now.
    Applied,
    /// The copy has the same version: the same write came before.
    Repeated,
    /// The copy has a newer version, perhaps a tombstone.
    Older,
    /// It does not tell all columns, and the copy does not have the version right before it: read the row again.
    Incomplete,
}

/// Writes of one source's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkBatch {
    /// The log that the writes come from.
    pub log: LogName,
    /// In order; a key may come several times.
    pub writes: Vec<Write>,
    /// How far the copy has everything once these are applied; `None` where that is not known yet.
    pub through: Option<Checkpoint>,
}

/// Why a batch was refused; nothing of it was applied, but for a fault that says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The copy stands in another history of that log: see [`Sink::adopt`].
    #[error("the copy has applied a log of epoch {copy}, the batch is of {batch}")]
    OtherEpoch {
        /// The copy's.
        copy: LogEpoch,
        /// The batch's.
        batch: LogEpoch,
    },
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What became of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repaired {
    /// The write is there now.
    Repaired,
    /// The copy is not what was seen any more; this is there.
    SeenOther(Option<CopyRow>),
}

/// A copy of an owner's rows.
///
/// # Contract
/// Each MUST is a case in `madrigal-conformance`, run on every implementation.
///
/// 1. [`Sink::apply`] MUST refuse what is older than what is there, whoever writes at the same time; a tombstone MUST refuse
///    everything older than it, for ever. An equal version changes nothing.
/// 2. `applied_through` MUST NOT go back within an epoch, and MUST NOT be ahead of the effects; where the engine can, both
///    are durable together or not at all.
/// 3. A row that does not tell all columns MUST be applied on the version right before it only.
/// 4. [`Sink::repair`] MUST write exactly where the copy is what was seen: same version, same content; then it writes
///    whatever version it has.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Applies writes in order (at most 10,000); says of each what became of it.
    ///
    /// # Errors
    /// [`ApplyError`].
    ///
    /// # Cancellation
    /// The batch may or may not be applied; safe to repeat.
    async fn apply(&self, batch: SinkBatch) -> Result<Vec<Applied>, ApplyError>;

    /// Writes a complete row where the copy still is what was seen (`None`: nothing), for the monitor.
    ///
    /// # Errors
    /// A [`Fault`]; a permanent one where the row does not tell all its columns.
    ///
    /// # Cancellation
    /// It may or may not be written; look again before repeating.
    async fn repair(&self, seen: Option<CopyRow>, write: Write) -> Result<Repaired, Fault>;

    /// What is under a key, tombstones included.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn get(&self, key: &str) -> Result<Option<CopyRow>, Fault>;

    /// At most `limit` (1 to 10,000) keys after `after`, in byte order, tombstones included.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn scan(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, CopyRow)>, Fault>;

    /// How far the copy has everything of that log; `None` before its first batch that said so.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn applied_through(&self, log: &LogName) -> Result<Option<Checkpoint>, Fault>;

    /// Goes over to another history of a log (after a restore, and once its rows were read again).
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    async fn adopt(&self, log: &LogName, through: Checkpoint) -> Result<(), Fault>;
}

/// A sink behind a pointer.
pub type DynSink = Arc<dyn Sink>;

/// What becomes of a write, given what is there: the one rule of all sinks. The row is what to keep, completed; it is
/// there exactly where the answer is [`Applied::Applied`] and the write is no tombstone.
pub fn decide(there: Option<&CopyRow>, write: &Write) -> (Applied, Option<Row>) {
    if let Some(copy) = there {
        match write.version.cmp(&copy.version) {
            std::cmp::Ordering::Less => return (Applied::Older, None),
            std::cmp::Ordering::Equal => return (Applied::Repeated, None),
            std::cmp::Ordering::Greater => {}
        }
    }
    let Some(row) = &write.row else { return (Applied::Applied, None) };
    if row.is_complete() {
        return (Applied::Applied, Some(row.clone()));
    }
    // An older base may lack a change of the very columns that this write does not tell.
    let base = there.filter(|copy| {
        copy.version.epoch() == write.version.epoch() && copy.version.count() + 1 == write.version.count()
    });
    match row.clone().completed_from(base.and_then(|copy| copy.row.as_ref())) {
        Some(row) => (Applied::Applied, Some(row)),
        None => (Applied::Incomplete, None),
    }
}

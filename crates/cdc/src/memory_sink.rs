//! A sink in memory: the reference, and for tests.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use madrigal_core::{Fault, LogName};
use madrigal_projection::Checkpoint;

use crate::sink::{Applied, ApplyError, CopyRow, Repaired, Sink, SinkBatch, Write, decide};

/// Copies in memory.
#[derive(Debug, Default)]
pub struct MemorySink {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    copies: BTreeMap<String, CopyRow>,
    applied: HashMap<LogName, Checkpoint>,
}

impl MemorySink {
    /// Without copies.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn apply(&self, batch: SinkBatch) -> Result<Vec<Applied>, ApplyError> {
        let mut state = self.lock();
        if let Some(through) = batch.through {
            let raised = raised(state.applied.get(&batch.log).copied(), through)?;
            state.applied.insert(batch.log, raised);
        }
        let mut became = Vec::with_capacity(batch.writes.len());
        for write in batch.writes {
            let (applied, row) = decide(state.copies.get(&write.key), &write);
            if applied == Applied::Applied {
                state.copies.insert(write.key, CopyRow { version: write.version, row });
            }
            became.push(applied);
        }
        Ok(became)
    }

    async fn repair(&self, seen: Option<CopyRow>, write: Write) -> Result<Repaired, Fault> {
        check_complete(&write)?;
        let mut state = self.lock();
        let there = state.copies.get(&write.key).cloned();
        if there != seen {
            return Ok(Repaired::SeenOther(there));
        }
        state.copies.insert(write.key, CopyRow { version: write.version, row: write.row });
        Ok(Repaired::Repaired)
    }

    async fn get(&self, key: &str) -> Result<Option<CopyRow>, Fault> {
        Ok(self.lock().copies.get(key).cloned())
    }

    async fn scan(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, CopyRow)>, Fault> {
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_owned()));
        let state = self.lock();
        let found = state.copies.range((from, Bound::Unbounded)).take(limit.clamp(1, 10_000));
        Ok(found.map(|(key, copy)| (key.clone(), copy.clone())).collect())
    }

    async fn applied_through(&self, log: &LogName) -> Result<Option<Checkpoint>, Fault> {
        Ok(self.lock().applied.get(log).copied())
    }

    async fn adopt(&self, log: &LogName, through: Checkpoint) -> Result<(), Fault> {
        self.lock().applied.insert(log.clone(), through);
        Ok(())
    }
}

/// Where a copy stands that stood at `applied` and has everything through `through`.
///
/// # Errors
/// [`ApplyError::OtherEpoch`].
pub fn raised(applied: Option<Checkpoint>, through: Checkpoint) -> Result<Checkpoint, ApplyError> {
    match applied {
        Some(at) if at.epoch != through.epoch => Err(ApplyError::OtherEpoch { copy: at.epoch, batch: through.epoch }),
        Some(at) if at.position > through.position => Ok(at),
        _ => Ok(through),
    }
}

/// Refuses the repair by a row that does not tell all its columns.
///
/// # Errors
/// A permanent [`Fault`].
pub fn check_complete(write: &Write) -> Result<(), Fault> {
    if write.row.as_ref().is_none_or(crate::Row::is_complete) {
        return Ok(());
    }
    Err(Fault::permanent("sink", "repair", "a repair needs all columns of the row"))
}

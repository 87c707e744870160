//! Snapshots: a cache of folded state, never the truth.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use madrigal_core::{Fault, JsonBytes, StreamName, StreamVersion};

/// The state of an aggregate at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Folded up to and including this version.
    pub version: StreamVersion,
    /// Identifies the state's form; a snapshot of another form is ignored.
    pub schema_hash: u64,
    /// The state.
    pub state: JsonBytes,
}

/// A place for snapshots. Losing one, or all, changes no answer.
#[async_trait]
pub trait SnapshotStore: Send + Sync + 'static {
    /// The latest snapshot of a stream, if there is one.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke; callers fold from the beginning then.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn load(&self, stream: &StreamName) -> Result<Option<Snapshot>, Fault>;

    /// Keeps a snapshot, unless a newer one is there.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: a snapshot is there or not.
    async fn save(&self, stream: &StreamName, snapshot: Snapshot) -> Result<(), Fault>;

    /// Forgets all snapshots.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    async fn clear(&self) -> Result<(), Fault>;
}

/// Snapshots in memory, gone with the process.
#[derive(Debug, Default)]
pub struct MemorySnapshots(Mutex<HashMap<StreamName, Snapshot>>);

impl MemorySnapshots {
    /// No snapshots yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many streams have one.
    pub fn count(&self) -> usize {
        self.kept().len()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<StreamName, Snapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most snapshots that are kept; beyond it an arbitrary one gives way.
const MAX_SNAPSHOTS: usize = 10_000;

#[async_trait]
impl SnapshotStore for MemorySnapshots {
    async fn load(&self, stream: &StreamName) -> Result<Option<Snapshot>, Fault> {
        Ok(self.kept().get(stream).cloned())
    }

    async fn save(&self, stream: &StreamName, snapshot: Snapshot) -> Result<(), Fault> {
        let mut kept = self.kept();
        if kept.get(stream).is_some_and(|known| known.version > snapshot.version) {
            return Ok(());
        }
        if kept.len() >= MAX_SNAPSHOTS && !kept.contains_key(stream) {
            let victim = kept.keys().next().cloned();
            victim.map(|victim| kept.remove(&victim));
        }
        kept.insert(stream.clone(), snapshot);
        Ok(())
    }

    async fn clear(&self) -> Result<(), Fault> {
        self.kept().clear();
        Ok(())
    }
}

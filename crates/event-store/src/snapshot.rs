//! Snapshots: a cache of folded state, never the truth.

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

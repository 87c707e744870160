//! Views and offsets that outlive the process: durable the moment they are committed, but not the moment they are asked to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::{Fault, Timestamp, tasks};
use madrigal_projection::{
    Checkpoint, DynViewSnapshot, Generations, GroupBatch, GroupId, MemoryOffsets, MemoryViews, Offsets, ParkedEvent,
    ParkedFilter, Query, StoredRow, ViewBatch, ViewId, ViewStore,
};

use crate::dice::Dice;

/// A view store that takes its time: who dies while a commit is under way never learns whether it was made.
#[derive(Debug)]
pub struct SlowViews {
    inner: Arc<MemoryViews>,
    dice: Dice,
    checkpoint_first: bool,
}

impl SlowViews {
    /// The store over what is kept in `inner`.
    pub const fn new(inner: Arc<MemoryViews>, dice: Dice) -> Self {
        Self { inner, dice, checkpoint_first: false }
    }

    /// The same, breaking the contract: a checkpoint is durable before the rows that belong to it. For mutants.
    #[must_use]
    pub fn with_checkpoint_first(self, checkpoint_first: bool) -> Self {
        Self { checkpoint_first, ..self }
    }

    async fn pause(&self) {
        tasks::sleep(self.dice.millis(0..4)).await;
    }
}

#[async_trait]
impl ViewStore for SlowViews {
    async fn prepare(&self, view: &ViewId, columns: &'static [&'static str]) -> Result<(), Fault> {
        self.inner.prepare(view, columns).await
    }

    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault> {
        self.inner.checkpoint(view).await
    }

    async fn load(&self, view: &ViewId, keys: Vec<String>) -> Result<HashMap<String, StoredRow>, Fault> {
        self.inner.load(view, keys).await
    }

    async fn commit(&self, view: &ViewId, batch: ViewBatch) -> Result<(), Fault> {
        self.pause().await;
        if self.checkpoint_first {
            self.inner.commit(view, ViewBatch { puts: Vec::new(), deletes: Vec::new(), ..batch.clone() }).await?;
            tasks::sleep(self.dice.millis(0..300)).await;
        }
        let committed = self.inner.commit(view, batch).await;
        self.pause().await;
        committed
    }

    async fn get(&self, view: &ViewId, key: &str) -> Result<Option<StoredRow>, Fault> {
        self.inner.get(view, key).await
    }

    async fn query(&self, view: &ViewId, query: Query) -> Result<Vec<(String, StoredRow)>, Fault> {
        self.inner.query(view, query).await
    }

    async fn parked(&self, view: &ViewId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.inner.parked(view, filter).await
    }

    async fn parked_lanes(&self, view: &ViewId, limit: usize) -> Result<Vec<String>, Fault> {
        self.inner.parked_lanes(view, limit).await
    }

    async fn generations(&self, name: &str) -> Result<Option<Generations>, Fault> {
        self.inner.generations(name).await
    }

    async fn arrange(&self, name: &str, next: &Generations) -> Result<(), Fault> {
        self.inner.arrange(name, next).await
    }

    async fn snapshot(&self) -> Result<DynViewSnapshot, Fault> {
        self.inner.snapshot().await
    }

    async fn clear(&self, view: &ViewId, at_most: usize) -> Result<bool, Fault> {
        self.inner.clear(view, at_most).await
    }
}

/// Offsets that take their time, as [`SlowViews`].
pub struct SlowOffsets {
    inner: Arc<MemoryOffsets>,
    dice: Dice,
}

impl SlowOffsets {
    /// Offsets over what is kept in `inner`.
    pub const fn new(inner: Arc<MemoryOffsets>, dice: Dice) -> Self {
        Self { inner, dice }
    }
}

#[async_trait]
impl Offsets for SlowOffsets {
    async fn checkpoint(&self, group: &GroupId) -> Result<Option<Checkpoint>, Fault> {
        self.inner.checkpoint(group).await
    }

    async fn commit(&self, group: &GroupId, batch: GroupBatch) -> Result<(), Fault> {
        tasks::sleep(self.dice.millis(0..4)).await;
        let committed = self.inner.commit(group, batch).await;
        tasks::sleep(self.dice.millis(0..4)).await;
        committed
    }

    async fn handled(&self, group: &GroupId, ids: Vec<String>) -> Result<HashSet<String>, Fault> {
        self.inner.handled(group, ids).await
    }

    async fn forget_handled(&self, before: Timestamp) -> Result<u64, Fault> {
        self.inner.forget_handled(before).await
    }

    async fn parked(&self, group: &GroupId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.inner.parked(group, filter).await
    }

    async fn parked_lanes(&self, group: &GroupId, limit: usize) -> Result<Vec<String>, Fault> {
        self.inner.parked_lanes(group, limit).await
    }
}

impl std::fmt::Debug for SlowOffsets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlowOffsets").finish_non_exhaustive()
    }
}

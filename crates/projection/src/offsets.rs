//! The port: where a group of consumers keeps its checkpoint, its inbox and what it parked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use madrigal_core::{Fault, Position, Timestamp};

use crate::memory::check_progress;
use crate::parking::{ParkedEvent, ParkedFilter, Skipped};
use crate::view::Checkpoint;

/// A group of consumers of one topic or log: they share a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    group: Arc<str>,
    topic: Arc<str>,
}

impl GroupId {
    /// The group `group` on `topic`.
    pub fn new(group: &str, topic: &str) -> Self {
        Self { group: group.into(), topic: topic.into() }
    }

    /// The group's name, as in `search-indexer`.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The topic's or log's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.group, self.topic)
    }
}

/// What a group makes durable after its effects, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupBatch {
    /// Everything up to here has been handled or parked.
    pub checkpoint: Checkpoint,
    /// The ids that were handled: the inbox.
    pub handled: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// Newly parked, or replaced where lane and position are known.
    pub parked: Vec<ParkedEvent>,
    /// Parked and handled after all, by lane and position.
    pub unparked: Vec<(String, Position)>,
    /// Skipped by an operator.
    pub skipped: Vec<Skipped>,
}

impl GroupBatch {
    /// A batch that only moves the checkpoint.
    pub const fn at(checkpoint: Checkpoint, at: Timestamp) -> Self {
        Self { checkpoint, handled: Vec::new(), at, parked: Vec::new(), unparked: Vec::new(), skipped: Vec::new() }
    }
}

/// A durable place for the offsets of groups.
///
/// # Contract
/// [`Offsets::commit`] MUST make everything in a batch durable together or not at all; a checkpoint MUST NOT go back
/// within its epoch, and another epoch MUST be refused. Groups MUST NOT see each other's entries.
#[async_trait]
pub trait Offsets: Send + Sync + 'static {
    /// How far the group has come; `None` before its first commit.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn checkpoint(&self, group: &GroupId) -> Result<Option<Checkpoint>, Fault>;

    /// Makes a batch durable.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the batch would set the group back.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect, always as a whole.
    async fn commit(&self, group: &GroupId, batch: GroupBatch) -> Result<(), Fault>;

    /// Which of these ids (at most 10,000) the group has handled already.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn handled(&self, group: &GroupId, ids: Vec<String>) -> Result<HashSet<String>, Fault>;

    /// Forgets the ids of all groups that were handled before `before`; returns how many. Call it with a time longer
    /// ago than any retry, manual ones included.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    async fn forget_handled(&self, before: Timestamp) -> Result<u64, Fault>;

    /// Parked messages, in the order of their positions.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn parked(&self, group: &GroupId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault>;

    /// The lanes with waiting messages, at most `limit`.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn parked_lanes(&self, group: &GroupId, limit: usize) -> Result<Vec<String>, Fault>;
}

/// Offsets behind a pointer.
pub type DynOffsets = Arc<dyn Offsets>;

/// Offsets in memory: the reference, and for tests.
#[derive(Debug, Default)]
pub struct MemoryOffsets {
    groups: Mutex<HashMap<GroupId, Group>>,
}

#[derive(Debug, Default)]
struct Group {
    checkpoint: Option<Checkpoint>,
    handled: HashMap<String, Timestamp>,
    parked: BTreeMap<(Position, String), ParkedEvent>,
}

impl MemoryOffsets {
    /// No groups.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GroupId, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T: Default>(&self, group: &GroupId, work: impl FnOnce(&Group) -> T) -> T {
        self.lock().get(group).map_or_else(T::default, work)
    }
}

#[async_trait]
impl Offsets for MemoryOffsets {
    async fn checkpoint(&self, group: &GroupId) -> Result<Option<Checkpoint>, Fault> {
        Ok(self.with(group, |group| group.checkpoint))
    }

    async fn commit(&self, group: &GroupId, batch: GroupBatch) -> Result<(), Fault> {
        let mut groups = self.lock();
        let group = groups.entry(group.clone()).or_default();
        check_progress(group.checkpoint, batch.checkpoint)
            .map_err(|why| Fault::permanent("memory-offsets", "commit", why))?;
        group.checkpoint = Some(batch.checkpoint);
        group.handled.extend(batch.handled.into_iter().map(|id| (id, batch.at)));
        for event in batch.parked {
            group.parked.insert((event.position, event.lane.clone()), event);
        }
        for (lane, position) in batch.unparked {
            group.parked.remove(&(position, lane));
        }
        for skip in batch.skipped {
            if let Some(event) = group.parked.get_mut(&(skip.position, skip.lane)) {
                event.skipped = Some(skip.reason);
                event.last_at = skip.at;
            }
        }
        Ok(())
    }

    async fn handled(&self, group: &GroupId, ids: Vec<String>) -> Result<HashSet<String>, Fault> {
        Ok(self.with(group, |group| ids.into_iter().filter(|id| group.handled.contains_key(id)).collect()))
    }

    async fn forget_handled(&self, before: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        for group in self.lock().values_mut() {
            group.handled.retain(|_, at| {
                let kept = *at >= before;
                forgotten += u64::from(!kept);
                kept
            });
        }
        Ok(forgotten)
    }

    async fn parked(&self, group: &GroupId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        Ok(self.with(group, |group| {
            let shown = group.parked.values().filter(|event| filter.admits(event));
            shown.take(filter.bounded_limit()).cloned().collect()
        }))
    }

    async fn parked_lanes(&self, group: &GroupId, limit: usize) -> Result<Vec<String>, Fault> {
        Ok(self.with(group, |group| {
            let waiting = group.parked.values().filter(|event| event.skipped.is_none());
            let lanes: std::collections::BTreeSet<String> = waiting.map(|event| event.lane.clone()).collect();
            lanes.into_iter().take(limit).collect()
        }))
    }
}

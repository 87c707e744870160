//! The directory: which sagas there are, for recovery, for lists and for operators.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, PersonId, Position, RecordedEvent, Timestamp};
use madrigal_event_store::DynEventStore;
use serde::{Deserialize, Serialize};

use crate::id::SagaId;
use crate::state::SagaState;

pub mod summary;
pub mod view;

/// One saga in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaSummary {
    /// The saga.
    pub saga_id: SagaId,
    /// The definition's name.
    pub definition: Arc<str>,
    /// The definition's hash.
    pub definition_hash: Arc<str>,
    /// Where it stands.
    pub state: SagaState,
    /// On whose behalf it runs.
    pub owner: Option<PersonId>,
    /// When it was started.
    pub started_at: Timestamp,
    /// When its last record was written.
    pub last_progress_at: Timestamp,
    /// The steps that are under way, forward or back.
    pub current_steps: Vec<Arc<str>>,
    /// Why it is paused, compensating, stuck or set aside.
    pub reason: Option<String>,
    /// The state without a pause, to return to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_from: Option<SagaState>,
}

/// Which sagas to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SagaFilter {
    /// In this state.
    pub state: Option<SagaState>,
    /// Of the definition with this name.
    pub definition: Option<String>,
    /// On this person's behalf.
    pub owner: Option<PersonId>,
}

impl SagaFilter {
    /// Whether a saga is asked for.
    pub fn admits(&self, summary: &SagaSummary) -> bool {
        self.state.is_none_or(|state| state == summary.state)
            && self.definition.as_deref().is_none_or(|name| name == &*summary.definition)
            && self.owner.is_none_or(|owner| summary.owner == Some(owner))
    }
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaPage {
    /// The sagas, in the directory's order.
    pub items: Vec<SagaSummary>,
    /// Where to go on; `None` at the end. Opaque.
    pub next: Option<String>,
}

/// Knows the sagas of one store.
#[async_trait]
pub trait SagaDirectory: Send + Sync + 'static {
    /// Waits until everything that was durable when this was called is in the directory, at most `limit`.
    ///
    /// # Errors
    /// A fault if it is not, or if the engine broke.
    ///
    /// # Cancellation
    /// Safe.
    async fn caught_up(&self, limit: Duration) -> Result<(), Fault>;

    /// The sagas that have not ended, paged: every saga that is open during the whole scan MUST be met.
    ///
    /// # Errors
    /// A fault if the engine broke.
    ///
    /// # Cancellation
    /// Safe.
    async fn open(&self, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault>;

    /// The sagas that the filter admits, paged.
    ///
    /// # Errors
    /// A fault if the engine broke.
    ///
    /// # Cancellation
    /// Safe.
    async fn list(&self, filter: &SagaFilter, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault>;
}

/// A directory in memory that reads the whole log, for tests and small uses: it holds one row per saga for ever.
pub struct MemoryDirectory {
    store: DynEventStore,
    seen: tokio::sync::Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    through: Position,
    rows: BTreeMap<SagaId, SagaSummary>,
}

impl MemoryDirectory {
    /// A directory of this store's sagas; the log is read when somebody asks.
    pub fn new(store: DynEventStore) -> Self {
        Self { store, seen: tokio::sync::Mutex::default() }
    }

    async fn page(
        &self,
        admits: impl Fn(&SagaSummary) -> bool + Send,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<SagaPage, Fault> {
        let mut seen = self.seen.lock().await;
        self.read_on(&mut seen).await?;
        let after = match cursor {
            Some(text) => Some(
                text.parse::<SagaId>().map_err(|error| Fault::not_applied("saga-directory", "read a cursor", error))?,
            ),
            None => None,
        };
        let rest = seen.rows.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
        let mut items: Vec<SagaSummary> =
            rest.filter(|(_, row)| admits(row)).take(limit + 1).map(|(_, row)| row.clone()).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| last.saga_id.to_string());
        Ok(SagaPage { items, next })
    }

    async fn read_on(&self, seen: &mut Seen) -> Result<(), Fault> {
        loop {
            let read = self.store.read_log(seen.through, 10_000).await;
            let read = read.map_err(|error| Fault::not_applied("saga-directory", "read the log", error))?;
            for event in &read.events {
                seen.apply(event);
            }
            seen.through = read.scanned_through;
            if read.scanned_through >= read.end {
                return Ok(());
            }
        }
    }
}

impl Seen {
    fn apply(&mut self, event: &RecordedEvent) {
        let Some(id) = SagaId::of_stream(&event.stream) else { return };
        let row = self.rows.remove(&id);
        if let Some(row) = summary::apply(row, event) {
            self.rows.insert(id, row);
        }
    }
}

#[async_trait]
impl SagaDirectory for MemoryDirectory {
    async fn caught_up(&self, _limit: Duration) -> Result<(), Fault> {
        self.read_on(&mut *self.seen.lock().await).await
    }

    async fn open(&self, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        self.page(|row| !row.state.is_ended(), cursor, limit).await
    }

    async fn list(&self, filter: &SagaFilter, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        self.page(|row| filter.admits(row), cursor, limit).await
    }
}

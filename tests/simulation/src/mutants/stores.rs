//! Stores that break what is built on them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    EventId, ExpectedVersion, Fault, FaultOutcome, LogEpoch, LogName, Position, StreamName, StreamVersion,
};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};

/// What a broken store does with appends.
#[async_trait]
pub(super) trait Breaking: Send + Sync + 'static {
    async fn append(&self, inner: &DynEventStore, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError>;
}

/// A store that breaks a guarantee when something is appended, and is sound else.
pub(super) struct Broken<B> {
    inner: DynEventStore,
    breaking: B,
}

impl<B: Breaking> Broken<B> {
    pub(super) fn over(inner: DynEventStore, breaking: B) -> DynEventStore {
        Arc::new(Self { inner, breaking })
    }
}

#[async_trait]
impl<B: Breaking> EventStore for Broken<B> {
    fn log(&self) -> &LogName {
        self.inner.log()
    }

    fn epoch(&self) -> LogEpoch {
        self.inner.epoch()
    }

    fn end(&self) -> Position {
        self.inner.end()
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        self.breaking.append(&self.inner, appends).await
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        self.inner.read_stream(stream, read).await
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.inner.read_log(after, limit).await
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        self.inner.wait_beyond(position, limit).await
    }
}

fn is_saga(append: &StreamAppend) -> bool {
    append.stream.category() == "saga"
}

/// Appends to sagas' streams whatever their version is.
pub(super) struct Unfenced;

#[async_trait]
impl Breaking for Unfenced {
    async fn append(
        &self,
        inner: &DynEventStore,
        mut appends: Vec<StreamAppend>,
    ) -> Result<Vec<Appended>, AppendError> {
        for append in appends.iter_mut().filter(|append| is_saga(append)) {
            append.expected = ExpectedVersion::Any;
        }
        inner.append_many(appends).await
    }
}

/// Takes a pivot of unknown outcome for refused, and lets what follows be appended without looking.
#[derive(Default)]
pub(super) struct Blind(Mutex<BTreeSet<StreamName>>);

impl Blind {
    fn blind(&self) -> MutexGuard<'_, BTreeSet<StreamName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Breaking for Blind {
    async fn append(
        &self,
        inner: &DynEventStore,
        mut appends: Vec<StreamAppend>,
    ) -> Result<Vec<Appended>, AppendError> {
        for append in &mut appends {
            if self.blind().contains(&append.stream) {
                append.expected = ExpectedVersion::Any;
                // A record's id is derived from its place: the same place again would be noticed.
                for event in &mut append.events {
                    event.event_id = EventId::derived(&format!("blind {}", event.event_id));
                }
            }
        }
        let saga = appends.iter().find(|append| is_saga(append)).map(|append| append.stream.clone());
        let saga = saga.filter(|_| appends.len() > 1);
        match (inner.append_many(appends).await, saga) {
            (Err(AppendError::Fault(fault)), Some(saga)) if fault.outcome == FaultOutcome::Unknown => {
                self.blind().insert(saga.clone());
                Err(AppendError::Malformed { stream: saga })
            }
            (result, _) => result,
        }
    }
}

/// Says that tombstones are written, and writes none.
#[derive(Default)]
pub(super) struct Forgetful(Mutex<BTreeSet<StreamName>>);

impl Forgetful {
    /// Whether this append is a tombstone's, or follows one that was never written.
    fn forgets(&self, append: &StreamAppend) -> bool {
        let mut forgotten = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = append.expected == ExpectedVersion::Exact(StreamVersion::NONE);
        let tombstone = append.events.iter().all(|event| {
            ["ReservationTombstoned", "RefundRequested", "PaymentVoided", "Voided"]
                .iter()
                .any(|kind| event.event_type.as_str() == *kind)
        });
        if !tombstone {
            return false;
        }
        if first {
            forgotten.insert(append.stream.clone());
        }
        forgotten.contains(&append.stream)
    }
}

#[async_trait]
impl Breaking for Forgetful {
    async fn append(&self, inner: &DynEventStore, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        let forgotten: Vec<bool> = appends.iter().map(|append| self.forgets(append)).collect();
        let pretended: Vec<StreamVersion> = appends
            .iter()
            .map(|append| match append.expected {
                ExpectedVersion::Exact(version) => version.plus(append.events.len() as u64),
                _ => StreamVersion(append.events.len() as u64),
            })
            .collect();
        let kept = appends.into_iter().zip(&forgotten).filter(|(_, forgotten)| !**forgotten).map(|(kept, _)| kept);
        let kept: Vec<StreamAppend> = kept.collect();
        let mut real = if kept.is_empty() { Vec::new() } else { inner.append_many(kept).await? }.into_iter();
        let position = inner.end();
        let results = forgotten.iter().zip(pretended).filter_map(|(forgotten, version)| {
            if *forgotten { Some(Appended { version, position, repeated: false }) } else { real.next() }
        });
        Ok(results.collect())
    }
}

//! A witness of what stores acknowledged: it must be there for ever, whatever dies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{EventId, Fault, LogEpoch, LogName, Position, StreamName, StreamVersion, tasks};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};
use tokio::sync::Notify;

use crate::trace::Trace;

/// An event that a store said to be durable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acknowledged {
    /// The log.
    pub log: LogName,
    /// The stream.
    pub stream: StreamName,
    /// Its version.
    pub version: StreamVersion,
    /// Its id.
    pub event_id: EventId,
}

/// Remembers what was acknowledged. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Witness {
    trace: Trace,
    seen: Arc<Mutex<Vec<Acknowledged>>>,
}

impl Witness {
    /// A witness that has seen nothing, and tells the trace what it sees.
    pub fn new(trace: Trace) -> Self {
        Self { trace, seen: Arc::default() }
    }

    /// The store, watched.
    ///
    /// Those who wait for it, or for an append of the same events, wake in the order in which they came: the store's own
    /// waits may wake them in any order, which a seed cannot decide.
    pub fn watch(&self, store: DynEventStore) -> DynEventStore {
        Arc::new(Watched {
            store,
            witness: self.clone(),
            grown: Notify::new(),
            under_way: Mutex::default(),
            landed: Notify::new(),
        })
    }

    /// Everything that was acknowledged, in order.
    pub fn seen(&self) -> Vec<Acknowledged> {
        self.lock().clone()
    }

    fn note(&self, log: &LogName, stream: &StreamName, ids: &[EventId], appended: &Appended) {
        let first = appended.version.0 + 1 - ids.len() as u64;
        let events = ids.iter().zip(first..).map(|(event_id, version)| Acknowledged {
            log: log.clone(),
            stream: stream.clone(),
            version: StreamVersion(version),
            event_id: *event_id,
        });
        self.lock().extend(events);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Acknowledged>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watched {
    store: DynEventStore,
    witness: Witness,
    /// Rung when an append returned.
    grown: Notify,
    under_way: Mutex<BTreeSet<EventId>>,
    landed: Notify,
}

/// How often a wait looks by itself: appends whose caller died ring for nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Events on their way into the store.
struct UnderWay<'a> {
    watched: &'a Watched,
    ids: Vec<EventId>,
}

impl Watched {
    /// Waits until no other append of any of these events is under way.
    async fn enter(&self, ids: Vec<EventId>) -> UnderWay<'_> {
        loop {
            let landed = self.landed.notified();
            {
                let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
                if ids.iter().all(|id| !under_way.contains(id)) {
                    under_way.extend(ids.iter().copied());
                    return UnderWay { watched: self, ids };
                }
            }
            landed.await;
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut under_way = self.watched.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|id| !self.ids.contains(id));
        drop(under_way);
        self.watched.landed.notify_waiters();
    }
}

#[async_trait]
impl EventStore for Watched {
    fn log(&self) -> &LogName {
        self.store.log()
    }

    fn epoch(&self) -> LogEpoch {
        self.store.epoch()
    }

    fn end(&self) -> Position {
        self.store.end()
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        let log = self.store.log().clone();
        let told: Vec<(StreamName, Vec<EventId>, String)> = appends
            .iter()
            .map(|append| {
                let ids = append.events.iter().map(|event| event.event_id).collect();
                let kinds: Vec<&str> = append.events.iter().map(|event| event.event_type.as_str()).collect();
                (append.stream.clone(), ids, kinds.join(" "))
            })
            .collect();
        let under_way = self.enter(told.iter().flat_map(|(_, ids, _)| ids.iter().copied()).collect()).await;
        let result = self.store.append_many(appends).await;
        drop(under_way);
        self.grown.notify_waiters();
        match &result {
            Ok(appended) => {
                for ((stream, ids, kinds), appended) in told.iter().zip(appended) {
                    self.witness.note(&log, stream, ids, appended);
                    let again = if appended.repeated { " again" } else { "" };
                    let (version, position) = (appended.version, appended.position);
                    let who = log.as_str();
                    self.witness.trace.say(who, format_args!("{stream} {version} @{position}{again}: {kinds}"));
                }
            }
            Err(AppendError::Fault(fault)) => {
                self.witness.trace.say(log.as_str(), format_args!("append failed: {}", fault.chain()));
            }
            Err(refused) => self.witness.trace.say(log.as_str(), format_args!("append refused: {refused}")),
        }
        result
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        self.store.read_stream(stream, read).await
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.store.read_log(after, limit).await
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        let until = tasks::instant() + limit;
        loop {
            let grown = self.grown.notified();
            match self.store.wait_beyond(position, Duration::ZERO).await {
                Err(WaitError::TimedOut { .. }) => {}
                other => return other,
            }
            let left = until.saturating_duration_since(tasks::instant());
            if left.is_zero() {
                return Err(WaitError::TimedOut { end: self.store.end() });
            }
            let _ = tasks::within(left.min(LOOK_AGAIN), grown).await;
        }
    }
}

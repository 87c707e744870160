//! A store in front of which, or behind which, the process dies.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, LogEpoch, LogName, Position, StreamName};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};
use tokio::sync::Notify;

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Just before the append of this number, counted from 1, is made.
    Before(u32),
    /// Just after it was made, before anybody learns of it.
    After(u32),
}

impl CrashPoint {
    /// Every point of a run with so many appends.
    pub fn up_to(appends: u32) -> impl Iterator<Item = Self> {
        (1..=appends).flat_map(|number| [Self::Before(number), Self::After(number)])
    }
}

impl CrashPoint {
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Before(number) | Self::After(number) => number,
        }
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(number) => write!(f, "before append {number}"),
            Self::After(number) => write!(f, "after append {number}"),
        }
    }
}

/// A store whose appends never return from a certain one on, as for a process that died there.
#[derive(Clone)]
pub struct CrashingStore {
    inner: DynEventStore,
    point: Option<CrashPoint>,
    appends: Arc<AtomicU32>,
    crashed: Arc<Notify>,
}

impl CrashingStore {
    /// The store, dying at `point`; without one it only counts.
    pub fn new(inner: DynEventStore, point: Option<CrashPoint>) -> Self {
        Self { inner, point, appends: Arc::default(), crashed: Arc::default() }
    }

    /// How many appends were begun.
    pub fn appends(&self) -> u32 {
        self.appends.load(Ordering::SeqCst)
    }

    /// Waits until it struck.
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    async fn die<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl EventStore for CrashingStore {
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
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        let dead = match self.point {
            Some(CrashPoint::Before(point)) => number >= point,
            Some(CrashPoint::After(point)) => number > point,
            None => false,
        };
        if dead {
            return self.die().await;
        }
        let result = self.inner.append_many(appends).await;
        if self.point == Some(CrashPoint::After(number)) {
            return self.die().await;
        }
        result
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

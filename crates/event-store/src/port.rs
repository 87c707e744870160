//! The port: what an event store promises.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    EventId, ExpectedVersion, Fault, FaultCause, LogEpoch, LogName, NewEvent, Position, PositionToken, RecordedEvent,
    StreamName, StreamVersion,
};

/// Events for one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamAppend {
    /// The stream.
    pub stream: StreamName,
    /// What the writer believes about it.
    pub expected: ExpectedVersion,
    /// What is to be appended, in order; at least one.
    pub events: Vec<NewEvent>,
}

/// What an append did to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The stream's version after these events.
    pub version: StreamVersion,
    /// The position of the last of these events.
    pub position: Position,
    /// Whether these very events were there already, from an earlier append of the same ids.
    pub repeated: bool,
}

/// Why nothing was appended (or, for [`AppendError::Fault`], why it is not known).
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The stream is at another version. Nothing was written; read, decide again, retry.
    #[error("stream {stream} is at version {actual}, expected {expected}")]
    WrongVersion {
        /// The stream.
        stream: StreamName,
        /// What the writer believed.
        expected: ExpectedVersion,
        /// Where the stream is.
        actual: StreamVersion,
    },
    /// One of the event ids is in the stream already, with other content or only some of the batch. Nothing was written.
    #[error("event {event_id} is in stream {stream} already, with other content or without its companions")]
    EventIdReused {
        /// The stream.
        stream: StreamName,
        /// The id.
        event_id: EventId,
    },
    /// The same stream stands twice in one call, or a stream without events. Nothing was written.
    #[error("a batch names each stream once, with at least one event: {stream}")]
    Malformed {
        /// The stream.
        stream: StreamName,
    },
    /// A limit was exceeded. Nothing was written.
    #[error("{what} has {actual} {unit}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        actual: u64,
        /// How large it may be.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The engine broke; [`Fault::outcome`] says whether the effect is known.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The reader stands in another history of this log: its checkpoint must not be used.
    #[error("the reader stands in epoch {reader}, the log is in epoch {log}")]
    OtherEpoch {
        /// The reader's epoch.
        reader: LogEpoch,
        /// The log's.
        log: LogEpoch,
    },
    /// The reader stands beyond the end of the log: it has seen what this log has lost.
    #[error("the reader stands at {reader}, beyond the log's end at {end}")]
    BeyondEnd {
        /// The reader's position.
        reader: Position,
        /// The log's last durable position.
        end: Position,
    },
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl ReadError {
    /// As a fault of this call: a reader that stands elsewhere has read nothing.
    pub fn into_fault(self, component: &'static str, operation: &'static str) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            other => Fault::not_applied(component, operation, other),
        }
    }
}

/// Why a wait for a position ended without it.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The time is over; the log's end is still here.
    #[error("the log's end is still at {end}")]
    TimedOut {
        /// The log's last durable position.
        end: Position,
    },
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What keeps a store from taking events, now or soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreTrouble {
    /// There is no room for more: what does not fit is refused with this cause. Reads go on, and appends as soon as there is
    /// room again.
    NoRoom(FaultCause),
    /// Writing or syncing failed: nothing is appended until the store is opened again. Reads go on.
    Stopped,
}

impl StoreTrouble {
    /// Whether it stays until the store is opened again.
    pub const fn is_lasting(self) -> bool {
        matches!(self, Self::Stopped)
    }

    /// What is to be said about it to everybody: without paths.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoRoom(FaultCause::StorageFull) => {
                "the disk is full: what does not fit is refused until there is room"
            }
            Self::NoRoom(FaultCause::StorageReadOnly) => "the disk is read-only: nothing new is taken until it is not",
            Self::NoRoom(FaultCause::Other) => "the disk refuses more files: what does not fit is refused meanwhile",
            Self::Stopped => "writing failed: nothing new is taken until the process is started again",
        }
    }
}

/// What to read of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRead {
    /// Events after this version.
    pub after: StreamVersion,
    /// At most so many; implementations may return fewer, never zero while there are more. At most 10,000.
    pub limit: usize,
}

impl StreamRead {
    /// From the beginning, up to 1,000 events.
    pub const START: Self = Self { after: StreamVersion::NONE, limit: 1_000 };

    /// Events after `version`, up to 1,000.
    pub const fn after(version: StreamVersion) -> Self {
        Self { after: version, limit: 1_000 }
    }
}

/// A part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSlice {
    /// In order of version.
    pub events: Vec<RecordedEvent>,
    /// The version of the stream's last durable event when it was read; 0 if there is no such stream.
    pub version: StreamVersion,
}

impl StreamSlice {
    /// Whether the stream has events after those returned.
    pub fn has_more(&self) -> bool {
        self.events.last().is_some_and(|last| last.version() < self.version)
    }
}

/// A part of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRead {
    /// In order of position, without gaps in what the store committed.
    pub events: Vec<RecordedEvent>,
    /// Everything up to here has been looked at: the position to continue from and to store as a checkpoint.
    pub scanned_through: Position,
    /// The log's last durable position when it was read.
    pub end: Position,
}

/// A store of event streams with one log over all of them.
///
/// # Contract
/// Each MUST is a case in `madrigal-conformance`, run on every implementation.
///
/// 1. A stream's version counts its events from 1 without gaps. A failed expectation MUST write nothing and MUST return
///    the actual version.
/// 2. Every committed event MUST be delivered by [`EventStore::read_log`] exactly once, in order of position, whatever
///    writers do at the same time: after `scanned_through = p` no event at or below `p` appears.
/// 3. Order by position and by version MUST agree within a stream.
/// 4. Appending the same event ids with the same content to the same stream again MUST return the original result, with
///    any expectation; other content under a known id, or a batch that overlaps only partly, MUST be
///    [`AppendError::EventIdReused`]. (Content: type, schema version and data; not metadata.) In a batch over several
///    streams this holds for the batch as a whole: all repeated, or an error.
/// 5. An append whose outcome is not known MUST be a fault with `FaultOutcome::Unknown`.
/// 6. Limits MUST be checked before anything is written.
/// 7. `Ok` MUST mean durable, and readers MUST see only what is durable.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// The log's name in this installation.
    fn log(&self) -> &LogName;

    /// The log's current epoch.
    fn epoch(&self) -> LogEpoch;

    /// The last durable position: at or beyond whatever a call has answered, also while the engine cannot be asked. Who keeps a
    /// checkpoint takes it for lost where it stands beyond the end.
    fn end(&self) -> Position;

    /// The token of a position in this log.
    fn token(&self, position: Position) -> PositionToken {
        PositionToken::of(self.log().clone(), self.epoch(), position)
    }

    /// What keeps it from taking events, now or soon; for those who watch. Told from memory.
    fn trouble(&self) -> Option<StoreTrouble> {
        None
    }

    /// Appends to several streams, all or nothing; the results in the order of the appends. The events of one call have
    /// neighbouring positions, in the order given.
    ///
    /// # Errors
    /// [`AppendError`]; all but a fault with unknown outcome guarantee that nothing was written.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect: repeat it with the same event ids.
    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError>;

    /// Appends to one stream.
    ///
    /// # Errors
    /// As [`EventStore::append_many`].
    ///
    /// # Cancellation
    /// As [`EventStore::append_many`].
    async fn append(
        &self,
        stream: StreamName,
        expected: ExpectedVersion,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let name = stream.clone();
        let results = self.append_many(vec![StreamAppend { stream, expected, events }]).await?;
        results.into_iter().next().ok_or(AppendError::Malformed { stream: name })
    }

    /// Reads a stream in order of version. A stream that does not exist is empty, at version 0.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault>;

    /// Reads the log after `after`, at most `limit` events (at most 10,000).
    ///
    /// # Errors
    /// [`ReadError::BeyondEnd`] where the reader is ahead of the log; a fault if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError>;

    /// Waits until the log's end is beyond `position`, at most `limit`; returns the end.
    ///
    /// # Errors
    /// [`WaitError`].
    ///
    /// # Cancellation
    /// Safe.
    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError>;
}

/// An event store behind a pointer.
pub type DynEventStore = Arc<dyn EventStore>;

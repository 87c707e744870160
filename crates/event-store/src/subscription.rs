//! Following a log from a checkpoint.

use std::fmt;
use std::time::Duration;

use madrigal_core::{LogEpoch, Position};

use crate::port::{DynEventStore, LogRead, ReadError, WaitError};

/// How far a reader is in one history of a log. Stored by the reader, with what it made of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The history.
    pub epoch: LogEpoch,
    /// Everything up to and including this position has been looked at.
    pub position: Position,
}

impl Checkpoint {
    /// The beginning of a store's log as it is now.
    pub fn start_of(store: &DynEventStore) -> Self {
        Self { epoch: store.epoch(), position: Position::START }
    }
}

/// Hands out the log's events in order, each once; waits at the end.
pub struct Subscription {
    store: DynEventStore,
    after: Position,
    batch: usize,
}

/// Follows `store` after `from`, in batches of at most `batch` events (at most 10,000).
///
/// # Errors
/// [`ReadError::OtherEpoch`] and [`ReadError::BeyondEnd`] where the checkpoint does not belong to this history: the
/// reader has seen events that are not there, and must not go on as if nothing were.
pub fn subscribe(store: DynEventStore, from: Checkpoint, batch: usize) -> Result<Subscription, ReadError> {
    let (log, end) = (store.epoch(), store.end());
    if from.epoch != log {
        return Err(ReadError::OtherEpoch { reader: from.epoch, log });
    }
    if from.position > end {
        return Err(ReadError::BeyondEnd { reader: from.position, end });
    }
    Ok(Subscription { store, after: from.position, batch })
}

impl Subscription {
    /// The next events; `None` if there were none for as long as `patience`.
    ///
    /// # Errors
    /// As [`EventStore::read_log`](crate::EventStore::read_log).
    ///
    /// # Cancellation
    /// Safe: the events of a dropped call come with the next one.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<LogRead>, ReadError> {
        match self.store.wait_beyond(self.after, patience).await {
            Ok(_) => {}
            Err(WaitError::TimedOut { .. }) => return Ok(None),
            Err(WaitError::Fault(fault)) => return Err(fault.into()),
        }
        let read = self.store.read_log(self.after, self.batch).await?;
        self.after = read.scanned_through;
        Ok(Some(read))
    }

    /// What to store once the last batch is dealt with.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { epoch: self.store.epoch(), position: self.after }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("log", self.store.log())
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

//! A log that makes its events up as it is read: it costs little, and holds nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, Host, LogEpoch, LogName, Position, StreamName};
use madrigal_event_store::{
    AppendError, Appended, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice, WaitError,
};

use super::history::History;

pub(super) struct MadeUpLog {
    name: LogName,
    epoch: LogEpoch,
    end: Position,
    history: Arc<History>,
}

impl MadeUpLog {
    pub(super) fn new(history: Arc<History>) -> anyhow::Result<Self> {
        let name = LogName::parse("order").ok_or_else(|| anyhow::anyhow!("a log's name has letters"))?;
        Ok(Self { name, epoch: LogEpoch::new(&Host::system()), end: history.end(), history })
    }
}

#[async_trait]
impl EventStore for MadeUpLog {
    fn log(&self) -> &LogName {
        &self.name
    }

    fn epoch(&self) -> LogEpoch {
        self.epoch
    }

    fn end(&self) -> Position {
        self.end
    }

    async fn append_many(&self, _: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        Err(Fault::permanent("made-up", "append", "read-only").into())
    }

    async fn read_stream(&self, _: &StreamName, _: StreamRead) -> Result<StreamSlice, Fault> {
        Err(Fault::permanent("made-up", "read-stream", "only the log is made up"))
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        let through = self.end.0.min(after.0 + limit as u64);
        let events = (after.0 + 1..=through).map(|position| self.history.recorded(Position(position))).collect();
        Ok(LogRead { events, scanned_through: Position(through), end: self.end })
    }

    async fn wait_beyond(&self, _: Position, _: Duration) -> Result<Position, WaitError> {
        Err(WaitError::TimedOut { end: self.end })
    }
}

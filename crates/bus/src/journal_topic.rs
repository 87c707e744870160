//! A topic over an event store: its log, read through the contract.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Position, tasks};
use madrigal_event_store::{DynEventStore, ReadError, WaitError};
use madrigal_projection::consumer::{PollError, PollFrom, Start};

use crate::contract::TopicContract;
use crate::source::{MAX_WAIT, Polled, TopicSource};

/// A topic that reads its owner's log, in the owner's process.
#[derive(Clone)]
pub struct JournalTopic {
    log: DynEventStore,
    contract: TopicContract,
}

impl JournalTopic {
    /// The topic of `contract` over `log`.
    pub const fn new(log: DynEventStore, contract: TopicContract) -> Self {
        Self { log, contract }
    }

    /// The contract.
    pub const fn contract(&self) -> &TopicContract {
        &self.contract
    }

    fn after(&self, from: PollFrom) -> Result<Position, PollError> {
        let epoch = self.log.epoch();
        match from {
            PollFrom::Start(Start::Earliest) => Ok(Position::START),
            PollFrom::Start(Start::Latest) => Ok(self.log.end()),
            PollFrom::Start(Start::At(position)) => Ok(position),
            PollFrom::After(at) if at.epoch == epoch => Ok(at.position),
            PollFrom::After(at) => Err(PollError::OtherEpoch { reader: at.epoch, log: epoch }),
        }
    }
}

#[async_trait]
impl TopicSource for JournalTopic {
    fn topic(&self) -> &str {
        self.contract.name()
    }

    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled, PollError> {
        let mut until = tasks::instant() + wait.min(MAX_WAIT);
        let limit = limit.clamp(1, MAX_POLL);
        let start = self.after(from)?;
        let (mut after, mut looked_at) = (start, 0);
        loop {
            let read = self.log.read_log(after, limit).await.map_err(read_error)?;
            let scanned_through = read.scanned_through.max(after);
            let items: Vec<_> = read.events.iter().filter_map(|event| self.contract.message(event)).collect();
            looked_at += read.events.len();
            let caught_up = scanned_through >= read.end;
            let polled = Polled { items, scanned_through, epoch: self.log.epoch(), end: read.end };
            if after == start && scanned_through > start {
                // From the first event that the topic leaves out: the reader is to know soon that it has nothing to wait for.
                until = until.min(tasks::instant() + WATERMARK);
            }
            let left = until.saturating_duration_since(tasks::instant());
            // A long stretch of events that the topic leaves out is told in parts, so that checkpoints advance.
            if !polled.items.is_empty() || left.is_zero() || looked_at >= MAX_SCAN {
                return Ok(polled);
            }
            after = scanned_through;
            if caught_up {
                match self.log.wait_beyond(after, left).await {
                    Ok(_) => {}
                    Err(WaitError::TimedOut { .. }) => return Ok(polled),
                    Err(WaitError::Fault(fault)) => return Err(fault.into()),
                }
            }
        }
    }
}

/// How long after an event that the topic leaves out a poll answers, also without messages: so much later does a quiet
/// topic's reader know how far it is. A log in which nothing happens costs nothing.
const WATERMARK: Duration = Duration::from_millis(250);

/// The most messages of one poll: the event store's own bound.
const MAX_POLL: usize = 10_000;

/// How many events one poll looks at before it answers without messages.
const MAX_SCAN: usize = 50_000;

fn read_error(error: ReadError) -> PollError {
    match error {
        ReadError::OtherEpoch { reader, log } => PollError::OtherEpoch { reader, log },
        ReadError::BeyondEnd { reader, end } => PollError::BeyondEnd { reader, end },
        ReadError::Fault(fault) => PollError::Fault(fault),
    }
}

//! The event store over a journal: durable, embedded, one process.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    EventId, Fault, FaultRetry, Host, LogEpoch, LogName, Position, RecordedEvent, StreamName, Timestamp,
};
use madrigal_journal::{Batch, EnqueueError, Journal, JournalOptions, OpenError, Recovery, Ticket};

use crate::envelope::{self, EnvelopeError};
use crate::index::Table;
use crate::limits;
use crate::memory::repeated;
use crate::port::{
    AppendError, Appended, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice, WaitError,
};

/// How the store stores.
#[derive(Debug, Clone, Default)]
pub struct EventStoreOptions {
    /// The journal's options.
    pub journal: JournalOptions,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The journal could not be.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// A record could not be read back.
    #[error(transparent)]
    Read(#[from] madrigal_journal::ReadError),
    /// A record is not an event that this program knows.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// An event store over a journal in one directory.
///
/// Appends are ordered by one short critical section (check, assign versions, hand to the journal), and wait for
/// durability outside of it. A read blocks its thread while it reads; that is the page cache nearly always, where
/// handing over to another thread would cost more than the read.
#[derive(Debug)]
pub struct JournalEventStore {
    log: LogName,
    host: Host,
    recovery: Recovery,
    order: Mutex<Order>,
    journal: Journal,
}

/// What appends decide on; in the same order as the journal.
#[derive(Debug)]
struct Order {
    table: Table,
    /// Times in a log never go back, whatever the clock does.
    last_time: Timestamp,
}

impl JournalEventStore {
    /// Opens the store in `dir`, making it if need be. Blocks while it recovers.
    ///
    /// # Errors
    /// [`StoreOpenError`].
    pub fn open(dir: &Path, log: LogName, options: EventStoreOptions, host: &Host) -> Result<Self, StoreOpenError> {
        let (journal, recovery) = Journal::open(dir, options.journal, host)?;
        let mut order = Order { table: Table::default(), last_time: Timestamp::default() };
        let mut after = Position::START;
        loop {
            let records = journal.read(after, 10_000, 8 << 20)?;
            let Some(last) = records.last() else { break };
            (after, order.last_time) = (last.position, last.time);
            for record in &records {
                let key = envelope::key(record.position, &record.payload)?;
                let what = "stream";
                let wrong = |_| EnvelopeError::Content { position: record.position, what };
                let stream: StreamName = key.stream.parse().map_err(wrong)?;
                order.table.add(&stream, key.event_id, key.version, record.position);
            }
        }
        Ok(Self { log, host: host.clone(), recovery, order: Mutex::new(order), journal })
    }

    /// What was found when the store was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks and accepts, or finds that there is something to look at first.
    fn accept(
        &self,
        appends: &[StreamAppend],
        batch: &mut Batch,
        versions_at: &[usize],
    ) -> Result<Accepted, AppendError> {
        let mut order = self.order();
        let known = known(&order.table, appends);
        if !known.is_empty() {
            return Ok(Accepted::Known(known));
        }
        let mut versions_at = versions_at.iter();
        let mut heads = Vec::with_capacity(appends.len());
        for append in appends {
            let actual = order.table.head(&append.stream).unwrap_or_default();
            if !append.expected.is_met_by(actual) {
                let StreamAppend { stream, expected, .. } = append.clone();
                return Err(AppendError::WrongVersion { stream, expected, actual });
            }
            for (index, at) in (1..=append.events.len() as u64).zip(versions_at.by_ref()) {
                batch.overwrite(*at, &(actual.0 + index).to_le_bytes());
            }
            heads.push(actual);
        }
        let now = self.host.now().max(order.last_time);
        let ticket = match self.journal.enqueue(batch, now) {
            Ok(ticket) => ticket,
            Err(EnqueueError::Full) => return Ok(Accepted::Full),
            Err(error @ EnqueueError::NoSpace { .. }) => {
                let retry = FaultRetry::After(Duration::from_secs(1));
                return Err(Fault::not_applied("journal", "append", error).with_retry(retry).into());
            }
            Err(error) => return Err(Fault::permanent("journal", "append", error).into()),
        };
        order.last_time = now;
        let mut results = Vec::with_capacity(appends.len());
        let mut position = Position(ticket.first().0 - 1);
        for (append, mut version) in appends.iter().zip(heads) {
            for event in &append.events {
                (version, position) = (version.plus(1), position.next());
                order.table.add(&append.stream, event.event_id, version, position);
            }
            results.push(Appended { version, position, repeated: false });
        }
        Ok(Accepted::Ticket(ticket, results))
    }

    /// Decides about a call of which some event ids are in their streams already.
    async fn repeat(&self, appends: &[StreamAppend], known: Vec<Known>) -> Result<Vec<Appended>, AppendError> {
        if let Some(last) = known.iter().map(|known| known.position).max() {
            // The original's writer has not been answered yet either: the same answer, at the same time.
            self.journal.wait_durable(last).await?;
        }
        let mut results = Vec::with_capacity(appends.len());
        for (at, append) in appends.iter().enumerate() {
            let positions: Vec<Position> =
                known.iter().filter(|known| known.append == at).map(|known| known.position).collect();
            if positions.is_empty() {
                let first = known.first();
                let stream = first.map_or(&append.stream, |first| &appends[first.append].stream).clone();
                let event_id = first.map_or(append.events[0].event_id, |first| first.event_id);
                return Err(AppendError::EventIdReused { stream, event_id });
            }
            let stored = self.events_at(&positions)?;
            results.push(repeated(append, &stored.iter().collect::<Vec<_>>())?);
        }
        Ok(results)
    }

    fn events_at(&self, positions: &[Position]) -> Result<Vec<RecordedEvent>, Fault> {
        let records = self.journal.read_at(positions).map_err(broken)?;
        records.iter().map(|record| envelope::decode(record).map_err(broken)).collect()
    }
}

/// What became of an attempt to append.
enum Accepted {
    Ticket(Ticket, Vec<Appended>),
    Known(Vec<Known>),
    Full,
}

/// An event id that is in its stream already.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Which of the call's appends has it.
    append: usize,
    event_id: EventId,
    position: Position,
}

fn known(table: &Table, appends: &[StreamAppend]) -> Vec<Known> {
    let mut known = Vec::new();
    for (at, append) in appends.iter().enumerate() {
        if table.head(&append.stream).is_none() {
            continue;
        }
        for event in &append.events {
            if let Some(position) = table.find(&append.stream, event.event_id) {
                known.push(Known { append: at, event_id: event.event_id, position });
            }
        }
    }
    known
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::permanent("journal", "read", error)
}

#[async_trait]
impl EventStore for JournalEventStore {
    fn log(&self) -> &LogName {
        &self.log
    }

    fn epoch(&self) -> LogEpoch {
        self.journal.epoch()
    }

    fn end(&self) -> Position {
        self.journal.end()
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        limits::check(&appends)?;
        if appends.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = Batch::new();
        let mut versions_at = Vec::with_capacity(appends.iter().map(|append| append.events.len()).sum());
        for append in &appends {
            for event in &append.events {
                let start = batch.push_with(|buffer| envelope::encode(buffer, &append.stream, event));
                versions_at.push(start + envelope::VERSION_AT);
            }
        }
        loop {
            let room = self.journal.room();
            match self.accept(&appends, &mut batch, &versions_at)? {
                Accepted::Ticket(ticket, results) => {
                    ticket.durable().await?;
                    return Ok(results);
                }
                Accepted::Known(known) => return self.repeat(&appends, known).await,
                Accepted::Full => room.await,
            }
        }
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        let limit = read.limit.clamp(1, limits::MAX_READ);
        let (positions, version) = self.order().table.positions(stream, read.after, limit, self.journal.end());
        Ok(StreamSlice { events: self.events_at(&positions)?, version })
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        let end = self.journal.end();
        if after > end {
            return Err(ReadError::BeyondEnd { reader: after, end });
        }
        let records = self.journal.read(after, limit.clamp(1, limits::MAX_READ), READ_BYTES).map_err(broken)?;
        let events: Result<Vec<_>, _> = records.iter().map(envelope::decode).collect();
        let events = events.map_err(broken)?;
        let scanned_through = events.last().map_or(after, |event| event.position);
        Ok(LogRead { events, scanned_through, end: end.max(scanned_through) })
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        let end = self.journal.wait_beyond(position, limit).await?;
        if end > position { Ok(end) } else { Err(WaitError::TimedOut { end }) }
    }
}

/// The most payload that one read of the log returns, so that a reader's memory is bounded.
const READ_BYTES: usize = 8 << 20;

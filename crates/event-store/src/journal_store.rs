//! The event store over a journal: durable, embedded, one process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    EventId, Fault, FaultRetry, Host, LogEpoch, LogName, Position, RecordedEvent, StreamName, StreamVersion, Timestamp,
};
use madrigal_journal::{
    ArchiveError, Archived, Batch, EnqueueError, Journal, JournalOptions, OpenError, Recovery, Ticket,
};

use crate::envelope::{self, EnvelopeError};
use crate::index::upkeep::HasIndex;
use crate::index::{Index, IndexError, IndexOptions, RunSet, Runs, Upkeep, id_key, stream_key};
use crate::limits;
use crate::memory::repeated;
use crate::port::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StoreTrouble, StreamAppend, StreamRead,
    StreamSlice, WaitError,
};
use crate::tail::Tail;

mod look;

use look::{Known, LookError, Older, heads, nothing_older, young_ids};

/// How the store stores.
#[derive(Debug, Clone)]
pub struct EventStoreOptions {
    /// The journal's options.
    pub journal: JournalOptions,
    /// The index's options.
    pub index: IndexOptions,
    /// How many of the newest events are kept in memory, 4 MiB of them at most, so that those who follow the log need not
    /// decode them once more each; 4,096 by default, 0 for none.
    pub newest_events: usize,
}

impl Default for EventStoreOptions {
    fn default() -> Self {
        Self { journal: JournalOptions::default(), index: IndexOptions::default(), newest_events: 4_096 }
    }
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
    /// The index could not be opened or built again.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index's threads could not be started.
    #[error("cannot start the index's threads")]
    Threads(#[source] std::io::Error),
}

/// An event store over a journal in one directory.
///
/// Appends are ordered by one short critical section (check, assign versions, hand to the journal) without I/O, and
/// wait for durability outside of it. A read blocks its thread while it reads; that is the page cache nearly always,
/// where handing over to another thread would cost more than the read.
#[derive(Debug)]
pub struct JournalEventStore {
    log: LogName,
    host: Host,
    recovery: Recovery,
    options: IndexOptions,
    tail: Tail,
    // Before the journal: its threads hold it.
    upkeep: Upkeep<Order>,
    journal: Arc<Journal>,
}

/// What appends decide on; in the same order as the journal.
#[derive(Debug)]
struct Order {
    index: Index,
    /// Times in a log never go back, whatever the clock does.
    last_time: Timestamp,
}

impl HasIndex for Order {
    fn index(&mut self) -> &mut Index {
        &mut self.index
    }
}

/// How long a service's log gathers a group while many append: several logs share the machine's cores with their services,
/// and a sync costs some 70 µs of a core, whoever is in it.
const LINGER: Duration = Duration::from_millis(2);

/// Opens the log of a service in `dir` with the defaults, on a thread where recovering may block.
///
/// # Errors
/// A permanent [`Fault`] where the name is none or the store cannot be opened; see [`StoreOpenError`].
///
/// # Cancellation
/// The store may stay open until its thread has ended.
pub async fn open_log(dir: PathBuf, name: &'static str, host: &Host) -> Result<DynEventStore, Fault> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Fault::permanent("journal", "open", source);
    let log = LogName::parse(name).ok_or_else(|| failed(format!("{name:?} cannot name a log").into()))?;
    let host = host.clone();
    let journal = JournalOptions { linger: LINGER, ..JournalOptions::default() };
    let options = EventStoreOptions { journal, ..EventStoreOptions::default() };
    let open = move || JournalEventStore::open(&dir, log, options, &host);
    match madrigal_core::tasks::blocking(open).await {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(error)) => Err(failed(error.into())),
        Err(error) => Err(failed(error.into())),
    }
}

impl JournalEventStore {
    /// Opens the store in `dir`, making it if need be. Blocks while it recovers: it verifies the log, and indexes what
    /// its index does not know yet.
    ///
    /// # Errors
    /// [`StoreOpenError`].
    pub fn open(dir: &Path, log: LogName, options: EventStoreOptions, host: &Host) -> Result<Self, StoreOpenError> {
        let (disk, workers) = (Arc::clone(&options.journal.disk), options.journal.workers);
        let tail = Tail::of(options.newest_events);
        let (journal, recovery) = Journal::open(dir, options.journal, host)?;
        let (mut runs, set) = Runs::open(&dir.join("index"), disk, journal.epoch(), journal.end().0)?;
        let index = catch_up(&journal, &mut runs, set, options.index)?;
        let last_time = journal.read_at(&[journal.end()].map(|end| end.max(Position(1))))?;
        let last_time = last_time.first().map_or_else(Timestamp::default, |record| record.time);
        let journal = Arc::new(journal);
        let order = Order { index, last_time };
        let upkeep = Upkeep::start(order, runs, options.index, &journal, workers).map_err(StoreOpenError::Threads)?;
        Ok(Self { log, host: host.clone(), recovery, options: options.index, tail, upkeep, journal })
    }

    /// What was found when the store was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Moves whole old segments to the archive; see [`Journal::archive`]. Blocks.
    ///
    /// # Errors
    /// [`ArchiveError`]; everything is readable all the same.
    pub fn archive(&self, before: Position) -> Result<Archived, ArchiveError> {
        self.journal.archive(before)
    }

    /// Checks and accepts, or finds that there is something to look at first. Does no I/O.
    fn accept(
        &self,
        appends: &[StreamAppend],
        batch: &mut Batch,
        versions_at: &[usize],
        older: Option<&Older>,
    ) -> Result<Accepted, AppendError> {
        let mut order = self.upkeep.shared.index();
        let index = &order.index;
        if index.is_behind() && self.journal.failure().is_none() {
            return self.behind();
        }
        // What was looked up in the runs still holds if they cover the same part of the log.
        let older = match older {
            Some(older) if older.covered == index.runs.covered => older,
            _ if nothing_older(index, appends) => &Older::default(),
            _ => return Ok(Accepted::Look(Arc::clone(&index.runs), heads(index, appends))),
        };
        let mut known = older.known.clone();
        known.extend(young_ids(index, appends));
        if !known.is_empty() {
            known.sort_by_key(|known| (known.append, known.event));
            return Ok(Accepted::Known(known));
        }
        let mut versions_at = versions_at.iter();
        let mut heads = Vec::with_capacity(appends.len());
        for (at, append) in appends.iter().enumerate() {
            let in_runs = || older.heads.get(at).copied().flatten();
            let actual = index.head(&append.stream).or_else(in_runs).unwrap_or_default();
            if !append.expected.is_met_by(actual) {
                let StreamAppend { stream, expected, .. } = append.clone();
                return Err(AppendError::WrongVersion { stream, expected, actual });
            }
            for (number, at) in (1..=append.events.len() as u64).zip(versions_at.by_ref()) {
                batch.overwrite(*at, &(actual.0 + number).to_le_bytes());
            }
            heads.push(actual);
        }
        let now = self.host.now().max(order.last_time);
        let ticket = match self.journal.enqueue(batch, now) {
            Ok(ticket) => ticket,
            Err(EnqueueError::Full) => return Ok(Accepted::Full),
            Err(EnqueueError::NoRoom(no_room)) => return Err(no_room.fault().into()),
            Err(error) => return Err(Fault::permanent("journal", "append", error).into()),
        };
        order.last_time = now;
        let mut results = Vec::with_capacity(appends.len());
        let mut position = Position(ticket.first().0 - 1);
        for (append, mut version) in appends.iter().zip(heads) {
            for event in &append.events {
                (version, position) = (version.plus(1), position.next());
                order.index.add(&append.stream, event.event_id, version, position);
            }
            results.push(Appended { version, position, repeated: false });
        }
        self.tail.add(accepted(appends, &results, now));
        let frozen = order.index.freeze_if_full(self.options.table_events);
        drop(order);
        if frozen {
            self.upkeep.shared.wake();
        }
        Ok(Accepted::Ticket(ticket, results))
    }

    /// The index's tables wait to be written: wait with them, unless they cannot be.
    fn behind(&self) -> Result<Accepted, AppendError> {
        match self.upkeep.shared.failure() {
            Some(held_up) => {
                let retry = FaultRetry::After(Duration::from_secs(1));
                let fault = Fault::not_applied("index", "append", held_up.reason).with_retry(retry);
                Err(fault.with_cause(held_up.cause).into())
            }
            None => Ok(Accepted::Behind),
        }
    }

    /// Looks streams and event ids up in the runs; reads files.
    fn look(&self, runs: &RunSet, appends: &[StreamAppend], young: &[Option<StreamVersion>]) -> Result<Older, Fault> {
        let mut older = Older { covered: runs.covered, heads: Vec::with_capacity(appends.len()), known: Vec::new() };
        for (at, append) in appends.iter().enumerate() {
            let stream = append.stream.as_str();
            let head = match young.get(at).copied().flatten() {
                Some(version) => Some(version),
                None => self.head_in(runs, &append.stream)?,
            };
            older.heads.push(head);
            if head.is_none() {
                continue;
            }
            for (number, event) in append.events.iter().enumerate() {
                for entry in runs.with_id(id_key(stream, event.event_id)).map_err(broken)? {
                    let position = Position(entry.position);
                    let event_id = event.event_id;
                    if self.is(position, stream, Some(event_id))? {
                        older.known.push(Known { append: at, event: number, event_id, position });
                    }
                }
            }
        }
        Ok(older)
    }

    /// The stream's version in the runs.
    fn head_in(&self, runs: &RunSet, stream: &StreamName) -> Result<Option<StreamVersion>, Fault> {
        let key = stream_key(stream.as_str());
        let head =
            runs.head(key, |entry| self.is(Position(entry.position), stream.as_str(), None).map_err(LookError::Fault));
        Ok(head.map_err(LookError::fault)?.map(|entry| StreamVersion(entry.version)))
    }

    /// Whether the event at a position is of this stream, and has this id.
    fn is(&self, position: Position, stream: &str, id: Option<EventId>) -> Result<bool, Fault> {
        let records = self.journal.read_at(&[position]).map_err(broken)?;
        let Some(record) = records.first() else { return Ok(false) };
        let key = envelope::key(position, &record.payload).map_err(broken)?;
        Ok(key.stream == stream && id.is_none_or(|id| id == key.event_id))
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

    /// At most `limit` events after `after`, none beyond `end`; and the stream's version at `end`.
    fn read_events(
        &self,
        stream: &StreamName,
        after: StreamVersion,
        limit: usize,
        end: Position,
    ) -> Result<StreamSlice, Fault> {
        let (young, runs) = {
            let order = self.upkeep.shared.index();
            (order.index.young(stream, after, limit, end), Arc::clone(&order.index.runs))
        };
        let (base, version) = match &young {
            Some(young) => (young.base, young.version),
            None => {
                let head = self.head_in(&runs, stream)?.unwrap_or_default();
                (head, head)
            }
        };
        let mut events = Vec::new();
        let mut read = after;
        while read < base && events.len() < limit {
            let entries = runs.after(stream_key(stream.as_str()), read, limit - events.len()).map_err(broken)?;
            let Some(last) = entries.last() else { break };
            read = StreamVersion(last.version);
            let positions: Vec<_> = entries.iter().map(|entry| Position(entry.position)).collect();
            // Another stream may have the same key.
            events.extend(self.events_at(&positions)?.into_iter().filter(|event| event.stream == *stream));
        }
        if let Some(mut young) = young {
            young.positions.truncate(limit - events.len());
            events.extend(self.events_at(&young.positions)?);
        }
        Ok(StreamSlice { events, version })
    }

    fn events_at(&self, positions: &[Position]) -> Result<Vec<RecordedEvent>, Fault> {
        if let Some(events) = self.tail.at(positions) {
            return Ok(events);
        }
        let records = self.journal.read_at(positions).map_err(broken)?;
        records.iter().map(|record| envelope::decode(record).map_err(broken)).collect()
    }
}

/// Indexes the log after what the runs cover; full tables become runs at once.
fn catch_up(journal: &Journal, runs: &mut Runs, set: RunSet, options: IndexOptions) -> Result<Index, StoreOpenError> {
    let mut after = Position(set.covered);
    let mut index = Index::new(set);
    loop {
        let records = journal.read(after, 10_000, READ_BYTES)?;
        let Some(last) = records.last() else { return Ok(index) };
        after = last.position;
        for record in &records {
            let key = envelope::key(record.position, &record.payload)?;
            let wrong = |_| EnvelopeError::Content { position: record.position, what: "stream" };
            let stream: StreamName = key.stream.parse().map_err(wrong)?;
            index.add(&stream, key.event_id, key.version, record.position);
            if index.freeze_if_full(options.table_events)
                && let Some(table) = index.oldest_frozen()
            {
                let set = runs.add(&index.runs, &table)?;
                runs.commit(&set)?;
                index.replace_oldest(Arc::new(set));
            }
        }
    }
}

/// What became of an attempt to append.
enum Accepted {
    Ticket(Ticket, Vec<Appended>),
    Known(Vec<Known>),
    /// The runs may know some of it: look there, with the versions that are in memory, and try again.
    Look(Arc<RunSet>, Vec<Option<StreamVersion>>),
    /// The journal's buffer is full.
    Full,
    /// The index's tables are not written fast enough.
    Behind,
}

/// The events of appends that were accepted at `time` with these results, as they are read.
fn accepted<'a>(
    appends: &'a [StreamAppend],
    results: &'a [Appended],
    time: Timestamp,
) -> impl Iterator<Item = RecordedEvent> + 'a {
    appends.iter().zip(results).flat_map(move |(append, last)| {
        (0..append.events.len() as u64).rev().zip(&append.events).map(move |(after, event)| {
            let (version, position) = (StreamVersion(last.version.0 - after), Position(last.position.0 - after));
            envelope::recorded(&append.stream, event.clone(), version, position, time)
        })
    })
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::permanent("journal", "read", error)
}

#[async_trait]
impl EventStore for JournalEventStore {
    fn trouble(&self) -> Option<StoreTrouble> {
        if self.journal.failure().is_some() {
            return Some(StoreTrouble::Stopped);
        }
        let held_up = || self.upkeep.shared.failure().map(|held_up| held_up.cause);
        self.journal.no_room().map(|no_room| no_room.cause).or_else(held_up).map(StoreTrouble::NoRoom)
    }

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
        let mut older = None;
        loop {
            // Taken before trying, so that what happens between trying and waiting is not missed.
            let (room, written) = (self.journal.room(), self.upkeep.shared.written.notified());
            match self.accept(&appends, &mut batch, &versions_at, older.as_ref())? {
                Accepted::Ticket(ticket, results) => {
                    ticket.durable().await?;
                    return Ok(results);
                }
                Accepted::Known(known) => return self.repeat(&appends, known).await,
                Accepted::Look(runs, young) => older = Some(self.look(&runs, &appends, &young)?),
                Accepted::Full => room.await,
                Accepted::Behind => written.await,
            }
        }
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        let limit = read.limit.clamp(1, limits::MAX_READ);
        self.read_events(stream, read.after, limit, self.journal.end())
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        let end = self.journal.end();
        if after > end {
            return Err(ReadError::BeyondEnd { reader: after, end });
        }
        let limit = limit.clamp(1, limits::MAX_READ);
        if let Some(events) = self.tail.after(after, end, limit) {
            let scanned_through = events.last().map_or(after, |event| event.position);
            return Ok(LogRead { events, scanned_through, end });
        }
        let records = self.journal.read(after, limit, READ_BYTES).map_err(broken)?;
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

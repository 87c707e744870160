//! The handle: opening, appending, waiting.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use madrigal_core::{Fault, Host, LogEpoch, Position, Timestamp, tasks};
use tokio::task::AbortHandle;

use crate::archive::{self, Archived};
use crate::batch::Batch;
use crate::epoch::EpochFile;
use crate::error::{ArchiveError, EnqueueError, NoRoom, OpenError, ReadError};
use crate::frame;
use crate::options::{JournalOptions, Workers};
use crate::read::{self, Record};
use crate::recovery::{self, Recovery};
use crate::segment::{FIRST_FRAME, next_size};
use crate::shared::{Shared, SpareState, State};
use crate::writer::Writer;
use crate::{preparer, writer};

/// An open log. Dropping it writes what was accepted, closes the log and frees its directory; it blocks meanwhile.
pub struct Journal {
    shared: Arc<Shared>,
    started: Started,
    /// Held to the end; see [`crate::Disk::lock`].
    _lock: Box<dyn Any + Send + Sync>,
}

impl Journal {
    /// Opens the log in `dir`, making it if need be, and recovers what a stop left. Blocks: reads the whole log once.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is changed in the files then.
    pub fn open(dir: &Path, options: JournalOptions, host: &Host) -> Result<(Self, Recovery), OpenError> {
        let (lock, recovered) = recovery::recover(dir, &options, host)?;
        let recovery = recovered.recovery;
        let active = Arc::clone(&recovered.active);
        let shared = Arc::new(Shared::new(
            dir.to_owned(),
            options,
            recovery.epoch,
            active.header.salt,
            recovered.segments,
            recovery.end.0 + 1,
            recovered.next_group,
            recovered.active_end,
        ));
        let started = Started::new(&shared, Writer::new(active, recovered.active_end))
            .map_err(|source| OpenError::Io { operation: "start a thread for", path: dir.to_owned(), source })?;
        Ok((Self { shared, started, _lock: lock }, recovery))
    }

    /// The log's epoch.
    pub fn epoch(&self) -> LogEpoch {
        self.shared.epoch
    }

    /// The last durable position.
    pub fn end(&self) -> Position {
        Position(self.shared.durable())
    }

    /// The position that the next accepted record gets. Meaningful only to one who keeps others from appending.
    pub fn next(&self) -> Position {
        Position(self.shared.state().next)
    }

    /// Why the journal stopped, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.shared.poisoned()
    }

    /// What keeps the journal from taking more now, or soon: the active segment may have some room left.
    pub fn no_room(&self) -> Option<NoRoom> {
        let state = self.shared.state();
        state.stalled.clone().or_else(|| state.unprepared.clone())
    }

    /// Accepts a batch: gives it its positions and its place in the next group. Short, never blocks on I/O.
    ///
    /// Accepted is not durable: wait for [`Ticket::durable`]. The batch becomes durable even if nobody waits.
    ///
    /// # Errors
    /// [`EnqueueError`]; nothing of the batch is or will be in the log.
    pub fn enqueue(&self, batch: &Batch, time: Timestamp) -> Result<Ticket, EnqueueError> {
        if batch.is_empty() || batch.bytes() > Batch::MAX_BYTES {
            return Err(EnqueueError::Size { actual: batch.bytes() });
        }
        let shared = &self.shared;
        let mut state = shared.state();
        if let Some(reason) = shared.poisoned() {
            return Err(EnqueueError::Poisoned { reason: reason.to_owned() });
        }
        if let Err(error) = self.check_room(&mut state, frame::frame_bytes(batch.bytes())) {
            // Those whom the writer waits for cannot come: it goes with what there is.
            let gathering = !state.buffer.is_empty() && state.wake_at.take().is_some();
            drop(state);
            if gathering {
                shared.work.ring();
            }
            return Err(error);
        }
        let (first, group) = (state.next, state.group);
        let at = state.buffer.len();
        // One mark for 16 KiB is enough; the segment thins them out.
        if state.marks.last().is_none_or(|(_, last)| at >= last + (16 << 10)) {
            state.marks.push((first, at));
        }
        frame::encode(&mut state.buffer, batch, first, time.as_micros(), group, shared.salt);
        state.next += u64::from(batch.len());
        state.batches += 1;
        shared.waiting.store(true, Ordering::Release);
        let batches = state.batches;
        let awaited = state.wake_at.take_if(|wanted| batches >= *wanted).is_some();
        drop(state);
        if awaited {
            shared.work.ring();
        }
        let last = first + u64::from(batch.len()) - 1;
        Ok(Ticket { shared: Arc::clone(shared), first: Position(first), last: Position(last), group })
    }

    /// Resolves when the buffer may have room again. Take it *before* the [`Journal::enqueue`] that may find it full.
    pub fn room(&self) -> impl Future<Output = ()> + Send + '_ {
        self.shared.room.notified()
    }

    /// Accepts a batch, waiting while the buffer is full, and waits until it is durable.
    ///
    /// # Errors
    /// A fault; its outcome says whether the batch is certainly not in the log.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect.
    pub async fn append(&self, batch: &Batch, time: Timestamp) -> Result<Ticket, Fault> {
        loop {
            let room = self.room();
            match self.enqueue(batch, time) {
                Ok(ticket) => {
                    ticket.durable().await?;
                    return Ok(ticket);
                }
                Err(EnqueueError::Full) => room.await,
                Err(EnqueueError::NoRoom(no_room)) => return Err(no_room.fault()),
                Err(error) => return Err(Fault::permanent("journal", "append", error)),
            }
        }
    }

    /// Waits until the end is beyond `position`; the end then, or after `limit`.
    ///
    /// # Errors
    /// A fault if the journal stopped after a failure.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, Fault> {
        let mut end = self.shared.end.subscribe();
        let beyond = async {
            loop {
                if *end.borrow_and_update() > position.0 || self.failure().is_some() {
                    return;
                }
                if end.changed().await.is_err() {
                    return;
                }
            }
        };
        tasks::within(limit, beyond).await;
        match (self.end(), self.failure()) {
            (end, Some(reason)) if end <= position => {
                Err(Fault::permanent("journal", "wait", format!("the journal stopped: {reason}")))
            }
            (end, _) => Ok(end),
        }
    }

    /// Waits until an accepted position is durable.
    ///
    /// # Errors
    /// A fault with unknown outcome if the journal stopped before.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_durable(&self, position: Position) -> Result<(), Fault> {
        let mut end = self.shared.end.subscribe();
        while self.end() < position {
            if let Some(reason) = self.failure() {
                return Err(self.shared.doubt(reason));
            }
            if end.changed().await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Durable records after `after`, in order: at most `max_records`, and no more than `max_bytes` of payload unless
    /// the first one alone is larger. Empty at the end of the log. Blocks for as long as the file system does.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, after: Position, max_records: usize, max_bytes: usize) -> Result<Vec<Record>, ReadError> {
        read::read(&self.shared, after.0, max_records, max_bytes)
    }

    /// The durable records at `positions`, which ascend; positions beyond the end are left out. Blocks as
    /// [`Journal::read`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_at(&self, positions: &[Position]) -> Result<Vec<Record>, ReadError> {
        read::read_at(&self.shared, positions)
    }

    /// Moves whole segments whose records are all before `before` to the archive ([`JournalOptions::archive`]); they are
    /// read from there from then on, also after a stop at any moment of it. Blocks: reads and writes each of them.
    ///
    /// # Errors
    /// [`ArchiveError`]; what was not moved is where it was.
    pub fn archive(&self, before: Position) -> Result<Archived, ArchiveError> {
        archive::archive(&self.shared, before.0)
    }

    /// Whether a frame of `bytes` can be accepted: into the active segment, or into the next one if that is ready.
    fn check_room(&self, state: &mut State, bytes: usize) -> Result<(), EnqueueError> {
        if let Some(no_room) = &state.stalled {
            return Err(EnqueueError::NoRoom(no_room.clone()));
        }
        let group = state.buffer.len() + bytes;
        if !state.buffer.is_empty() && group > self.shared.options.max_pending_bytes {
            return Err(EnqueueError::Full);
        }
        if group as u64 <= state.active_left {
            return Ok(());
        }
        let want = |state: &mut State| {
            let bytes = bytes as u64;
            let capacity = next_size(state.active_capacity, self.shared.options.segment_bytes, bytes);
            if let SpareState::Ready(small) = std::mem::replace(&mut state.spare, SpareState::Wanted(capacity)) {
                state.discarded.push(small.path);
            }
            self.shared.prepare.ring();
        };
        match &state.spare {
            SpareState::Ready(spare) if group as u64 <= spare.capacity - FIRST_FRAME => Ok(()),
            // The group is large enough for that segment; this batch begins the one after it.
            SpareState::Ready(_) if !state.buffer.is_empty() => Err(EnqueueError::Full),
            SpareState::Ready(_) | SpareState::Idle => {
                want(state);
                Err(EnqueueError::Full)
            }
            SpareState::Wanted(capacity) => {
                let capacity = (*capacity).max(next_size(0, 0, bytes as u64));
                state.spare = SpareState::Wanted(capacity);
                match &state.unprepared {
                    Some(no_room) => Err(EnqueueError::NoRoom(no_room.clone())),
                    None => Err(EnqueueError::Full),
                }
            }
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("dir", &self.shared.dir).field("end", &self.end()).finish_non_exhaustive()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.started.end(&self.shared);
        if self.shared.poisoned().is_none() {
            let file = EpochFile {
                epoch: self.shared.epoch,
                durability: self.shared.options.durability,
                closed_at: Some(self.shared.durable()),
            };
            if let Err(error) = file.write(&*self.shared.options.disk, &self.shared.dir) {
                tracing::warn!(dir = %self.shared.dir.display(), %error, "cannot note that the journal was closed");
            }
        }
    }
}

/// The workers of an open log.
enum Started {
    Threads(Vec<JoinHandle<()>>),
    Tasks { tasks: [AbortHandle; 2], writer: Arc<Mutex<Writer>> },
}

impl Started {
    fn new(shared: &Arc<Shared>, writer: Writer) -> io::Result<Self> {
        if shared.options.workers == Workers::Tasks {
            let writer = Arc::new(Mutex::new(writer));
            let writes = writer::run_as_task(Arc::clone(shared), Arc::clone(&writer));
            let prepares = preparer::run_as_task(Arc::clone(shared));
            let tasks = [tasks::spawn("journal-writer", writes), tasks::spawn("journal-preparer", prepares)];
            return Ok(Self::Tasks { tasks: tasks.map(|task| task.abort_handle()), writer });
        }
        let start = |name: &str, work: Box<dyn FnOnce(&Shared) + Send>| {
            let shared = Arc::clone(shared);
            thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared))
        };
        Ok(Self::Threads(vec![
            start("journal-writer", Box::new(move |shared| writer::run(shared, writer)))?,
            start("journal-preparer", Box::new(preparer::run))?,
        ]))
    }

    /// Brings what was accepted to the device; `closing` is set.
    fn end(&mut self, shared: &Shared) {
        match self {
            Self::Threads(threads) => {
                shared.work.ring();
                shared.prepare.ring();
                for thread in threads.drain(..) {
                    if thread.join().is_err() {
                        shared.poison("a thread of the journal panicked".to_owned());
                    }
                }
            }
            Self::Tasks { tasks, writer } => {
                for task in tasks {
                    task.abort();
                }
                if shared.poisoned().is_none()
                    && let Err(reason) = writer::locked(writer).close(shared)
                {
                    shared.poison(reason);
                }
            }
        }
    }
}

/// The place of an accepted batch.
#[derive(Clone)]
pub struct Ticket {
    shared: Arc<Shared>,
    first: Position,
    last: Position,
    group: u32,
}

impl Ticket {
    /// The position of the batch's first record.
    pub const fn first(&self) -> Position {
        self.first
    }

    /// The position of the batch's last record.
    pub const fn last(&self) -> Position {
        self.last
    }

    /// Waits until the batch is durable and visible to readers.
    ///
    /// # Errors
    /// A fault with unknown outcome if the journal stopped before.
    ///
    /// # Cancellation
    /// Safe: the batch becomes durable all the same.
    pub async fn durable(&self) -> Result<(), Fault> {
        loop {
            // Taken before looking, so that a notification between looking and waiting is not lost.
            let published = self.shared.groups[(self.group & 1) as usize].notified();
            if self.shared.durable() >= self.last.0 {
                return Ok(());
            }
            if let Some(reason) = self.shared.poisoned() {
                return Err(self.shared.doubt(reason));
            }
            published.await;
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("first", &self.first).field("last", &self.last).finish_non_exhaustive()
    }
}

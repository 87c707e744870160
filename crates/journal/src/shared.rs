//! What appenders, the writer, the preparer and readers share.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use madrigal_core::{Fault, FaultCause, FaultOutcome, FaultRetry, LogEpoch, tasks};
use tokio::sync::{Notify, watch};

use crate::error::NoRoom;
use crate::options::JournalOptions;
use crate::segment::{Segment, Spare};

/// Under the mutex: only what an append has to change, never an I/O.
pub(crate) struct State {
    /// Frames that wait for the writer, ready to be written.
    pub(crate) buffer: Vec<u8>,
    /// Where some frames begin: (position, offset in `buffer`), the first one among them.
    pub(crate) marks: Vec<(u64, usize)>,
    /// How many batches are in `buffer`.
    pub(crate) batches: u32,
    /// Set while the writer sleeps: with so many batches it is woken.
    pub(crate) wake_at: Option<u32>,
    /// The position of the next record.
    pub(crate) next: u64,
    /// The number of the group that `buffer` will be.
    pub(crate) group: u32,
    /// How many bytes fit into the active segment after all groups that were taken.
    pub(crate) active_left: u64,
    /// The active segment's size.
    pub(crate) active_capacity: u64,
    /// The next segment.
    pub(crate) spare: SpareState,
    /// Prepared files that turned out too small; removed by the preparer.
    pub(crate) discarded: Vec<PathBuf>,
    /// Set while the writer cannot write for lack of room.
    pub(crate) stalled: Option<NoRoom>,
    /// Set while the preparer cannot make the next segment; it goes on trying.
    pub(crate) unprepared: Option<NoRoom>,
    /// The handle was dropped: write what was accepted, then stop.
    pub(crate) closing: bool,
}

/// How far the next segment is.
pub(crate) enum SpareState {
    /// Not needed yet.
    Idle,
    /// Asked for, of at least this size.
    Wanted(u64),
    /// Zeroed and durable.
    Ready(Spare),
}

/// Wakes a worker, be it a thread or a task; one that is not asleep looks again before it sleeps.
#[derive(Default)]
pub(crate) struct Bell {
    thread: Condvar,
    task: Notify,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.thread.notify_one();
        self.task.notify_one();
    }

    /// Sleeps until it rings, as a thread.
    pub(crate) fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.thread.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for so long, or until so many batches wait as [`State::wake_at`] says, as a thread.
    pub(crate) fn gather<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let missing = |state: &mut State| state.wake_at.is_some() && !state.closing;
        self.thread.wait_timeout_while(state, limit, missing).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Sleeps for so long, or until the journal is closing, as a thread.
    pub(crate) fn pause(&self, state: MutexGuard<'_, State>, limit: Duration) {
        drop(self.thread.wait_timeout_while(state, limit, |state| !state.closing));
    }

    /// Sleeps until it rings, as a task.
    pub(crate) async fn rung(&self) {
        self.task.notified().await;
    }
}

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    /// The last two names of its directory, as in `order-service/journal`: what measures call it.
    pub(crate) label: Arc<str>,
    pub(crate) options: JournalOptions,
    pub(crate) epoch: LogEpoch,
    pub(crate) salt: u32,
    state: Mutex<State>,
    /// Whether there is something in the buffer, for a writer that looks without the mutex.
    pub(crate) waiting: AtomicBool,
    /// Wakes the writer.
    pub(crate) work: Bell,
    /// Wakes the preparer.
    pub(crate) prepare: Bell,
    /// Wakes appenders that found the buffer full.
    pub(crate) room: Notify,
    /// Wakes the appenders of a group, one for even and one for odd groups: those of the next group sleep on.
    pub(crate) groups: [Notify; 2],
    durable: AtomicU64,
    /// The durable position for those who tail the log.
    pub(crate) end: watch::Sender<u64>,
    poison: OnceLock<String>,
    /// Ascending by first position; the last one is active. At least one.
    pub(crate) segments: RwLock<Vec<Arc<Segment>>>,
    /// Held while segments are archived: one caller at a time.
    pub(crate) archiving: Mutex<()>,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "called once, by open")]
    pub(crate) fn new(
        dir: PathBuf,
        options: JournalOptions,
        epoch: LogEpoch,
        salt: u32,
        segments: Vec<Arc<Segment>>,
        next: u64,
        group: u32,
        active_end: u64,
    ) -> Self {
        let active_capacity = segments.last().map_or(0, |segment| segment.capacity);
        let state = State {
            buffer: Vec::new(),
            marks: Vec::new(),
            batches: 0,
            wake_at: None,
            next,
            group,
            active_left: active_capacity.saturating_sub(active_end),
            active_capacity,
            spare: SpareState::Idle,
            discarded: Vec::new(),
            stalled: None,
            unprepared: None,
            closing: false,
        };
        let names: Vec<_> = dir.iter().rev().take(2).map(|name| name.to_string_lossy()).collect();
        let label = names.into_iter().rev().collect::<Vec<_>>().join("/").into();
        Self {
            dir,
            label,
            options,
            epoch,
            salt,
            state: Mutex::new(state),
            waiting: AtomicBool::new(false),
            work: Bell::default(),
            prepare: Bell::default(),
            room: Notify::new(),
            groups: [Notify::new(), Notify::new()],
            durable: AtomicU64::new(next - 1),
            end: watch::Sender::new(next - 1),
            poison: OnceLock::new(),
            segments: RwLock::new(segments),
            archiving: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the writer, as a task, has nothing to do; it is woken by the next batch then.
    pub(crate) fn asleep(&self) -> bool {
        let mut state = self.state();
        state.wake_at = state.buffer.is_empty().then_some(1);
        state.wake_at.is_some()
    }

    /// Looks for a batch for so long, without sleeping; whether there is one.
    pub(crate) fn look_for_a_batch(&self, limit: Duration) -> bool {
        let began = tasks::instant();
        while !self.waiting.load(Ordering::Acquire) {
            if began.elapsed() >= limit {
                return false;
            }
            for _ in 0..32 {
                std::hint::spin_loop();
            }
        }
        true
    }

    /// The last durable position.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Makes a group visible and wakes those who wait for it.
    pub(crate) fn publish(&self, last: u64, group: u32) {
        self.durable.store(last, Ordering::Release);
        self.groups[(group & 1) as usize].notify_waiters();
        self.end.send_replace(last);
    }

    /// Nothing is accepted any more; what is not durable stays in doubt.
    pub(crate) fn poison(&self, reason: String) {
        tracing::error!(dir = %self.dir.display(), reason, "the journal stopped; open it again to go on");
        let _ = self.poison.set(reason);
        for group in &self.groups {
            group.notify_waiters();
        }
        self.room.notify_waiters();
        // Those who tail wake up and find the poison.
        self.end.send_modify(|_| {});
    }

    /// What an error of the file system means for those who append.
    pub(crate) fn no_room(&self, error: &io::Error) -> NoRoom {
        NoRoom { dir: self.dir.clone(), cause: FaultCause::of_io(error), reason: error.to_string() }
    }

    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    /// The fault of an operation whose records were accepted and are not durable.
    pub(crate) fn doubt(&self, reason: &str) -> Fault {
        Fault::unknown("journal", "append", reason.to_owned())
            .with_retry(FaultRetry::Never)
            .with_outcome(FaultOutcome::Unknown)
    }
}

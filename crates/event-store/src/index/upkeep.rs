//! The two threads that keep the index small: one writes full tables as runs, one merges runs.
//!
//! Threads of their own and not tasks, because both do long blocking work; two, because a merge of millions of entries
//! must not hold up the tables that wait. In simulations one task does both.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use madrigal_core::{FaultCause, tasks};
use madrigal_journal::{Journal, Workers};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::run_set::{RunSet, merge};
use super::{Index, IndexError, IndexOptions, Runs};

/// What the store and the threads share. The index is locked through [`Upkeep::index`]; `runs` before it, never after.
pub(crate) struct Shared<X> {
    pub(crate) index: Mutex<X>,
    runs: Mutex<Runs>,
    options: IndexOptions,
    wake: Condvar,
    state: Mutex<State>,
    /// Wakes appends that wait for a table to be written.
    pub(crate) written: Notify,
    /// Wakes the task that does the threads' work in simulations.
    task: Notify,
}

#[derive(Debug, Default)]
struct State {
    closing: bool,
    /// Grows with everything that may be work for a thread.
    changes: u64,
    failure: Option<HeldUp>,
}

/// Why the index cannot be written now.
#[derive(Debug, Clone)]
pub(crate) struct HeldUp {
    pub(crate) cause: FaultCause,
    pub(crate) reason: String,
}

/// What the mutex holds besides the index: the store's own.
pub(crate) trait HasIndex: Send + 'static {
    fn index(&mut self) -> &mut Index;
}

pub(crate) struct Upkeep<X: HasIndex> {
    pub(crate) shared: Arc<Shared<X>>,
    threads: Vec<JoinHandle<()>>,
    task: Option<AbortHandle>,
}

/// How long a failed write is left alone, and how often a table's durability is looked at.
const PAUSE: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_secs(60);

impl<X: HasIndex> Upkeep<X> {
    pub(crate) fn start(
        content: X,
        runs: Runs,
        options: IndexOptions,
        journal: &Arc<Journal>,
        workers: Workers,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            index: Mutex::new(content),
            runs: Mutex::new(runs),
            options,
            wake: Condvar::new(),
            state: Mutex::default(),
            written: Notify::new(),
            task: Notify::new(),
        });
        if workers == Workers::Tasks {
            let task = tasks::spawn("index", keep_as_task(Arc::clone(&shared), Arc::downgrade(journal)));
            return Ok(Self { shared, threads: Vec::new(), task: Some(task.abort_handle()) });
        }
        let (writes, merges) = (Arc::clone(&shared), Arc::clone(&shared));
        let journal = Arc::clone(journal);
        let threads = vec![
            thread::Builder::new().name("index-writer".to_owned()).spawn(move || writes.write_tables(&journal))?,
            thread::Builder::new().name("index-merger".to_owned()).spawn(move || merges.merge_runs())?,
        ];
        Ok(Self { shared, threads, task: None })
    }
}

impl<X: HasIndex> fmt::Debug for Upkeep<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upkeep").finish_non_exhaustive()
    }
}

impl<X: HasIndex> Drop for Upkeep<X> {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.wake.notify_all();
        if let Some(task) = &self.task {
            task.abort();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the index panicked");
            }
        }
    }
}

impl<X: HasIndex> Shared<X> {
    pub(crate) fn index(&self) -> MutexGuard<'_, X> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a table to write.
    pub(crate) fn wake(&self) {
        self.state().changes += 1;
        self.wake.notify_all();
        self.task.notify_one();
    }

    /// Why tables cannot be written, if they cannot.
    pub(crate) fn failure(&self) -> Option<HeldUp> {
        self.state().failure.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Waits for a change after `seen` or for so long; false when closing.
    fn pause(&self, seen: u64, limit: Duration) -> bool {
        let idle = |state: &mut State| !state.closing && state.changes == seen;
        let waited = self.wake.wait_timeout_while(self.state(), limit, idle);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.closing
    }

    fn write_tables(&self, journal: &Journal) {
        loop {
            let seen = self.changes();
            let pause = self.write_table(journal);
            if !self.pause(seen, pause) {
                return;
            }
        }
    }

    fn merge_runs(&self) {
        loop {
            let seen = self.changes();
            let pause = self.merge_some();
            if !self.pause(seen, pause) {
                return;
            }
        }
    }

    /// Writes the oldest table that waits, if there is one; how long to wait before the next look.
    fn write_table(&self, journal: &Journal) -> Duration {
        let table = self.index().index().oldest_frozen();
        match table {
            None => IDLE,
            // Runs cover only what is durable: after a crash they must not know more than the log.
            Some(table) if journal.end().0 < table.range().1 => LOOK_AGAIN,
            Some(table) => {
                let written = self.change(
                    |runs, set| {
                        let set = runs.add(set, &table)?;
                        runs.commit(&set).map(|()| set)
                    },
                    Index::replace_oldest,
                );
                match written {
                    Ok(()) => {
                        self.wake();
                        Duration::ZERO
                    }
                    Err(_) => PAUSE,
                }
            }
        }
    }

    /// Merges runs, if there are enough of a size; how long to wait before the next look.
    fn merge_some(&self) -> Duration {
        let set = Arc::clone(&self.index().index().runs);
        let Some(parts) = set.to_merge(self.options.table_events) else { return IDLE };
        let (number, (dir, disk)) = {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            (runs.take_number(), runs.place())
        };
        let merged = merge(&dir, &*disk, number, &parts)
            .and_then(|whole| self.change(|runs, set| runs.replace(set, &parts, whole), |index, set| index.runs = set));
        match merged {
            Ok(()) => {
                self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&parts);
                Duration::ZERO
            }
            Err(error) => {
                self.note(Some(&error));
                PAUSE
            }
        }
    }

    /// Keeps what the last write met, and says it once however often it is met.
    fn note(&self, error: Option<&IndexError>) {
        let held_up = error.map(|error| HeldUp { cause: error.cause(), reason: error.to_string() });
        let mut state = self.state();
        match (&state.failure, &held_up, error) {
            (None, Some(_), Some(error)) => tracing::warn!(%error, "the index cannot be written, trying again"),
            (Some(_), None, _) => tracing::info!("the index can be written again"),
            _ => {}
        }
        state.failure = held_up;
    }

    /// Makes the next set of runs, one thread at a time, and puts it in place.
    fn change(
        &self,
        make: impl FnOnce(&mut Runs, &RunSet) -> Result<RunSet, IndexError>,
        place: impl FnOnce(&mut Index, Arc<RunSet>),
    ) -> Result<(), IndexError> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let set = Arc::clone(&self.index().index().runs);
        let made = make(&mut runs, &set);
        self.note(made.as_ref().err());
        let result = made.map(|set| place(self.index().index(), Arc::new(set)));
        self.written.notify_waiters();
        result
    }
}

/// What the two threads do, as one task, until it is aborted or the journal is gone.
async fn keep_as_task<X: HasIndex>(shared: Arc<Shared<X>>, journal: Weak<Journal>) {
    loop {
        let pause = match journal.upgrade() {
            Some(journal) => shared.write_table(&journal).min(shared.merge_some()),
            None => return,
        };
        tasks::within(pause, shared.task.notified()).await;
    }
}

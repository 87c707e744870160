//! The worker that makes the next segment: zeroed and durable before the first byte is accepted for it.
//!
//! Zeros are written, not only allocated: a write into zeroed blocks changes no metadata, so that `fdatasync` costs
//! one flush. A full disk is met here, where nothing has been promised yet.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks;

use crate::disk::Disk;
use crate::segment::{Spare, spare_path, zero_beside};
use crate::shared::{Shared, SpareState, State};

/// How long a full disk is left alone before the next try: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// The preparer as a thread, until the journal closes.
pub(crate) fn run(shared: &Shared) {
    let mut pause = FIRST_PAUSE;
    for number in 1.. {
        let job = {
            let mut state = shared.state();
            loop {
                if state.closing {
                    return;
                }
                if let Some(job) = Job::take(&mut state, number) {
                    break job;
                }
                state = shared.prepare.wait(state);
            }
        };
        if job.done(shared) == Done::NoRoom {
            // What does not fit into the active segment is refused meanwhile.
            shared.prepare.pause(shared.state(), pause);
            pause = (pause * 2).min(LAST_PAUSE);
        } else {
            pause = FIRST_PAUSE;
        }
    }
}

/// The preparer as a task, until it is aborted.
pub(crate) async fn run_as_task(shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    for number in 1.. {
        let job = loop {
            let job = Job::take(&mut shared.state(), number);
            match job {
                Some(job) => break job,
                None => shared.prepare.rung().await,
            }
        };
        tasks::sleep(shared.options.disk.sync_delay()).await;
        if job.done(&shared) == Done::NoRoom {
            tasks::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        } else {
            pause = FIRST_PAUSE;
        }
    }
}

/// A segment to prepare, and files that are of no use any more.
struct Job {
    number: u64,
    capacity: u64,
    discarded: Vec<PathBuf>,
}

#[derive(PartialEq, Eq)]
enum Done {
    Made,
    NoRoom,
}

impl Job {
    fn take(state: &mut State, number: u64) -> Option<Self> {
        let SpareState::Wanted(capacity) = state.spare else { return None };
        Some(Self { number, capacity, discarded: std::mem::take(&mut state.discarded) })
    }

    fn done(self, shared: &Shared) -> Done {
        for path in self.discarded {
            let _ = shared.options.disk.remove(&path);
        }
        let capacity = self.capacity;
        let made = make(shared, capacity, self.number);
        let mut state = shared.state();
        let outgrown = matches!(state.spare, SpareState::Wanted(now) if now > capacity);
        let done = match made {
            Ok(spare) if outgrown => {
                state.discarded.push(spare.path);
                return Done::Made;
            }
            Ok(spare) => {
                state.spare = SpareState::Ready(spare);
                if state.unprepared.take().is_some() {
                    tracing::info!(dir = %shared.dir.display(), bytes = capacity, "there is room for the next segment again");
                }
                Done::Made
            }
            Err(error) => {
                let no_room = shared.no_room(&error);
                // Once, and in the same words, however often it is tried.
                if state.unprepared.as_ref().is_none_or(|known| known.cause != no_room.cause) {
                    tracing::warn!(
                        dir = %shared.dir.display(), bytes = capacity, %error,
                        "no room for the next segment; appends are refused when this one is full"
                    );
                    state.unprepared = Some(no_room);
                }
                Done::NoRoom
            }
        };
        drop(state);
        shared.room.notify_waiters();
        done
    }
}

fn make(shared: &Shared, capacity: u64, number: u64) -> io::Result<Spare> {
    let disk: &dyn Disk = &*shared.options.disk;
    let path = spare_path(&shared.dir, number);
    if let Some(free) = disk.free(&shared.dir).filter(|free| *free < capacity) {
        let why = format!("{free} bytes are free, the next segment takes {capacity}");
        return Err(io::Error::new(io::ErrorKind::StorageFull, why));
    }
    let made = disk.create(&path).and_then(|file| zero_beside(&*file, capacity).map(|()| file));
    match made {
        Ok(file) => Ok(Spare { path, file, capacity }),
        Err(error) => {
            // Gives back what it took, so that the others on this disk are not starved by a useless file.
            let _ = disk.remove(&path);
            Err(error)
        }
    }
}

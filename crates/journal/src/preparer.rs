//! The worker that makes the next segment: zeroed and durable before the first byte is accepted for it.
//!
//! Zeros are written, not only allocated: a write into zeroed blocks changes no metadata, so that `fdatasync` costs
//! one flush. A full disk is met here, where nothing has been promised yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks;

use crate::disk::Disk;
use crate::segment::{Spare, spare_path, zero};
use crate::shared::{Shared, SpareState, State};

/// How long a full disk is left alone before the next try.
const PAUSE: Duration = Duration::from_millis(200);

/// The preparer as a thread, until the journal closes.
pub(crate) fn run(shared: &Shared) {
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
            // Appends are refused meanwhile; the next refused one after the pause asks again.
            shared.prepare.pause(shared.state(), PAUSE);
        }
    }
}

/// The preparer as a task, until it is aborted.
pub(crate) async fn run_as_task(shared: Arc<Shared>) {
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
            tasks::sleep(PAUSE).await;
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
        let done = if made.is_ok() { Done::Made } else { Done::NoRoom };
        state.spare = match made {
            Ok(spare) if outgrown => {
                state.discarded.push(spare.path);
                return Done::Made;
            }
            Ok(spare) => SpareState::Ready(spare),
            Err(error) => {
                tracing::warn!(dir = %shared.dir.display(), bytes = capacity, %error, "no room for the next segment");
                SpareState::Failed(error.to_string())
            }
        };
        drop(state);
        shared.room.notify_waiters();
        done
    }
}

fn make(shared: &Shared, capacity: u64, number: u64) -> std::io::Result<Spare> {
    let disk: &dyn Disk = &*shared.options.disk;
    let path = spare_path(&shared.dir, number);
    let made = disk.create(&path).and_then(|file| zero(&*file, capacity).map(|()| file));
    match made {
        Ok(file) => Ok(Spare { path, file, capacity }),
        Err(error) => {
            // Gives back what it took, so that the others on this disk are not starved by a useless file.
            let _ = disk.remove(&path);
            Err(error)
        }
    }
}

//! The thread that makes the next segment: zeroed and durable before the first byte is accepted for it.
//!
//! Zeros are written, not only allocated: a write into zeroed blocks changes no metadata, so that `fdatasync` costs
//! one flush. A full disk is met here, where nothing has been promised yet.

use std::time::Duration;

use crate::disk::Disk;
use crate::segment::{Spare, spare_path, zero};
use crate::shared::{Shared, SpareState};

/// How long a full disk is left alone before the next try.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) fn run(shared: &Shared) {
    for number in 1.. {
        let (capacity, discarded) = {
            let mut state = shared.state();
            loop {
                if state.closing {
                    return;
                }
                if let SpareState::Wanted(capacity) = state.spare {
                    break (capacity, std::mem::take(&mut state.discarded));
                }
                state = shared.prepare.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
        };
        for path in discarded {
            let _ = shared.options.disk.remove(&path);
        }
        let made = make(shared, capacity, number);
        let failed = made.is_err();
        let mut state = shared.state();
        let outgrown = matches!(state.spare, SpareState::Wanted(now) if now > capacity);
        state.spare = match made {
            Ok(spare) if outgrown => {
                state.discarded.push(spare.path);
                continue;
            }
            Ok(spare) => SpareState::Ready(spare),
            Err(error) => {
                tracing::warn!(dir = %shared.dir.display(), bytes = capacity, %error, "no room for the next segment");
                SpareState::Failed(error.to_string())
            }
        };
        shared.room.notify_waiters();
        if failed && !state.closing {
            // Appends are refused meanwhile; the next refused one after the pause asks again.
            drop(shared.prepare.wait_timeout_while(state, PAUSE, |state| !state.closing));
        }
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

//! The thread that writes: takes the whole buffer, writes it at once, syncs, publishes.
//!
//! A thread of its own and not a task, because write and sync block: on a runtime's worker they would hold up others,
//! and handing them to a pool costs a wake-up in each direction for every group.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::disk::{is_out_of_space, write_all_at};
use crate::options::Durability;
use crate::segment::{FIRST_FRAME, Mark, Segment, SegmentHeader, Spare, next_size};
use crate::shared::{Shared, SpareState};

/// A buffer that grew beyond this is given back to the system after its group.
const KEEP_BYTES: usize = 4 << 20;
const STALL_PAUSE: Duration = Duration::from_millis(100);

/// What was taken from the appenders.
struct Group {
    bytes: Vec<u8>,
    marks: Vec<(u64, usize)>,
    number: u32,
    last: u64,
    /// The segment to begin with this group, if it does not fit into the active one.
    roll: Option<Spare>,
}

pub(crate) fn run(shared: &Shared, active: Arc<Segment>, offset: u64) {
    let mut place = Place { active, offset };
    let mut emptied = (Vec::new(), Vec::new());
    while let Some(group) = take(shared, emptied) {
        if let Err(reason) = place.commit(shared, &group) {
            shared.poison(reason);
            return;
        }
        shared.publish(group.last, group.number);
        emptied = (group.bytes, group.marks);
    }
    if shared.options.durability == Durability::Buffered
        && let Err(error) = place.active.file.sync_data()
    {
        shared.poison(format!("sync at close: {error}"));
    }
}

/// Waits for frames and takes all of them; `None` when the journal is closing and nothing is left.
fn take(shared: &Shared, emptied: (Vec<u8>, Vec<(u64, usize)>)) -> Option<Group> {
    let (mut bytes, mut marks) = emptied;
    if bytes.capacity() > KEEP_BYTES {
        bytes = Vec::new();
    }
    bytes.clear();
    marks.clear();
    let mut state = shared.state();
    while state.buffer.is_empty() {
        if state.closing {
            return None;
        }
        state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    std::mem::swap(&mut state.buffer, &mut bytes);
    std::mem::swap(&mut state.marks, &mut marks);
    let number = state.group;
    state.group = number.wrapping_add(1);
    let mut roll = None;
    if bytes.len() as u64 <= state.active_left {
        state.active_left -= bytes.len() as u64;
    } else if let SpareState::Ready(spare) = std::mem::replace(&mut state.spare, SpareState::Idle) {
        // Enqueue accepted the group only because it fits here.
        state.active_capacity = spare.capacity;
        state.active_left = spare.capacity - FIRST_FRAME - bytes.len() as u64;
        roll = Some(spare);
    }
    if matches!(state.spare, SpareState::Idle) && state.active_left < state.active_capacity / 2 {
        let capacity = next_size(state.active_capacity, shared.options.segment_bytes, 0);
        state.spare = SpareState::Wanted(capacity);
        shared.prepare.notify_one();
    }
    let last = state.next - 1;
    drop(state);
    shared.room.notify_waiters();
    Some(Group { bytes, marks, number, last, roll })
}

/// Where the next group goes.
struct Place {
    active: Arc<Segment>,
    offset: u64,
}

impl Place {
    fn commit(&mut self, shared: &Shared, group: &Group) -> Result<(), String> {
        if let Some(spare) = &group.roll {
            let first = group.marks.first().map_or(group.last, |(position, _)| *position);
            self.roll(shared, spare, first).map_err(|error| format!("beginning a segment: {error}"))?;
        }
        self.write(shared, &group.bytes)?;
        if shared.options.durability == Durability::Synced {
            self.active.file.sync_data().map_err(|error| format!("sync: {error}"))?;
        }
        let start = self.offset;
        let marks = group.marks.iter().map(|&(position, at)| Mark { position, offset: start + at as u64 });
        self.active.add_marks(marks);
        self.offset += group.bytes.len() as u64;
        Ok(())
    }

    /// Writes until it is written. Lack of room is waited out (possible where a file system copies on write): the same
    /// bytes go to the same place, and no sync has been asked for yet.
    fn write(&self, shared: &Shared, bytes: &[u8]) -> Result<(), String> {
        loop {
            match write_all_at(&*self.active.file, bytes, self.offset) {
                Ok(()) => {
                    if let Some(reason) = shared.state().stalled.take() {
                        tracing::info!(dir = %shared.dir.display(), reason, "there is room again");
                    }
                    return Ok(());
                }
                Err(error) if is_out_of_space(&error) => {
                    let mut state = shared.state();
                    if state.closing {
                        return Err(format!("write: {error}"));
                    }
                    state.stalled = Some(error.to_string());
                    drop(shared.work.wait_timeout_while(state, STALL_PAUSE, |state| !state.closing));
                }
                Err(error) => return Err(format!("write: {error}")),
            }
        }
    }

    /// Begins a segment: header durable first, then the name, so that a named segment always has a whole header.
    fn roll(&mut self, shared: &Shared, spare: &Spare, first: u64) -> io::Result<()> {
        if shared.options.durability == Durability::Buffered {
            // Only the last segment may have a tail that is not durable.
            self.active.file.sync_data()?;
        }
        let disk = &*shared.options.disk;
        let header = SegmentHeader { salt: shared.salt, first, epoch: shared.epoch };
        write_all_at(&*spare.file, &header.encode(), 0)?;
        spare.file.sync_data()?;
        let path = shared.dir.join(Segment::name(first));
        disk.rename(&spare.path, &path)?;
        disk.sync_dir(&shared.dir)?;
        let file = disk.open(&path)?;
        let segment = Arc::new(Segment::new(path, file, header, spare.capacity));
        self.active = Arc::clone(&segment);
        self.offset = FIRST_FRAME;
        shared.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
        Ok(())
    }
}

//! The worker that writes: takes the whole buffer, writes it at once, syncs, publishes.
//!
//! A thread of its own and not a task, because write and sync block: on a runtime's worker they would hold up others,
//! and handing them to a pool costs a wake-up in each direction for every group. In simulations it is a task all the
//! same, so that the order of things is the same each time; the steps are the same code.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_core::{FaultCause, tasks};

use crate::disk::write_all_at;
use crate::options::Durability;
use crate::patience::{FOR_ONE, FOR_OTHERS, Patience};
use crate::segment::{FIRST_FRAME, Mark, Segment, SegmentHeader, Spare, next_size};
use crate::shared::{Shared, SpareState, State};

/// A buffer that grew beyond this is given back to the system after its group.
const KEEP_BYTES: usize = 4 << 20;
const STALL_PAUSE: Duration = Duration::from_millis(100);

/// A group of so many batches is company: their callers come at a rate at which lingering gathers many more.
const COMPANY: u32 = 4;
const LONGEST_LINGER: Duration = Duration::from_millis(10);

/// What was taken from the appenders.
struct Group {
    bytes: Vec<u8>,
    marks: Vec<(u64, usize)>,
    number: u32,
    last: u64,
    /// The segment to begin with this group, if it does not fit into the active one.
    roll: Option<Spare>,
}

/// The writer's state: where the next group goes, and the one that is on its way.
pub(crate) struct Writer {
    active: Arc<Segment>,
    offset: u64,
    group: Option<Group>,
    emptied: (Vec<u8>, Vec<(u64, usize)>),
    /// How many batches the group had that was taken last.
    batches: u32,
    for_one: Patience,
    for_others: Patience,
}

#[derive(PartialEq, Eq)]
enum Written {
    Whole,
    /// There is no room; nothing was asked of the device, the same bytes go to the same place later.
    NoRoom,
}

/// `journal_fsync_duration_seconds`: how long the disk took to make a group durable. Some hundred nanoseconds beside a sync.
fn measured(journal: &Arc<str>, took: Duration) {
    metrics::histogram!("journal_fsync_duration_seconds", "journal" => Arc::clone(journal)).record(took.as_secs_f64());
}

/// The writer as a thread, until the journal closes.
pub(crate) fn run(shared: &Shared, mut writer: Writer) {
    if let Err(reason) = writer.serve(shared) {
        shared.poison(reason);
    }
}

/// The writer as a task, until it is aborted; [`Writer::close`] is left to who aborts it.
pub(crate) async fn run_as_task(shared: Arc<Shared>, writer: Arc<Mutex<Writer>>) {
    if let Err(reason) = serve_as_task(&shared, &writer).await {
        shared.poison(reason);
    }
}

async fn serve_as_task(shared: &Shared, writer: &Mutex<Writer>) -> Result<(), String> {
    loop {
        while shared.asleep() {
            shared.work.rung().await;
        }
        locked(writer).take(shared, shared.state());
        while locked(writer).write(shared)? == Written::NoRoom {
            tasks::sleep(STALL_PAUSE).await;
        }
        tasks::sleep(shared.options.disk.sync_delay()).await;
        locked(writer).sync(shared)?;
    }
}

/// The writer that a task shares with the handle that will close it.
pub(crate) fn locked(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    pub(crate) fn new(active: Arc<Segment>, offset: u64) -> Self {
        Self {
            active,
            offset,
            group: None,
            emptied: Default::default(),
            batches: 0,
            for_one: Patience::default(),
            for_others: Patience::default(),
        }
    }

    fn serve(&mut self, shared: &Shared) -> Result<(), String> {
        loop {
            let Some(state) = self.gathered(shared) else { return self.close(shared) };
            self.take(shared, state);
            while self.write(shared)? == Written::NoRoom {
                shared.work.pause(shared.state(), STALL_PAUSE);
            }
            self.sync(shared)?;
        }
    }

    /// Waits for batches, and for those who had a part in the group before; `None` when the journal is closing.
    fn gathered<'a>(&mut self, shared: &'a Shared) -> Option<MutexGuard<'a, State>> {
        let synced = shared.options.durability == Durability::Synced;
        if synced && self.batches == 1 && self.for_one.waits() {
            self.for_one.learn(shared.look_for_a_batch(FOR_ONE));
        }
        let mut state = shared.state();
        if synced && self.batches >= COMPANY && !shared.options.linger.is_zero() {
            state.wake_at = Some(u32::MAX);
            state = shared.work.gather(state, shared.options.linger.min(LONGEST_LINGER));
        } else if synced && self.batches > 1 && state.batches < self.batches && self.for_others.waits() {
            state.wake_at = Some(self.batches);
            state = shared.work.gather(state, FOR_OTHERS);
            self.for_others.learn(state.batches >= self.batches);
        }
        while state.buffer.is_empty() {
            if state.closing {
                return None;
            }
            state.wake_at = Some(1);
            state = shared.work.wait(state);
        }
        Some(state)
    }

    /// Brings what was accepted to the device.
    pub(crate) fn close(&mut self, shared: &Shared) -> Result<(), String> {
        loop {
            if self.group.is_some() {
                self.write(shared)?;
                self.sync(shared)?;
            }
            let state = shared.state();
            if state.buffer.is_empty() {
                break;
            }
            self.take(shared, state);
        }
        match shared.options.durability {
            Durability::Synced => Ok(()),
            Durability::Buffered => self.active.file.sync_data().map_err(|error| format!("sync at close: {error}")),
        }
    }

    /// Takes all frames that wait; there are some.
    fn take(&mut self, shared: &Shared, mut state: MutexGuard<'_, State>) {
        let (mut bytes, mut marks) = std::mem::take(&mut self.emptied);
        if bytes.capacity() > KEEP_BYTES {
            bytes = Vec::new();
        }
        bytes.clear();
        marks.clear();
        std::mem::swap(&mut state.buffer, &mut bytes);
        std::mem::swap(&mut state.marks, &mut marks);
        self.batches = std::mem::take(&mut state.batches);
        state.wake_at = None;
        shared.waiting.store(false, Ordering::Release);
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
            shared.prepare.ring();
        }
        let last = state.next - 1;
        drop(state);
        shared.room.notify_waiters();
        self.group = Some(Group { bytes, marks, number, last, roll });
    }

    /// Writes the group. Lack of room is for the caller to wait out (possible where a file system copies on write, or
    /// became read-only): no sync has been asked for yet. While it lasts, appends are refused.
    fn write(&mut self, shared: &Shared) -> Result<Written, String> {
        let Some(mut group) = self.group.take() else { return Ok(Written::Whole) };
        let mut written = Ok(());
        if let Some(spare) = group.roll.take() {
            let first = group.marks.first().map_or(group.last, |(position, _)| *position);
            let header = SegmentHeader { salt: shared.salt, first, epoch: shared.epoch };
            written = write_all_at(&*spare.file, &header.encode(), 0);
            if written.is_ok() {
                written = self.name(shared, &spare, header)?;
            }
            match &written {
                Ok(()) => {
                    self.begin(shared, &spare, header).map_err(|error| format!("beginning a segment: {error}"))?
                }
                Err(_) => group.roll = Some(spare),
            }
        }
        let written = written.and_then(|()| write_all_at(&*self.active.file, &group.bytes, self.offset));
        self.group = Some(group);
        match written {
            Ok(()) => {
                if let Some(no_room) = shared.state().stalled.take() {
                    tracing::info!(dir = %shared.dir.display(), reason = no_room.reason, "there is room again");
                }
                Ok(Written::Whole)
            }
            Err(error) if FaultCause::of_io(&error).is_storage() => {
                let mut state = shared.state();
                if state.closing {
                    return Err(format!("write: {error}"));
                }
                if state.stalled.is_none() {
                    tracing::warn!(dir = %shared.dir.display(), %error, "no room to write; appends are refused");
                }
                let refused_from_now = state.stalled.replace(shared.no_room(&error)).is_none();
                drop(state);
                if refused_from_now {
                    // Who found the buffer full before would wait for this group, and so for the disk.
                    shared.room.notify_waiters();
                }
                Ok(Written::NoRoom)
            }
            Err(error) => Err(format!("write: {error}")),
        }
    }

    /// Makes the group durable and visible.
    fn sync(&mut self, shared: &Shared) -> Result<(), String> {
        let Some(group) = self.group.take() else { return Ok(()) };
        if shared.options.durability == Durability::Synced {
            let asked = tasks::instant();
            self.active.file.sync_data().map_err(|error| format!("sync: {error}"))?;
            measured(&shared.label, asked.elapsed());
        }
        let start = self.offset;
        let marks = group.marks.iter().map(|&(position, at)| Mark { position, offset: start + at as u64 });
        self.active.add_marks(marks);
        self.offset += group.bytes.len() as u64;
        shared.publish(group.last, group.number);
        self.emptied = (group.bytes, group.marks);
        Ok(())
    }

    /// Gives a segment whose header is written its name: header durable first, so that a named segment always has a whole
    /// one. The inner error is lack of room (a directory may have to grow for a name): nothing was named.
    fn name(&self, shared: &Shared, spare: &Spare, header: SegmentHeader) -> Result<io::Result<()>, String> {
        let failed = |error: io::Error| format!("beginning a segment: {error}");
        if shared.options.durability == Durability::Buffered {
            // Only the last segment may have a tail that is not durable.
            self.active.file.sync_data().map_err(failed)?;
        }
        spare.file.sync_data().map_err(failed)?;
        let path = shared.dir.join(Segment::name(header.first));
        match shared.options.disk.rename(&spare.path, &path) {
            Err(error) if !FaultCause::of_io(&error).is_storage() => Err(failed(error)),
            named => Ok(named),
        }
    }

    /// Begins a segment that has its name.
    fn begin(&mut self, shared: &Shared, spare: &Spare, header: SegmentHeader) -> io::Result<()> {
        let disk = &*shared.options.disk;
        let path = shared.dir.join(Segment::name(header.first));
        disk.sync_dir(&shared.dir)?;
        let file = disk.open(&path)?;
        let segment = Arc::new(Segment::new(path, file, header, spare.capacity));
        self.active = Arc::clone(&segment);
        self.offset = FIRST_FRAME;
        shared.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
        Ok(())
    }
}

//! A disk in memory that forgets what was not synced when its power goes, for tests and simulations.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_core::Randomness;
use madrigal_core::host::SeededRandomness;

use super::{Disk, DiskFile};

/// Files in memory, with the faults of disks. Clones are the same disk; the same seed and the same calls give the same
/// disk, byte by byte.
///
/// What a write changed is visible at once and durable after [`DiskFile::sync_data`]; a name after [`Disk::sync_dir`].
/// When the power goes ([`MemoryDisk::power_off`]), every call through the handles of that time fails for ever. When it
/// comes back ([`MemoryDisk::power_on`]), of each file any of the 512-byte sectors that were not synced may be there or
/// not, and of each directory's changes the first so many, all by chance; locks are free.
#[derive(Debug, Clone)]
pub struct MemoryDisk(Arc<Mutex<State>>);

/// What is wrong with a [`MemoryDisk`]; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct MemoryFaults {
    /// A write writes at most so many bytes.
    pub write_at_most: Option<usize>,
    /// So many bytes all files together may have; a write beyond writes what fits, then nothing.
    pub room: Option<u64>,
    /// Nothing can be created, written, renamed or removed.
    pub read_only: bool,
    /// [`DiskFile::sync_data`] fails; what it was to bring to the device is there or not, and no later sync brings it:
    /// the system takes it for written.
    pub syncs_fail: bool,
    /// [`Disk::sync_dir`] fails.
    pub dir_syncs_fail: bool,
    /// [`DiskFile::read_at`] fails.
    pub reads_fail: bool,
    /// How long a sync takes in a simulation; see [`Disk::sync_delay`].
    pub sync_takes: Option<RangeInclusive<Duration>>,
    /// The power goes after so many more calls that change something; the last one is done in part.
    pub power_off_after: Option<u64>,
}

const SECTOR: usize = 512;

#[derive(Debug)]
struct State {
    chance: SeededRandomness,
    faults: MemoryFaults,
    /// Grows when the power comes back: handles of another time are dead.
    time: u64,
    off: bool,
    changes: u64,
    files: BTreeMap<u64, Content>,
    next_file: u64,
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    renames: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: BTreeSet<usize>,
}

/// A change of names that is not durable.
#[derive(Debug, Clone)]
struct NameChange {
    dir: PathBuf,
    /// The name that goes, if one does.
    from: Option<PathBuf>,
    to: Option<(PathBuf, u64)>,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            chance: SeededRandomness::new(seed),
            faults: MemoryFaults::default(),
            time: 0,
            off: false,
            changes: 0,
            files: BTreeMap::new(),
            next_file: 1,
            dirs: BTreeSet::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renames: Vec::new(),
            locks: BTreeSet::new(),
        })))
    }

    /// Another disk with the same files, durable or not, and the same faults; chance goes on from `seed`.
    #[must_use]
    pub fn copy(&self, seed: u64) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            chance: SeededRandomness::new(seed),
            faults: state.faults.clone(),
            time: 0,
            off: false,
            changes: 0,
            files: state.files.clone(),
            next_file: state.next_file,
            dirs: state.dirs.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            renames: state.renames.clone(),
            locks: BTreeSet::new(),
        })))
    }

    /// Changes what is wrong with the disk.
    pub fn set(&self, change: impl FnOnce(&mut MemoryFaults)) {
        change(&mut self.state().faults);
    }

    /// Takes the power away; drop what uses the disk, then give it back.
    pub fn power_off(&self) {
        self.state().off = true;
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Gives the power back, after deciding what of the changes that were not synced is there; also where it was on.
    pub fn power_on(&self) {
        let mut state = self.state();
        let state = &mut *state;
        let survived = state.chance_up_to(state.renames.len());
        for change in state.renames.drain(..).take(survived) {
            change.apply(&mut state.durable_names);
        }
        state.names.clone_from(&state.durable_names);
        let named: BTreeSet<u64> = state.names.values().copied().collect();
        state.files.retain(|file, _| named.contains(file));
        for file in state.files.values_mut() {
            file.settle(&state.chance);
            file.now.clone_from(&file.durable);
        }
        state.locks.clear();
        state.faults.power_off_after = None;
        state.off = false;
        state.time += 1;
    }

    /// How many calls have changed something, so that each of them can be the last one.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// What a file has now, if it is there.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).and_then(|file| state.files.get(file)).map(|file| file.now.clone())
    }

    /// Puts a file there, durably, as if it had always been so: for damage that no call does.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.next_file;
        state.next_file += 1;
        state.names.insert(path.to_owned(), file);
        state.durable_names.insert(path.to_owned(), file);
        let content = Content { now: bytes.to_vec(), durable: bytes.to_vec(), unsynced: BTreeSet::new() };
        state.files.insert(file, content);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, file: u64, time: u64) -> Box<dyn DiskFile> {
        Box::new(MemoryFile { disk: self.clone(), file, time })
    }

    /// Begins a call that changes something.
    fn changing(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.alive(None)?;
        if state.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if state.ends_here() {
            return Err(no_power());
        }
        Ok(state)
    }
}

fn no_power() -> io::Error {
    io::Error::other("simulated: the power is gone")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    fn alive(&self, time: Option<u64>) -> io::Result<()> {
        let alive = !self.off && time.is_none_or(|time| time == self.time);
        if alive { Ok(()) } else { Err(no_power()) }
    }

    /// Counts a change; true if it is the one at which the power goes.
    fn ends_here(&mut self) -> bool {
        self.changes += 1;
        let Some(left) = &mut self.faults.power_off_after else { return false };
        self.off = *left == 0;
        *left = left.saturating_sub(1);
        self.off
    }

    /// 0 to `most`.
    fn chance_up_to(&self, most: usize) -> usize {
        up_to(&self.chance, most)
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.renames.push(change);
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|file| file.now.len() as u64).sum()
    }
}

fn up_to(chance: &SeededRandomness, most: usize) -> usize {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    (u64::from_le_bytes(bytes) % (most as u64 + 1)) as usize
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        if let Some((to, file)) = &self.to {
            names.insert(to.clone(), *file);
        }
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[offset..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            self.unsynced.extend(offset / SECTOR..=(end - 1) / SECTOR);
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.unsynced) {
            self.keep(sector);
        }
    }

    fn keep(&mut self, sector: usize) {
        let end = self.now.len().min((sector + 1) * SECTOR);
        let start = end.min(sector * SECTOR);
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[start..end].copy_from_slice(&self.now[start..end]);
    }

    /// Decides which of the sectors that were not synced are durable: none, all, the first so many, or any.
    fn settle(&mut self, chance: &SeededRandomness) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let kind = up_to(chance, 3);
        let first = up_to(chance, unsynced.len());
        for (at, sector) in unsynced.into_iter().enumerate() {
            let kept = match kind {
                0 => false,
                1 => true,
                2 => at < first,
                _ => up_to(chance, 1) == 1,
            };
            if kept {
                self.keep(sector);
            }
        }
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive(None)?;
        if !state.dirs.contains(dir) {
            if state.faults.read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            state.dirs.insert(dir.to_owned());
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive(None)?;
        if !state.dirs.contains(dir) {
            return Err(not_found());
        }
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.changing()?;
        let dir = path.parent().unwrap_or(path).to_owned();
        if !state.dirs.contains(&dir) {
            return Err(not_found());
        }
        if state.faults.room.is_some_and(|room| state.used() >= room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(file, Content::default());
        state.change_names(NameChange { dir, from: None, to: Some((path.to_owned(), file)) });
        Ok(self.handle(file, state.time))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        state.alive(None)?;
        let file = *state.names.get(path).ok_or_else(not_found)?;
        Ok(self.handle(file, state.time))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.changing()?;
        let file = *state.names.get(from).ok_or_else(not_found)?;
        let dir = to.parent().unwrap_or(to).to_owned();
        state.change_names(NameChange { dir, from: Some(from.to_owned()), to: Some((to.to_owned(), file)) });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.changing()?;
        if !state.names.contains_key(path) {
            return Err(not_found());
        }
        let dir = path.parent().unwrap_or(path).to_owned();
        state.change_names(NameChange { dir, from: Some(path.to_owned()), to: None });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.changing()?;
        if state.faults.dir_syncs_fail {
            return Err(io::Error::other("simulated: the device does not answer"));
        }
        let state = &mut *state;
        let (durable, pending) = std::mem::take(&mut state.renames).into_iter().partition(|change| change.dir == dir);
        let durable: Vec<NameChange> = durable;
        state.renames = pending;
        for change in durable {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut state = self.state();
        state.alive(None)?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock { disk: self.clone(), path: path.to_owned(), time: state.time }))
    }

    fn free(&self, _dir: &Path) -> Option<u64> {
        let state = self.state();
        state.faults.room.map(|room| room.saturating_sub(state.used()))
    }

    fn sync_delay(&self) -> Duration {
        let state = self.state();
        let Some(takes) = &state.faults.sync_takes else { return Duration::ZERO };
        let spread = takes.end().saturating_sub(*takes.start()).as_micros();
        let more = state.chance_up_to(usize::try_from(spread).unwrap_or_default());
        *takes.start() + Duration::from_micros(more as u64)
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    file: u64,
    time: u64,
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        state.alive(Some(self.time))?;
        if state.faults.reads_fail {
            return Err(io::Error::other("simulated: the device cannot read"));
        }
        let now = state.files.get(&self.file).map_or(&[][..], |file| &file.now);
        let rest = &now[now.len().min(usize::try_from(offset).unwrap_or(usize::MAX))..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.alive(Some(self.time))?;
        if state.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let offset = usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let most = state.faults.write_at_most.unwrap_or(usize::MAX).max(1);
        let mut bytes = &bytes[..bytes.len().min(most)];
        if let Some(room) = state.faults.room {
            let length = state.files.get(&self.file).map_or(0, |file| file.now.len());
            let fits = length + usize::try_from(room.saturating_sub(state.used())).unwrap_or(usize::MAX);
            bytes = &bytes[..bytes.len().min(fits.saturating_sub(offset))];
            if bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let ends = state.ends_here();
        if ends {
            bytes = &bytes[..state.chance_up_to(bytes.len())];
        }
        state.files.entry(self.file).or_default().write(bytes, offset);
        if ends { Err(no_power()) } else { Ok(bytes.len()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.alive(Some(self.time))?;
        let state = &mut *state;
        let ends = state.ends_here();
        let file = state.files.entry(self.file).or_default();
        if ends {
            return Err(no_power());
        }
        if state.faults.syncs_fail {
            file.settle(&state.chance);
            return Err(io::Error::other("simulated: the device does not answer"));
        }
        file.sync();
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.alive(Some(self.time))?;
        Ok(state.files.get(&self.file).map_or(0, |file| file.now.len() as u64))
    }
}

struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
    time: u64,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.time == self.time {
            state.locks.remove(&self.path);
        }
    }
}

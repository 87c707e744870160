//! A file system that breaks on demand, over the real one.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use madrigal_journal::{Disk, DiskFile, SystemDisk};

/// The faults, shared by all files of a disk.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Syncs fail.
    pub(crate) failing_sync: AtomicBool,
    /// Syncs do nothing: for tests that open thousands of images, none of which has to survive the machine.
    pub(crate) skipped_sync: AtomicBool,
    /// Writes fail for lack of room.
    pub(crate) full: AtomicBool,
    /// New files fail for lack of room.
    pub(crate) no_new_files: AtomicBool,
    /// Names cannot be changed for lack of room.
    pub(crate) no_renames: AtomicBool,
    /// So many bytes are free; unknown where it is the largest number.
    pub(crate) free: AtomicU64,
    /// A write writes at most so many bytes.
    pub(crate) write_at_most: AtomicU64,
    /// Where writes can be made to wait, before they find out whether there is room.
    pub(crate) writes: Gate,
    /// Where syncs can be made to wait.
    pub(crate) syncs: Gate,
}

/// A place where calls can be held.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    calls: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Calls {
    held: bool,
    waiting: u32,
}

impl Gate {
    /// Lets calls wait until [`Gate::release`].
    pub(crate) fn hold(&self) {
        self.calls.lock().unwrap().held = true;
    }

    /// Blocks until a call waits here.
    pub(crate) fn until_one_waits(&self) {
        let none = |calls: &mut Calls| calls.waiting == 0;
        let limit = Duration::from_secs(60);
        let waited = self.changed.wait_timeout_while(self.calls.lock().unwrap(), limit, none).unwrap().1;
        assert!(!waited.timed_out(), "nobody called");
    }

    pub(crate) fn release(&self) {
        self.calls.lock().unwrap().held = false;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut calls = self.calls.lock().unwrap();
        calls.waiting += 1;
        self.changed.notify_all();
        let mut calls = self.changed.wait_while(calls, |calls| calls.held).unwrap();
        calls.waiting -= 1;
    }
}

#[derive(Debug, Clone)]
pub(crate) struct FaultyDisk(pub(crate) Arc<Faults>);

impl FaultyDisk {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Faults {
            failing_sync: AtomicBool::default(),
            skipped_sync: AtomicBool::default(),
            full: AtomicBool::default(),
            no_new_files: AtomicBool::default(),
            no_renames: AtomicBool::default(),
            free: AtomicU64::new(u64::MAX),
            write_at_most: AtomicU64::new(u64::MAX),
            writes: Gate::default(),
            syncs: Gate::default(),
        }))
    }

    pub(crate) fn without_syncs() -> Self {
        let disk = Self::new();
        disk.0.skipped_sync.store(true, Ordering::SeqCst);
        disk
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { file, faults: Arc::clone(&self.0) })
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        SystemDisk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if self.0.no_new_files.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        SystemDisk.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        SystemDisk.open(path).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.0.no_renames.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.0.skipped_sync.load(Ordering::SeqCst) {
            return Ok(());
        }
        SystemDisk.sync_dir(dir)
    }

    fn free(&self, _dir: &Path) -> Option<u64> {
        Some(self.0.free.load(Ordering::SeqCst)).filter(|free| *free != u64::MAX)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        SystemDisk.lock(path)
    }
}

struct FaultyFile {
    file: Box<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.faults.writes.pass();
        if self.faults.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let most = usize::try_from(self.faults.write_at_most.load(Ordering::SeqCst)).unwrap();
        self.file.write_at(&bytes[..bytes.len().min(most)], offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.syncs.pass();
        if self.faults.failing_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected: the device does not answer"));
        }
        if self.faults.skipped_sync.load(Ordering::SeqCst) { Ok(()) } else { self.file.sync_data() }
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

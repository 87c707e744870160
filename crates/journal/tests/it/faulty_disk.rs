//! A file system that breaks on demand, over the real one.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

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
    /// How many syncs were asked for.
    pub(crate) syncs: AtomicU64,
    held: Mutex<bool>,
    released: Condvar,
}

impl Faults {
    /// Lets syncs wait until [`Faults::release`].
    pub(crate) fn hold_syncs(&self) {
        *self.held.lock().unwrap() = true;
    }

    pub(crate) fn release(&self) {
        *self.held.lock().unwrap() = false;
        self.released.notify_all();
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
            syncs: AtomicU64::default(),
            held: Mutex::default(),
            released: Condvar::default(),
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
        if self.faults.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let most = usize::try_from(self.faults.write_at_most.load(Ordering::SeqCst)).unwrap();
        self.file.write_at(&bytes[..bytes.len().min(most)], offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::SeqCst);
        drop(self.faults.released.wait_while(self.faults.held.lock().unwrap(), |held| *held).unwrap());
        if self.faults.failing_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected: the device does not answer"));
        }
        if self.faults.skipped_sync.load(Ordering::SeqCst) { Ok(()) } else { self.file.sync_data() }
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

//! A disk that says *done* when nothing is, or gives a lock to everybody.

use std::any::Any;
use std::io;
use std::path::Path;
use std::time::Duration;

use madrigal_journal::{Disk, DiskFile, MemoryDisk};

/// What a disk lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Syncs of segments do nothing.
    Syncs,
    /// Locks hold nobody back.
    Locks,
}

/// A disk that lies about one thing; everything else works.
#[derive(Debug)]
pub(super) struct LyingDisk {
    pub(super) disk: MemoryDisk,
    pub(super) about: Lie,
}

impl Disk for LyingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        // Files that are being prepared are synced: only what is appended is lied about.
        self.disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.open(path)?;
        let lies = self.about == Lie::Syncs && path.extension().is_some_and(|extension| extension == "segment");
        Ok(if lies { Box::new(LyingFile(file)) } else { file })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        if self.about == Lie::Locks { Ok(Box::new(())) } else { self.disk.lock(path) }
    }

    fn free(&self, dir: &Path) -> Option<u64> {
        self.disk.free(dir)
    }

    fn sync_delay(&self) -> Duration {
        self.disk.sync_delay()
    }
}

struct LyingFile(Box<dyn DiskFile>);

impl DiskFile for LyingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
}

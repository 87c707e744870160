//! A disk that says *done* when nothing is.

use std::any::Any;
use std::io;
use std::path::Path;
use std::time::Duration;

use madrigal_journal::{Disk, DiskFile, MemoryDisk};

/// Syncs of files do nothing; everything else works.
#[derive(Debug)]
pub(super) struct LyingDisk(pub(super) MemoryDisk);

impl Disk for LyingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        // Files that are being prepared are synced: only what is appended is lied about.
        self.0.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.0.open(path)?;
        Ok(if path.extension().is_some_and(|extension| extension == "segment") {
            Box::new(LyingFile(file))
        } else {
            file
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.0.lock(path)
    }

    fn sync_delay(&self) -> Duration {
        self.0.sync_delay()
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

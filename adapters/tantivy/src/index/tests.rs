//! A disk that takes no more in the middle of a commit.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use madrigal_core::{Host, LogEpoch, Position};
use tantivy::Directory;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{FileHandle, RamDirectory, WatchCallback, WatchHandle, WritePtr};

use super::*;

/// A directory in memory that refuses to write the list of segments while it is full.
#[derive(Debug, Clone)]
struct Full {
    inner: RamDirectory,
    full: Arc<AtomicBool>,
}

impl Directory for Full {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.inner.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.inner.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        if path == Path::new("meta.json") && self.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.inner.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}

fn upsert(key: &str, name: &str) -> Change {
    Change::Upsert(Document::new(key).with("name", name))
}

#[test]
fn a_commit_that_failed_half_way_is_made_again_by_the_same_process() {
    let schema = IndexSchema::new([("name", FieldKind::Text { weight: 16 })]);
    let (built, full) = (Built::of(&schema), Arc::new(AtomicBool::new(false)));
    let disk = Full { inner: RamDirectory::create(), full: Arc::clone(&full) };
    let index = Index::create(disk, built.schema.clone(), tantivy::IndexSettings::default()).unwrap();
    let parts = write_to(index, built).unwrap();
    let at = |position| Checkpoint { epoch: LogEpoch::new(&Host::seeded(1)), position: Position(position) };
    parts.commit(vec![upsert("1", "green tea"), upsert("2", "black tea"), upsert("3", "milk")], at(3)).unwrap();
    let changes = || vec![upsert("1", "white tea"), Change::Delete("2".to_owned())];
    full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        parts.commit(changes(), at(5)).unwrap_err();
    }
    full.store(false, Ordering::SeqCst);
    parts.commit(changes(), at(5)).unwrap();
    assert_eq!(parts.reader.searcher().num_docs(), 2);
}

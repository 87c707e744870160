//! What lies on the disk: one directory, one room per service, locked while in use.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::exit::Ended;

/// The format of the layout below. A newer binary upgrades it or says how; an older one refuses.
const FORMAT: u32 = 1;

/// The data directory, opened: its format is checked.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// Holds a directory against other processes, until dropped or until the process dies.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DataDir {
    /// Opens the directory, making it if it is not there.
    ///
    /// # Errors
    /// Where it cannot be made or written, or is of another format.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("the data directory {} cannot be made", root.display()))?;
        let marker = root.join("FORMAT");
        match fs::read_to_string(&marker) {
            Ok(text) => check_format(root, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_durably(&marker, &format!("madrigal {FORMAT}\n"))
                    .with_context(|| format!("the data directory {} cannot be written", root.display()))?;
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", marker.display())),
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The room of a service, as in `order-service`; made if it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn room(&self, service: &str) -> anyhow::Result<PathBuf> {
        let room = self.root.join(service);
        fs::create_dir_all(&room).with_context(|| format!("{} cannot be made", room.display()))?;
        Ok(room)
    }

    /// Where the key that signs tokens is.
    pub fn signing_key(&self) -> PathBuf {
        self.root.join("auth").join("signing.key")
    }

    /// Where an import remembers how far it came.
    ///
    /// # Errors
    /// Where the room cannot be made.
    pub fn imports(&self) -> anyhow::Result<PathBuf> {
        self.room("imports")
    }

    /// Takes a service's room for this process alone.
    ///
    /// # Errors
    /// [`Ended::Refused`] if another process has it.
    pub fn lock(&self, service: &str) -> anyhow::Result<DirLock> {
        let path = self.room(service)?.join("LOCK");
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(DirLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Ended::Refused(format!(
                "{service} is running already on the data directory {}: stop that process, or choose another --data",
                self.root.display()
            ))
            .into()),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

fn check_format(root: &Path, text: &str) -> anyhow::Result<()> {
    let Some(format) = text.trim().strip_prefix("madrigal ").and_then(|number| number.parse::<u32>().ok()) else {
        bail!(Ended::Refused(format!("{} is not a data directory of madrigal", root.display())));
    };
    if format > FORMAT {
        bail!(Ended::Refused(format!(
            "the data directory {} has format {format}; this binary knows formats up to {FORMAT}: use a newer one",
            root.display()
        )));
    }
    Ok(())
}

fn write_durably(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_belongs_to_one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let held = data.lock("order-service").unwrap();
        let refused = data.lock("order-service").unwrap_err();
        assert!(refused.to_string().contains("running already"), "{refused}");
        data.lock("user-service").unwrap();
        drop(held);
        data.lock("order-service").unwrap();
    }

    #[test]
    fn a_directory_of_a_newer_format_or_of_somebody_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("FORMAT"), "madrigal 2\n").unwrap();
        assert!(DataDir::open(dir.path()).unwrap_err().to_string().contains("newer"));
        fs::write(dir.path().join("FORMAT"), "something else").unwrap();
        assert!(DataDir::open(dir.path()).is_err());
    }
}

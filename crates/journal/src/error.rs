//! What can go wrong, by operation.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use madrigal_core::{Fault, FaultCause, FaultRetry};

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle in this one, has the directory.
    #[error("{} is in use by another process", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// A record is damaged, and not by a stop in the middle of writing it: something after it is intact, or its bytes
    /// are all there and wrong. Nothing was changed; restore the file, or accept the loss with
    /// [`crate::repair::set_aside`].
    #[error(
        "{} is damaged at offset {offset}: {what}; restore the file from a backup, or see with `madrigal doctor --repair` \
         what would be lost without it",
        file.display()
    )]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Where the first bad batch begins, in bytes.
        offset: u64,
        /// What was found.
        what: &'static str,
    },
    /// The log ends before the position at which it was closed.
    #[error(
        "{} ends at position {end}, it was closed at {closed_at}; restore its files from a backup, or see with \
         `madrigal doctor --repair` what would be lost without them",
        dir.display()
    )]
    TailMissing {
        /// The directory.
        dir: PathBuf,
        /// Where it ends.
        end: u64,
        /// Where it ended when it was closed.
        closed_at: u64,
    },
    /// The log begins after position 1, and what is before it is not in its archive either.
    #[error(
        "{} begins at position {first}, and the archive of what is before it, {}, has not got it: bring the archive back \
         there, say with `madrigal events archive --to` where it is now, or restore the files from a backup",
        dir.display(), archive.display()
    )]
    StartMissing {
        /// The log's directory.
        dir: PathBuf,
        /// The first position that is there.
        first: u64,
        /// Where the archive is looked for.
        archive: PathBuf,
    },
    /// The files were written by a newer version.
    #[error("{} has format version {found}, this program reads up to {known}", file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// The file system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What keeps a journal from taking more; it looks for room by itself, every second at the latest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no room on the disk for the journal in {}: {reason}", dir.display())]
pub struct NoRoom {
    /// The journal's directory.
    pub dir: PathBuf,
    /// Whether the disk is full or takes no writes at all; [`FaultCause::Other`] where the system says something else.
    pub cause: FaultCause,
    /// What the system said.
    pub reason: String,
}

impl NoRoom {
    /// The fault of an append that was refused for this.
    pub fn fault(self) -> Fault {
        let cause = self.cause;
        let retry = FaultRetry::After(Duration::from_secs(1));
        Fault::not_applied("journal", "append", self).with_retry(retry).with_cause(cause)
    }
}

/// Why a batch was not accepted; nothing of it is or will be in the log.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The buffer is full: wait for [`crate::Journal::room`] and try again.
    #[error("the journal's buffer is full")]
    Full,
    /// The disk is full, or takes no writes. The journal goes on by itself when there is room again.
    #[error(transparent)]
    NoRoom(NoRoom),
    /// A batch without records, or one larger than [`crate::Batch::MAX_BYTES`].
    #[error("a batch has 1 to {} bytes, this one has {actual}", crate::Batch::MAX_BYTES)]
    Size {
        /// The batch's size in bytes.
        actual: usize,
    },
    /// Writing or syncing failed earlier; what was not confirmed then is in doubt until the journal is opened again.
    #[error("the journal stopped after a failure: {reason}")]
    Poisoned {
        /// What failed.
        reason: String,
    },
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A durable record is damaged.
    #[error("{} is damaged at offset {offset}", file.display())]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Where, in bytes.
        offset: u64,
    },
    /// The file system refused.
    #[error("cannot read {}", file.display())]
    Io {
        /// The segment.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why segments were not archived; those that were not are where they were, and all are readable.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A record is damaged: it would be so in the archive.
    #[error("{} is damaged at offset {offset}; nothing of it was archived", file.display())]
    Corrupt {
        /// The segment.
        file: PathBuf,
        /// Where, in bytes.
        offset: u64,
    },
    /// The file system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

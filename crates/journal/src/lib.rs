//! An append-only log in segment files: durable, ordered, fast because many appenders share one write and one sync.
//!
//! [`Journal::open`] recovers the log and locks its directory. Appenders put [`Batch`]es into a buffer
//! ([`Journal::enqueue`], a short critical section) and wait for [`Ticket::durable`]; one thread writes whole groups of
//! batches, syncs them and publishes the durable position. Readers see only what is durable, and never wait for writers.
//!
//! The files' format is `docs/journal-format.md`. Modules in reading order:
//!
//! * [`options`], [`error`]: what can be chosen, and what can go wrong;
//! * [`disk`]: the port to files, so that tests can break them: [`MemoryDisk`] forgets what was not synced. With
//!   [`Workers::Tasks`] a log on it does everything in one thread, in the same order each time;
//! * [`journal`]: the handle; [`batch`]: what is appended; [`read`]: records back, by position;
//! * [`archive`]: whole old segments elsewhere; [`repair`]: what is damaged, set aside;
//! * inside: `frame` (bytes of a batch), `segment` (one file), `epoch` (the log's identity), `recovery` (what a crash
//!   left), `writer` and `preparer` (the two threads; `patience`: for whom the first one waits), `shared` (what
//!   they share).

pub mod archive;
pub mod batch;
pub mod disk;
mod epoch;
pub mod error;
mod frame;
pub mod journal;
pub mod options;
mod patience;
mod preparer;
pub mod read;
mod recovery;
pub mod repair;
mod segment;
mod shared;
mod writer;

pub use archive::{Archived, InArchive};
pub use batch::Batch;
pub use disk::{Disk, DiskFile, MemoryDisk, MemoryFaults, SystemDisk};
pub use error::{ArchiveError, EnqueueError, NoRoom, OpenError, ReadError};
pub use journal::{Journal, Ticket};
pub use options::{Durability, JournalOptions, Workers};
pub use read::Record;
pub use recovery::{Cut, EpochChange, Recovery};
pub use repair::{Damage, SetAside};

//! What can be chosen when a journal is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, SystemDisk};

/// What `Ok` means for an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On the device: survives power loss.
    #[default]
    Synced,
    /// With the operating system: survives the process, not the machine. After an unclean stop the log starts a new
    /// epoch, because readers may have seen what is gone.
    Buffered,
}

/// Who does the journal's own work: writing groups, preparing segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Workers {
    /// Two threads of its own, which may block.
    #[default]
    Threads,
    /// Two tasks on the runtime in which [`crate::Journal::open`] is called, for simulations: on a runtime of one thread
    /// with a paused clock everything happens in the same order each time. Before each sync the writer sleeps for
    /// [`crate::Disk::sync_delay`]; calls to the disk block the runtime.
    Tasks,
}

/// How a journal stores.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// What `Ok` means. Default: [`Durability::Synced`].
    pub durability: Durability,
    /// The first segment's size in bytes; each next one is twice as large as its predecessor. Small, so that an idle
    /// log costs little disk. Default: 4 MiB; at least 16 KiB.
    pub first_segment_bytes: u64,
    /// The largest size of a segment in bytes; a larger batch gets a segment of its own. Default: 64 MiB.
    pub segment_bytes: u64,
    /// How many bytes may wait for the writer before appenders have to; one batch always may. Default: 8 MiB.
    pub max_pending_bytes: usize,
    /// How long the writer waits for company after a group in which many appended at a time, so that fewer groups are
    /// synced: latency for throughput, where a sync costs the processor more than the wait costs the callers. A caller
    /// alone never waits for it. Default: zero; at most 10 ms.
    pub linger: Duration,
    /// Where whole old segments go with [`crate::Journal::archive`], and where they are read from. Default: the place
    /// that the log was archived to before, else `archive` in its own directory.
    pub archive: Option<PathBuf>,
    /// Where the files are. Default: the operating system's file system.
    pub disk: Arc<dyn Disk>,
    /// Who does the work. Default: [`Workers::Threads`].
    pub workers: Workers,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Synced,
            first_segment_bytes: 4 << 20,
            segment_bytes: 64 << 20,
            max_pending_bytes: 8 << 20,
            linger: Duration::ZERO,
            archive: None,
            disk: Arc::new(SystemDisk),
            workers: Workers::Threads,
        }
    }
}

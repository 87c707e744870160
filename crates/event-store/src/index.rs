//! Which events a stream has, and where an event id is.
//!
//! What is young is in tables in memory; what is older is in sorted runs on disk, merged in the background so that
//! there are few of them. The runs cover the log up to a position that their manifest names; opening reads only the
//! log's rest. Losing the directory costs a rebuild from the log, and nothing else. Memory: at most five tables of
//! [`IndexOptions::table_events`] events, and per run a filter of at most 16 MiB and 24 bytes for each 170 events.
//!
//! Keys are 64-bit hashes: whatever a run says is checked against the record itself.

mod bloom;
mod run;
mod run_set;
mod table;
pub(crate) mod upkeep;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use madrigal_core::{EventId, FaultCause, Position, StreamName, StreamVersion};
use xxhash_rust::xxh3::Xxh3;

pub(crate) use run_set::{RunSet, Runs};
pub(crate) use table::Table;
pub(crate) use upkeep::Upkeep;

/// How the index is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexOptions {
    /// So many events are gathered in memory before they are written as a run; also about how many are read again when
    /// a store is opened. Default: 65,536, some 10 MB.
    pub table_events: usize,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { table_events: 65_536 }
    }
}

/// The key of a stream in runs.
pub(crate) fn stream_key(stream: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(stream.as_bytes())
}

/// The key of an event id in its stream, in runs.
pub(crate) fn id_key(stream: &str, id: EventId) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(id.as_uuid().as_bytes());
    hasher.update(stream.as_bytes());
    hasher.digest()
}

/// What is in memory, and the runs that go with it: together they know every accepted event exactly once.
#[derive(Debug)]
pub(crate) struct Index {
    active: Table,
    /// On their way to disk, oldest first.
    frozen: VecDeque<Arc<Table>>,
    pub(crate) runs: Arc<RunSet>,
}

/// How many tables may wait to be written; appends wait for a place beyond it.
const MAX_FROZEN: usize = 4;

impl Index {
    pub(crate) fn new(runs: RunSet) -> Self {
        Self { active: Table::default(), frozen: VecDeque::new(), runs: Arc::new(runs) }
    }

    fn tables(&self) -> impl DoubleEndedIterator<Item = &Table> {
        self.frozen.iter().map(|table| &**table).chain([&self.active])
    }

    /// The stream's version, if a table knows it; with events that are accepted and not yet durable.
    pub(crate) fn head(&self, stream: &StreamName) -> Option<StreamVersion> {
        self.tables().rev().find_map(|table| table.head(stream))
    }

    /// Whether the tables have the stream from its first event.
    pub(crate) fn has_all_of(&self, stream: &StreamName) -> bool {
        self.tables().find_map(|table| table.base(stream)) == Some(StreamVersion::NONE)
    }

    /// Where an event id is, if a table knows it.
    pub(crate) fn find(&self, stream: &StreamName, id: EventId) -> Option<Position> {
        let key = stream_key(stream.as_str());
        self.tables().rev().find_map(|table| table.find(key, id))
    }

    /// Notes an event; the next one of its stream and of the log.
    pub(crate) fn add(&mut self, stream: &StreamName, id: EventId, version: StreamVersion, position: Position) {
        self.active.add(stream, id, version, position);
    }

    /// Sets a full table aside to be written; true if there was one.
    pub(crate) fn freeze_if_full(&mut self, table_events: usize) -> bool {
        let full = self.active.len() >= table_events;
        if full {
            self.frozen.push_back(Arc::new(std::mem::take(&mut self.active)));
        }
        full
    }

    /// Whether too many tables wait to be written.
    pub(crate) fn is_behind(&self) -> bool {
        self.frozen.len() >= MAX_FROZEN
    }

    /// The oldest table that waits.
    pub(crate) fn oldest_frozen(&self) -> Option<Arc<Table>> {
        self.frozen.front().cloned()
    }

    /// The oldest table is in these runs now.
    pub(crate) fn replace_oldest(&mut self, runs: Arc<RunSet>) {
        self.frozen.pop_front();
        self.runs = runs;
    }

    /// What the tables have of a stream up to `end`: the version before their first event of it, the positions after
    /// that (each one version further) as far as they are after `after`, and the version at `end`.
    pub(crate) fn young(
        &self,
        stream: &StreamName,
        after: StreamVersion,
        limit: usize,
        end: Position,
    ) -> Option<Young> {
        let base = self.tables().find_map(|table| table.base(stream))?;
        let mut young = Young { base, positions: Vec::new(), version: base };
        for table in self.tables() {
            let left = limit - young.positions.len();
            if let Some(version) = table.collect(stream, after, left, end, &mut young.positions) {
                young.version = young.version.max(version);
            }
        }
        Some(young)
    }
}

/// The part of a stream that is in memory.
#[derive(Debug)]
pub(crate) struct Young {
    pub(crate) base: StreamVersion,
    pub(crate) positions: Vec<Position>,
    pub(crate) version: StreamVersion,
}

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A block's checksum is wrong.
    #[error("{} is damaged; remove the directory `index` beside the segments and open the store again", file.display())]
    Damaged {
        /// The run's file.
        file: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {operation} {}", file.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl IndexError {
    /// Whether there was no room.
    pub(crate) fn cause(&self) -> FaultCause {
        match self {
            Self::Damaged { .. } => FaultCause::Other,
            Self::Io { source, .. } => FaultCause::of_io(source),
        }
    }
}

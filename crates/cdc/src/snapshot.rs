//! Snapshots while the log is followed: chunks of a table, by key, between watermarks.
//!
//! A chunk shows rows as they stood at some moment between a low and a high watermark. Nobody knows which, so its rows are
//! held back until the log was read through the high watermark, and a row whose key the log told in between is left out:
//! the log's word is newer, or the same. What is left comes right there, as read (`r`): after everything up to the high
//! watermark and before everything behind it. So a reader never gets an older row after a newer one, and never stops
//! following the log.
//!
//! [`Snapshots`] decides and does nothing else; [`SnapshotReader`] drives a source by it.
//!
//! # Source
//! Andreakis, Papapanagiotou, "DBLog: a watermark based change-data-capture framework", 2020; the reader's own positions
//! stand for its watermark table.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use madrigal_core::Position;
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollFrom, Start};
use serde::{Deserialize, Serialize};

use crate::change::Op;
use crate::row::Key;
use crate::source::{Changes, Chunk, ChunkError, DynChangeSource, PlacedChange, ReadChangesError};

/// The most rows of a chunk: what is held back in memory.
pub const MAX_CHUNK: usize = 10_000;

/// What is still to be read, kept with the reader's checkpoint, so that a snapshot goes on where it was.
///
/// A chunk that was read and not told yet is read again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotProgress {
    /// In this order.
    pub wanted: VecDeque<Wanted>,
}

/// Rows to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "rows")]
pub enum Wanted {
    /// All rows of a table after a key.
    Table {
        /// The table.
        table: String,
        /// What was read already.
        after: Option<Key>,
    },
    /// The rows with these keys.
    Keys {
        /// The table.
        table: String,
        /// The keys that are left.
        keys: Vec<Key>,
    },
}

impl Wanted {
    fn table(&self) -> &str {
        match self {
            Self::Table { table, .. } | Self::Keys { table, .. } => table,
        }
    }
}

/// A chunk to read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkAsk {
    /// At most `limit` rows of a table after a key.
    Table {
        /// The table.
        table: String,
        /// After which key.
        after: Option<Key>,
        /// At most so many.
        limit: usize,
    },
    /// The rows with these keys.
    Keys {
        /// The table.
        table: String,
        /// The keys.
        keys: Vec<Key>,
    },
}

/// Which chunks to read, and what of them to tell between changes. Holds one chunk at most.
#[derive(Debug)]
pub struct Snapshots {
    progress: SnapshotProgress,
    chunk_rows: usize,
    window: Option<Window>,
}

/// A chunk that waits for the log to reach its high watermark.
#[derive(Debug)]
struct Window {
    table: String,
    chunk: Chunk,
    /// Keys that the log told between the watermarks.
    told: HashSet<Key>,
    /// The log told that the whole table was emptied.
    emptied: bool,
}

impl Snapshots {
    /// Goes on with what is wanted, in chunks of so many rows (1 to [`MAX_CHUNK`]).
    pub fn new(progress: SnapshotProgress, chunk_rows: usize) -> Self {
        Self { progress, chunk_rows: chunk_rows.clamp(1, MAX_CHUNK), window: None }
    }

    /// Wants all rows of a table, after what is wanted already.
    pub fn want_table(&mut self, table: &str) {
        self.progress.wanted.push_back(Wanted::Table { table: table.to_owned(), after: None });
    }

    /// Wants the rows with these keys, after what is wanted already.
    pub fn want_keys(&mut self, table: &str, keys: Vec<Key>) {
        if !keys.is_empty() {
            self.progress.wanted.push_back(Wanted::Keys { table: table.to_owned(), keys });
        }
    }

    /// What is still to be read, once everything that was passed on so far is durable.
    pub const fn progress(&self) -> &SnapshotProgress {
        &self.progress
    }

    /// The chunk to read now; `None` while one waits, or where nothing is wanted. Its low watermark MUST be taken after the
    /// log was read as far as it was passed to [`Snapshots::pass`].
    pub fn ask(&self) -> Option<ChunkAsk> {
        if self.window.is_some() {
            return None;
        }
        Some(match self.progress.wanted.front()? {
            Wanted::Table { table, after } => {
                ChunkAsk::Table { table: table.clone(), after: after.clone(), limit: self.chunk_rows }
            }
            Wanted::Keys { table, keys } => {
                ChunkAsk::Keys { table: table.clone(), keys: keys.iter().take(self.chunk_rows).cloned().collect() }
            }
        })
    }

    /// Takes the chunk that was asked for.
    pub fn open(&mut self, chunk: Chunk) {
        if let Some(wanted) = self.progress.wanted.front() {
            let table = wanted.table().to_owned();
            self.window = Some(Window { table, chunk, told: HashSet::new(), emptied: false });
        }
    }

    /// Where the log must be read to before the chunk that waits is told.
    pub fn waits_for(&self) -> Option<Position> {
        self.window.as_ref().map(|window| window.chunk.high)
    }

    /// Passes changes on, with the rows of the waiting chunk at their place. Changes MUST come in the order of the log and
    /// without gaps, each once.
    pub fn pass(&mut self, changes: Changes) -> Vec<PlacedChange> {
        let Some(mut window) = self.window.take() else { return changes.changes };
        let high = window.chunk.high;
        let mut passed = Vec::with_capacity(changes.changes.len());
        let mut later = Vec::new();
        for placed in changes.changes {
            if placed.position > high {
                later.push(placed);
                continue;
            }
            // Below the low watermark the chunk's word is newer; told again it does no harm, so that is not looked at.
            window.note(&placed);
            passed.push(placed);
        }
        if changes.scanned_through < high {
            self.window = Some(window);
            return passed;
        }
        self.settle(&window.chunk);
        passed.extend(window.left());
        passed.extend(later);
        passed
    }

    /// Goes on behind a chunk that was told.
    fn settle(&mut self, chunk: &Chunk) {
        let done = match self.progress.wanted.front_mut() {
            Some(Wanted::Table { after, .. }) => {
                *after = chunk.next.clone();
                chunk.next.is_none()
            }
            Some(Wanted::Keys { keys, .. }) => {
                keys.drain(..keys.len().min(self.chunk_rows));
                keys.is_empty()
            }
            None => false,
        };
        if done {
            self.progress.wanted.pop_front();
        }
    }
}

impl Window {
    fn note(&mut self, placed: &PlacedChange) {
        if placed.position <= self.chunk.low || placed.change.source.table != self.table {
            return;
        }
        match (placed.change.op, placed.change.key()) {
            (Op::Truncate, _) => self.emptied = true,
            (_, Some(key)) => {
                self.told.insert(key.clone());
            }
            (_, None) => {}
        }
    }

    /// The rows that the log did not tell.
    fn left(self) -> impl Iterator<Item = PlacedChange> {
        let Self { chunk, told, emptied, .. } = self;
        let rows = if emptied { Vec::new() } else { chunk.rows };
        let kept = rows.into_iter().filter(move |row| row.key().is_none_or(|key| !told.contains(key)));
        kept.map(move |change| PlacedChange { position: chunk.high, change })
    }
}

/// Why a snapshot does not go on.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The log cannot be read from there.
    #[error(transparent)]
    Read(#[from] ReadChangesError),
    /// A table cannot be read.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
}

/// What a reader got, in order; it is to be applied, and place and progress kept, before it reads on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRead {
    /// Changes, and rows of chunks between them.
    pub changes: Vec<PlacedChange>,
    /// Where the log was read to.
    pub at: Checkpoint,
    /// What is still to be read.
    pub progress: SnapshotProgress,
    /// The log's end when it was looked at.
    pub end: Position,
}

/// Follows a source's log and takes snapshots on the way.
#[derive(Debug)]
pub struct SnapshotReader<S> {
    source: S,
    snapshots: Snapshots,
    from: PollFrom,
}

impl SnapshotReader<DynChangeSource> {
    /// Goes on after a checkpoint with what was wanted then. Without a checkpoint it begins at the log's end with all
    /// captured tables: everything that is there is told, and what changes meanwhile.
    ///
    /// # Errors
    /// [`SnapshotError`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn new(
        source: DynChangeSource,
        kept: Option<(Checkpoint, SnapshotProgress)>,
        chunk_rows: usize,
    ) -> Result<Self, SnapshotError> {
        if let Some((at, progress)) = kept {
            return Ok(Self { source, snapshots: Snapshots::new(progress, chunk_rows), from: PollFrom::After(at) });
        }
        let now = source.read(PollFrom::Start(Start::Latest), 1, Duration::ZERO).await?;
        let mut snapshots = Snapshots::new(SnapshotProgress::default(), chunk_rows);
        for table in source.tables().await.map_err(ReadChangesError::Fault)? {
            snapshots.want_table(&table.table);
        }
        let at = Checkpoint { epoch: now.epoch, position: now.scanned_through };
        Ok(Self { source, snapshots, from: PollFrom::After(at) })
    }

    /// What is wanted: more can be asked for at any time.
    pub const fn snapshots(&mut self) -> &mut Snapshots {
        &mut self.snapshots
    }

    /// Reads on: at most `limit` changes and a chunk. Waits up to `wait` where nothing is wanted and nothing happens.
    ///
    /// # Errors
    /// [`SnapshotError`]; then it may be called again.
    ///
    /// # Cancellation
    /// Safe: what was read and not returned is read again.
    pub async fn next(&mut self, limit: usize, wait: Duration) -> Result<SnapshotRead, SnapshotError> {
        match self.snapshots.ask() {
            Some(ChunkAsk::Table { table, after, limit }) => {
                self.snapshots.open(self.source.chunk(&table, after.as_ref(), limit).await?);
            }
            Some(ChunkAsk::Keys { table, keys }) => {
                self.snapshots.open(self.source.rows(&table, &keys).await?);
            }
            None => {}
        }
        // A waiting chunk must not wait for the next change: the watermark is enough.
        let wait = if self.snapshots.waits_for().is_some() { Duration::ZERO } else { wait };
        let changes = self.source.read(self.from, limit, wait).await?;
        let at = Checkpoint { epoch: changes.epoch, position: changes.scanned_through };
        let end = changes.end;
        let changes = self.snapshots.pass(changes);
        self.from = PollFrom::After(at);
        Ok(SnapshotRead { changes, at, progress: self.snapshots.progress().clone(), end })
    }
}

//! What a view is made of: its name, its rows, its checkpoint, and what one batch changes.

use std::fmt;
use std::sync::Arc;

use madrigal_core::{JsonBytes, LogEpoch, Position, StreamVersion};
use serde::{Deserialize, Serialize};

use crate::parking::{ParkedEvent, Skipped};

/// The identity of a view's rows: a name and a generation. A new generation builds beside the old one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId {
    name: Arc<str>,
    generation: u32,
}

impl ViewId {
    /// The id, or `None` unless `name` has 1 to 48 lower-case letters, digits and hyphens and begins with a letter.
    pub fn new(name: &str, generation: u32) -> Option<Self> {
        is_name(name, b'-').then(|| Self { name: name.into(), generation })
    }

    /// Another generation of the same name.
    #[must_use]
    pub fn sibling(&self, generation: u32) -> Self {
        Self { name: Arc::clone(&self.name), generation }
    }

    /// The view's name, as in `order-view`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The generation, from 1.
    pub const fn generation(&self) -> u32 {
        self.generation
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.generation)
    }
}

/// Whether `text` can name a view (separator `-`) or a column (separator `_`) in every engine.
pub(crate) fn is_name(text: &str, separator: u8) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == separator;
    text.len() <= 48 && text.bytes().all(allowed) && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
}

/// The value of an indexed column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnValue {
    /// A whole number.
    Integer(i64),
    /// A text, at most 1,000 bytes where it is to be found by it.
    Text(String),
}

impl From<i64> for ColumnValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for ColumnValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for ColumnValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// The indexed columns beside a row, at most [`Columns::MAX`]; a column that is not set is absent (never found).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns(Vec<(&'static str, ColumnValue)>);

impl Columns {
    /// The most columns that a view may have: each costs an index entry per write.
    pub const MAX: usize = 4;

    /// No columns.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// With one more column; a column set twice keeps the later value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<ColumnValue>) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.into()));
        self
    }

    /// The value of a column.
    pub fn get(&self, name: &str) -> Option<&ColumnValue> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The names and values, in the order they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &ColumnValue)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// A row as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The stream version of the last event applied: the row's own version where a key is one stream.
    pub version: StreamVersion,
    /// The position of the last event applied; an event at or below it is never applied again.
    pub position: Position,
    /// The row as JSON.
    pub body: JsonBytes,
    /// The indexed columns. Stores need not give them back: rows that were read may have none.
    pub columns: Columns,
}

/// How far a consumer has come in one history of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The log's epoch.
    pub epoch: LogEpoch,
    /// Everything up to and including this position has been looked at.
    pub position: Position,
}

/// What one batch of events changes in a view. A store makes it durable all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewBatch {
    /// Rows to insert or replace; each key at most once in a batch.
    pub puts: Vec<(String, StoredRow)>,
    /// Keys whose rows go.
    pub deletes: Vec<String>,
    /// Events that could not be applied, or stand behind one: added, or replaced where lane and position are known.
    pub parked: Vec<ParkedEvent>,
    /// Parked events, by lane and position, that have been applied after all.
    pub unparked: Vec<(String, Position)>,
    /// Parked events that were skipped: they stay listed with the reason and no longer hold their lane.
    pub skipped: Vec<Skipped>,
    /// The checkpoint after the batch.
    pub checkpoint: Checkpoint,
}

impl ViewBatch {
    /// A batch that only moves the checkpoint.
    pub const fn at(checkpoint: Checkpoint) -> Self {
        Self {
            puts: Vec::new(),
            deletes: Vec::new(),
            parked: Vec::new(),
            unparked: Vec::new(),
            skipped: Vec::new(),
            checkpoint,
        }
    }
}

/// A question to a view: rows in the order of their keys.
///
/// Keys that are version 7 UUIDs sort by time, so "newest first" is the order of keys backwards and the cursor is a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Columns that must have these values, all of them; at most [`Columns::MAX`].
    pub filters: Vec<(String, ColumnValue)>,
    /// Only keys beyond this one, in the direction of reading.
    pub after: Option<String>,
    /// At most so many rows, 1 to [`Query::MAX_ROWS`]; more is taken as the maximum.
    pub limit: usize,
    /// Greatest key first.
    pub newest_first: bool,
}

impl Query {
    /// The most rows of one answer.
    pub const MAX_ROWS: usize = 1_000;

    /// All rows, newest first, up to `limit`.
    pub const fn newest(limit: usize) -> Self {
        Self { filters: Vec::new(), after: None, limit, newest_first: true }
    }

    /// All rows, oldest first, up to `limit`.
    pub const fn oldest(limit: usize) -> Self {
        Self { filters: Vec::new(), after: None, limit, newest_first: false }
    }

    /// Only rows whose column has this value.
    #[must_use]
    pub fn having(mut self, column: &str, value: impl Into<ColumnValue>) -> Self {
        self.filters.push((column.to_owned(), value.into()));
        self
    }

    /// Only rows beyond this key, in the direction of reading.
    #[must_use]
    pub fn after(mut self, key: Option<impl Into<String>>) -> Self {
        self.after = key.map(Into::into);
        self
    }

    /// The limit, forced into its range.
    pub fn bounded_limit(&self) -> usize {
        self.limit.clamp(1, Self::MAX_ROWS)
    }
}

//! What a projection is: a pure fold of events into rows, per key.

use std::error::Error as StdError;

use madrigal_core::RecordedEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::view::Columns;

/// A pure fold of events into rows: no calls, no clock, no randomness, no state of its own.
///
/// The same events in the same order per key give the same rows, whatever the batches. The runner applies every event to
/// every key exactly once (the rows' positions and the checkpoint see to that), so a fold may count and add.
pub trait Projection: Send + Sync + 'static {
    /// A row. It must survive its JSON unchanged: rows come from memory or from the store.
    type Row: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// The view's name, as in `order-view`: lower-case letters, digits and hyphens, at most 48.
    fn name(&self) -> &'static str;

    /// The generation, from 1: raised whenever the fold or the row's form changes, so that the view is built anew.
    fn version(&self) -> u32;

    /// The names of the columns that [`Projection::columns`] sets: lower-case letters, digits, underscores; at most
    /// [`Columns::MAX`].
    fn column_names(&self) -> &'static [&'static str];

    /// Which rows an event concerns.
    ///
    /// # Errors
    /// [`ApplyError`] where the event's type is unknown (neither handled nor declared uninteresting) or it does not
    /// decode: it parks its stream.
    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError>;

    /// The row of `key` after `event`; `None` is no row.
    ///
    /// # Errors
    /// [`ApplyError`]: the event parks its key.
    fn apply(&self, key: &str, row: Option<Self::Row>, event: &RecordedEvent) -> Result<Option<Self::Row>, ApplyError>;

    /// The indexed columns of a row.
    fn columns(&self, row: &Self::Row) -> Columns;
}

/// Which rows an event concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interest {
    /// None: declared uninteresting.
    Skip,
    /// One row.
    Key(String),
    /// These rows, each once; at most 1,000.
    Keys(Vec<String>),
}

impl Interest {
    /// The most keys that one event may concern.
    pub const MAX_KEYS: usize = 1_000;

    /// The row of the event's own aggregate.
    pub fn own(event: &RecordedEvent) -> Self {
        Self::Key(event.stream.id().to_owned())
    }
}

/// Why an event could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The type is neither handled nor declared uninteresting.
    #[error("unknown event type {event_type} (schema version {schema_version})")]
    UnknownType {
        /// The type.
        event_type: String,
        /// The version of its data's form.
        schema_version: u16,
    },
    /// The data does not have the form that the type says.
    #[error("the event does not decode: {0}")]
    Decode(#[from] serde_json::Error),
    /// The event makes no sense for this row.
    #[error("{0}")]
    Refused(String),
    /// Upcasting to the current form failed.
    #[error("upcasting failed: {0}")]
    Upcast(Box<dyn StdError + Send + Sync>),
    /// The fold panicked.
    #[error("the fold panicked")]
    Panicked,
}

impl ApplyError {
    /// The event's type is unknown here.
    pub fn unknown_type(event: &RecordedEvent) -> Self {
        Self::UnknownType { event_type: event.event_type.to_string(), schema_version: event.schema_version }
    }

    /// The event makes no sense for this row.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

//! The port: where a view's rows, checkpoint and parked events live.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::Fault;

use crate::generations::Generations;
use crate::parking::{ParkedEvent, ParkedFilter};
use crate::view::{Checkpoint, Query, StoredRow, ViewBatch, ViewId};

/// A store of views.
///
/// # Contract
/// Each MUST is a case in `madrigal-conformance`, run on every implementation.
///
/// 1. [`ViewStore::commit`] MUST make rows, parked events and checkpoint durable together or not at all, and readers
///    MUST see all of it or nothing.
/// 2. A checkpoint MUST never go back within its epoch, and a commit of another epoch than the stored one MUST be
///    refused with a fault that certainly had no effect.
/// 3. [`ViewStore::query`] MUST return rows in the order of their keys' bytes, and a cursor MUST neither repeat nor lose
///    a row that was there all the time.
/// 4. Views MUST NOT see each other's rows, generations of one name included.
/// 5. [`ViewStore::prepare`] MUST be repeatable, and MUST refuse another set of columns under a known id.
/// 6. [`ViewStore::arrange`] MUST take the revision that follows the stored one, in one step, and MUST refuse any other
///    with a fault that certainly had no effect.
/// 7. A [`ViewSnapshot`] MUST show all views as of one moment, with their columns, whatever is committed afterwards.
/// 8. [`ViewStore::clear`] MUST take nothing of another view, and nothing of a cleared view may come back.
#[async_trait]
pub trait ViewStore: Send + Sync + 'static {
    /// Makes the view known, with its indexed columns (at most [`crate::Columns::MAX`]); called before anything else.
    ///
    /// # Errors
    /// A permanent [`Fault`] where the view exists with other columns; a fault if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    async fn prepare(&self, view: &ViewId, columns: &'static [&'static str]) -> Result<(), Fault>;

    /// How far the view has come; `None` before its first batch.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault>;

    /// The rows of these keys (at most 10,000), those that exist, in one round trip.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn load(&self, view: &ViewId, keys: Vec<String>) -> Result<HashMap<String, StoredRow>, Fault>;

    /// Makes one batch durable, all or nothing.
    ///
    /// # Errors
    /// A [`Fault`]; whatever its outcome, the caller forgets what it holds in memory and reads the checkpoint again.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect, always as a whole.
    async fn commit(&self, view: &ViewId, batch: ViewBatch) -> Result<(), Fault>;

    /// One row.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn get(&self, view: &ViewId, key: &str) -> Result<Option<StoredRow>, Fault>;

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// A permanent [`Fault`] where a filter names a column that the view does not have; a fault if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn query(&self, view: &ViewId, query: Query) -> Result<Vec<(String, StoredRow)>, Fault>;

    /// Parked events, in the order of their positions.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn parked(&self, view: &ViewId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault>;

    /// The lanes that have waiting events, at most `limit`.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn parked_lanes(&self, view: &ViewId, limit: usize) -> Result<Vec<String>, Fault>;

    /// The generations of a name; `None` before they were first arranged.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn generations(&self, name: &str) -> Result<Option<Generations>, Fault>;

    /// Replaces the generations of a name by their next revision.
    ///
    /// # Errors
    /// A permanent [`Fault`] where another revision stands there; a fault if the engine broke.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect, always as a whole.
    async fn arrange(&self, name: &str, next: &Generations) -> Result<(), Fault>;

    /// All views as of now, for reading at leisure.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn snapshot(&self) -> Result<DynViewSnapshot, Fault>;

    /// Removes some of a view's rows (about `at_most`), and at last all else of it; true when nothing is left. Nobody may
    /// read or write the view any more. A view that is not known is cleared already.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    async fn clear(&self, view: &ViewId, at_most: usize) -> Result<bool, Fault>;
}

/// All views of a store as of one moment. Ends when it is dropped; stores may have to keep what is changed meanwhile.
#[async_trait]
pub trait ViewSnapshot: Send + Sync + 'static {
    /// How far the view had come.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault>;

    /// Rows beyond `after` in the order of their keys, with their columns, at most `limit` (1 to [`Query::MAX_ROWS`]).
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn rows(&self, view: &ViewId, after: Option<String>, limit: usize)
    -> Result<Vec<(String, StoredRow)>, Fault>;
}

/// A snapshot behind a pointer.
pub type DynViewSnapshot = Arc<dyn ViewSnapshot>;

/// A view store behind a pointer.
pub type DynViewStore = Arc<dyn ViewStore>;

//! The port: where a view's rows, checkpoint and parked events live.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::Fault;

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
}

/// A view store behind a pointer.
pub type DynViewStore = Arc<dyn ViewStore>;

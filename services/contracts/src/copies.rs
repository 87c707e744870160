//! Copies of rows: what whoever brings changes asks of the service that keeps a copy.
//!
//! The service that keeps a copy owns its schema; sync-service writes it by these calls and by nothing else. Every row
//! carries its owner's [`RowVersion`], by which the copy refuses what is older. A service implements [`CopyKeeper`] for each
//! copy and passes them to [`answering`]. What users read of a copy waits for their own writes: [`fresh`].

pub mod fresh;

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::{CallContext, Fault, LogEpoch, LogName, Position, RowVersion};
use madrigal_http::calls::{Answer, Call, Calls};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::fresh::ReadFreshCopyRow;

/// Up to which position of its source's log a copy has everything, but for the rows whose keys are parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppliedThrough {
    /// The source's log, as in position tokens.
    pub log: LogName,
    /// The log's epoch.
    pub epoch: LogEpoch,
    /// Everything up to here is in the copy.
    pub position: Position,
}

/// One row of a copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopyRow {
    /// The owner's key of the row, as text (`7`).
    pub key: String,
    /// How new the row is at its owner.
    pub version: RowVersion,
    /// The row's fields, as an object; `None` where the row was deleted: a tombstone stays, and what was there is
    /// overwritten.
    pub row: Option<Value>,
}

/// Asks the keeper of a copy to apply rows, in this order.
///
/// The rows and `through` MUST become durable in one transaction: after a crash the copy has both or neither. Calling it
/// again changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRows {
    /// The copy's name: `users.key-value`.
    pub copy: String,
    /// The rows, at most [`ApplyRows::MAX_ROWS`]; a key may come more than once.
    pub rows: Vec<CopyRow>,
    /// Where the copy's source stands after these rows; `None` for rows that come beside the stream (a snapshot's chunk,
    /// a key that is read once more). It never goes back within its epoch.
    pub through: Option<AppliedThrough>,
}

impl ApplyRows {
    /// The most rows of one call: with rows of 4 KiB half of what a call may hold.
    pub const MAX_ROWS: usize = 1_000;
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum RowOutcome {
    /// The copy has it now.
    Applied,
    /// The copy has a newer one (or a newer tombstone) and keeps it.
    Older,
    /// The copy has this version and keeps what it has, whatever its content: comparing contents is the monitor's.
    Repeated,
    /// The row has not the form that the copy's schema asks for; the copy is as it was. Others of the call are applied.
    Refused {
        /// What is wrong with it, without the row's values.
        cause: String,
    },
}

/// What became of the rows of an [`ApplyRows`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsApplied {
    /// One per row, in the call's order.
    pub outcomes: Vec<RowOutcome>,
}

impl Call for ApplyRows {
    /// A copy that this service does not keep is a permanent fault.
    type Answer = RowsApplied;
    const NAME: &'static str = "copies.apply-rows";
}

/// Asks for one row of a copy as it is stored, tombstones included.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadCopyRow {
    /// The copy's name.
    pub copy: String,
    /// The owner's key of the row.
    pub key: String,
}

impl Call for ReadCopyRow {
    /// `None`: the copy never had it.
    type Answer = Option<CopyRow>;
    const NAME: &'static str = "copies.read-row";
}

/// Asks how far a copy is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadAppliedThrough {
    /// The copy's name.
    pub copy: String,
}

impl Call for ReadAppliedThrough {
    /// One per source; none before the first rows came.
    type Answer = Vec<AppliedThrough>;
    const NAME: &'static str = "copies.read-applied-through";
}

/// Asks for the keys of a copy's rows that are not deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListCopyKeys {
    /// The copy's name.
    pub copy: String,
    /// Only keys behind this one, in the copy's own order.
    pub after: Option<String>,
    /// At most so many, 1 to [`ListCopyKeys::MAX`].
    pub limit: usize,
}

impl ListCopyKeys {
    /// The most keys of one answer.
    pub const MAX: usize = 10_000;
}

impl Call for ListCopyKeys {
    /// Fewer than were asked for only at the end.
    type Answer = Vec<String>;
    const NAME: &'static str = "copies.list-keys";
}

/// Asks for rows of a copy as they are stored, in the order of their keys' numbers, tombstones included.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageCopyRows {
    /// The copy's name.
    pub copy: String,
    /// Only keys behind this number.
    pub after: i64,
    /// At most so many, 1 to [`ApplyRows::MAX_ROWS`].
    pub limit: usize,
}

impl Call for PageCopyRows {
    /// Fewer than were asked for only at the end.
    type Answer = Vec<CopyRow>;
    const NAME: &'static str = "copies.page-rows";
}

/// What takes the place of one row, if that still is what was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplaceRow {
    /// The owner's key of the row.
    pub key: String,
    /// The whole row as it was read from the copy; `None` where there was none, not even a tombstone.
    pub seen: Option<CopyRow>,
    /// What takes its place; `None` takes it away, tombstone and all: only for a key that its owner never had.
    pub with: Option<CopyRow>,
}

/// Asks the keeper of a copy to replace rows whatever their versions say, each only where it is what was seen.
///
/// For repairs: what is put must have been read from the owner *after* `seen` was read from the copy; then it is never older
/// than what it replaces. Whatever brings changes uses [`ApplyRows`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplaceRows {
    /// The copy's name.
    pub copy: String,
    /// The rows, at most [`ApplyRows::MAX_ROWS`].
    pub rows: Vec<ReplaceRow>,
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Replaced {
    /// The copy has what was put.
    Done,
    /// The copy is not what was seen any more, and is as it was.
    Changed,
    /// The row has not the form that the copy's schema asks for, or the copy takes no repairs; it is as it was.
    Refused {
        /// What is wrong with it, without the row's values.
        cause: String,
    },
}

impl Call for ReplaceRows {
    /// One per row, in the call's order.
    type Answer = Vec<Replaced>;
    const NAME: &'static str = "copies.replace-rows";
}

/// A copy, as the service that keeps it answers for it.
///
/// # Contract
/// 1. [`CopyKeeper::apply`] MUST refuse what is older than what is there; a tombstone MUST refuse everything older for
///    ever, and overwrite the values that were there. An equal version changes nothing.
/// 2. Rows and place MUST become durable together or not at all.
/// 3. [`CopyKeeper::replace`] MUST look and write in one step: no other writer may come between.
/// 4. A row that does not decode MUST be read as what is there (its text), not fail the read: it is what repairs look for.
#[async_trait]
pub trait CopyKeeper: Send + Sync + 'static {
    /// The copy's name.
    fn copy(&self) -> &'static str;

    /// Applies rows; see [`ApplyRows`].
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// They may or may not be applied; safe to repeat.
    async fn apply(&self, call: ApplyRows) -> Result<RowsApplied, Fault>;

    /// One row, tombstones included.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn read(&self, key: &str) -> Result<Option<CopyRow>, Fault>;

    /// How far the copy is, by source.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn applied_through(&self) -> Result<Vec<AppliedThrough>, Fault>;

    /// Keys of rows that are not deleted; see [`ListCopyKeys`].
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn keys(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault>;

    /// Rows behind a key's number, tombstones included; see [`PageCopyRows`].
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke; a permanent one where this copy's rows are not listed.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn page(&self, after: i64, limit: usize) -> Result<Vec<CopyRow>, Fault> {
        let _ = (after, limit);
        Err(Fault::permanent("copies", "page", format!("rows of {} are not listed", self.copy())))
    }

    /// Replaces rows whatever their versions say; see [`ReplaceRows`].
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke; none was replaced.
    ///
    /// # Cancellation
    /// They may or may not be replaced, all or none.
    async fn replace(&self, rows: Vec<ReplaceRow>) -> Result<Vec<Replaced>, Fault> {
        let cause = format!("{} is not repaired row by row", self.copy());
        Ok(rows.iter().map(|_| Replaced::Refused { cause: cause.clone() }).collect())
    }
}

/// The calls of a service, with those about the copies that it keeps.
pub fn answering(calls: Calls, copies: Vec<Arc<dyn CopyKeeper>>) -> Calls {
    let kept = Arc::new(Kept(copies));
    calls
        .on::<ApplyRows>(Arc::clone(&kept))
        .on::<ReadCopyRow>(Arc::clone(&kept))
        .on::<ReadFreshCopyRow>(Arc::clone(&kept))
        .on::<ReadAppliedThrough>(Arc::clone(&kept))
        .on::<ListCopyKeys>(Arc::clone(&kept))
        .on::<PageCopyRows>(Arc::clone(&kept))
        .on::<ReplaceRows>(kept)
}

struct Kept(Vec<Arc<dyn CopyKeeper>>);

impl Kept {
    fn copy(&self, name: &str) -> Result<&Arc<dyn CopyKeeper>, Fault> {
        let unknown = || Fault::permanent("copies", "find", format!("there is no copy {name:?} here"));
        self.0.iter().find(|copy| copy.copy() == name).ok_or_else(unknown)
    }
}

#[async_trait]
impl Answer<ApplyRows> for Kept {
    async fn answer(&self, _: CallContext, call: ApplyRows) -> Result<RowsApplied, Fault> {
        if call.rows.len() > ApplyRows::MAX_ROWS {
            return Err(Fault::permanent("copies", "apply", format!("more than {} rows", ApplyRows::MAX_ROWS)));
        }
        self.copy(&call.copy)?.apply(call).await
    }
}

#[async_trait]
impl Answer<ReadCopyRow> for Kept {
    async fn answer(&self, _: CallContext, call: ReadCopyRow) -> Result<Option<CopyRow>, Fault> {
        self.copy(&call.copy)?.read(&call.key).await
    }
}

#[async_trait]
impl Answer<ReadAppliedThrough> for Kept {
    async fn answer(&self, _: CallContext, call: ReadAppliedThrough) -> Result<Vec<AppliedThrough>, Fault> {
        self.copy(&call.copy)?.applied_through().await
    }
}

#[async_trait]
impl Answer<ListCopyKeys> for Kept {
    async fn answer(&self, _: CallContext, call: ListCopyKeys) -> Result<Vec<String>, Fault> {
        let limit = call.limit.clamp(1, ListCopyKeys::MAX);
        self.copy(&call.copy)?.keys(call.after.as_deref(), limit).await
    }
}

#[async_trait]
impl Answer<PageCopyRows> for Kept {
    async fn answer(&self, _: CallContext, call: PageCopyRows) -> Result<Vec<CopyRow>, Fault> {
        self.copy(&call.copy)?.page(call.after, call.limit.clamp(1, ApplyRows::MAX_ROWS)).await
    }
}

#[async_trait]
impl Answer<ReplaceRows> for Kept {
    async fn answer(&self, _: CallContext, call: ReplaceRows) -> Result<Vec<Replaced>, Fault> {
        if call.rows.len() > ApplyRows::MAX_ROWS {
            return Err(Fault::permanent("copies", "replace", format!("more than {} rows", ApplyRows::MAX_ROWS)));
        }
        self.copy(&call.copy)?.replace(call.rows).await
    }
}

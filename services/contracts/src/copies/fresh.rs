//! Reading your own writes from a copy of users: a read that names a position of the users' log waits until the copy is
//! there, or is told that it is not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_consistency::{Reached, RowSet};
use madrigal_core::{CallContext, Fault, PositionToken};
use madrigal_http::calls::{Answer, Call};
use madrigal_http::problem::{self, Answered};
use serde::{Deserialize, Serialize};

use super::{CopyKeeper, CopyRow, Kept};
use crate::rows::kept::KeptRows;

/// The log that every copy of users follows, as in position tokens.
pub const USERS_LOG: &str = "users";

/// How long a public read of a copy waits for the position that it names, as reads of views do.
pub const WAIT_FOR_COPY: Duration = Duration::from_secs(5);

/// How long [`ReadFreshCopyRow`] waits: whoever asks puts several services' answers together.
const WAIT_FOR_ROW: Duration = Duration::from_secs(1);

/// Waits until a copy of users has what the caller has seen of the users' log, at most [`WAIT_FOR_COPY`]. Other logs are not
/// the copy's to wait for.
///
/// # Errors
/// 503 `not-yet-visible` where the copy does not come so far in time, 412 `other-epoch` where it follows another history of
/// the log, and what a [`Fault`] of the copy is.
///
/// # Cancellation
/// Safe: reads only.
pub async fn has_seen(keeper: Arc<dyn CopyKeeper>, seen: &PositionToken) -> Answered<()> {
    match wait_for(&KeptRows::new(keeper, &[]), seen, WAIT_FOR_COPY).await {
        Ok(Reached::Yes) => Ok(()),
        Ok(Reached::Behind { by }) => Err(problem::not_yet_visible(by)),
        Ok(Reached::OtherEpoch) => Err(problem::other_epoch()),
        Err(fault) => Err(problem::from_fault(&fault)),
    }
}

async fn wait_for(copy: &KeptRows, seen: &PositionToken, limit: Duration) -> Result<Reached, Fault> {
    let component = seen.components().find(|(log, ..)| log.as_str() == USERS_LOG);
    let Some((log, epoch, position)) = component else { return Ok(Reached::Yes) };
    copy.wait_for(&PositionToken::of(log.clone(), epoch, position), limit).await
}

/// Asks for one row of a copy, as fresh as its reader's own writes where the copy comes so far within a second.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadFreshCopyRow {
    /// The copy's name.
    pub copy: String,
    /// The owner's key of the row.
    pub key: String,
    /// Waits (a little) until the copy has this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<PositionToken>,
}

/// A row of a copy, and how far the copy was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreshCopyRow {
    /// `None`: the copy never had it.
    pub row: Option<CopyRow>,
    /// Everything up to here was in the copy when the row was read.
    pub position: PositionToken,
}

impl Call for ReadFreshCopyRow {
    /// What the copy has not reached in time its position tells.
    type Answer = FreshCopyRow;
    const NAME: &'static str = "copies.read-fresh-row";
}

#[async_trait]
impl Answer<ReadFreshCopyRow> for Kept {
    async fn answer(&self, _: CallContext, call: ReadFreshCopyRow) -> Result<FreshCopyRow, Fault> {
        let keeper = self.copy(&call.copy)?;
        let copy = KeptRows::new(Arc::clone(keeper), &[]);
        if let Some(seen) = &call.seen {
            wait_for(&copy, seen, WAIT_FOR_ROW).await?;
        }
        // Taken before the read: everything up to here is in it.
        let position = copy.position().await?;
        Ok(FreshCopyRow { row: keeper.read(&call.key).await?, position })
    }
}

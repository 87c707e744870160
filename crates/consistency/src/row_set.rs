//! The port: what an owner or a copy answers about its rows.

mod chunks;
mod damage;
mod description;
mod reach;
mod reads;
mod repairs;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, PositionToken, RowVersion, tasks};

use crate::row::{Detail, Row};

pub use damage::{Damage, Planted};
pub use description::{SetDescription, SetKind};
pub use reach::{Reached, reach};
pub use reads::{Changed, ChunkDigest, Cut, DigestAsk, Digests, PageRead, RowsRead, of_versions};
pub use repairs::{RepairRow, Repaired, Seen};

/// The most rows that are read at once.
pub const MAX_PAGE: usize = 1_000;
/// The most keys that are asked for at once.
pub const MAX_KEYS: usize = 500;
/// The most rows that one request for digests covers.
pub const MAX_DIGESTED: u64 = 131_072;
/// The most chunks in one answer.
pub const MAX_CHUNKS: usize = 1_024;
/// How often a copy is asked how far it is, while it is waited for.
const POLL: Duration = Duration::from_millis(10);

/// Rows under keys, as an owner or a copy answers them.
///
/// # Contract
/// 1. [`RowSet::page`] MUST return rows in the order of their keys' bytes, and fewer than were asked for only where the
///    range ends.
/// 2. [`RowSet::position`] of an owner MUST be at or beyond everything that reads that ended before it have seen; of a copy
///    it is *applied through*: everything up to it MUST be in what reads that begin after it see.
/// 3. Keys MUST be the same text at an owner and its copies, and contents canonical ([`crate::Content`]) under the same
///    names of fields.
/// 4. A copy MUST give the version of its owner's row that its row was made from (unless it says that it keeps none).
/// 5. [`RowSet::repair`] MUST be one step: no other writer may come between the look and the write.
/// 6. Rows that cannot be read (bytes that do not decode) MUST be given with what is there, not fail the read: they are
///    what is looked for.
#[async_trait]
pub trait RowSet: Send + Sync + 'static {
    /// What the set is like; always the same.
    fn description(&self) -> SetDescription;

    /// How far the set is, see the contract.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn position(&self) -> Result<PositionToken, Fault>;

    /// A part of the set.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault>;

    /// The rows of these keys (at most [`MAX_KEYS`]) that there are, deleted ones where they are known; in the order of
    /// their keys.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault>;

    /// Of an owner that can tell: which rows were changed by the last `limit` entries of its log at most, after `after`;
    /// without `after` none, but how far it is. Older ones are passed over: this is for looking at some changes soon, not at all
    /// of them. `None` where it cannot tell.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        let _ = (after, limit);
        Ok(None)
    }

    /// Of an owner that can tell: the row as it was at each version from `first` to `last`, with its content. `None`
    /// where it cannot, or there are more than [`MAX_PAGE`].
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        let _ = (key, first, last);
        Ok(None)
    }

    /// Writes the owner's row into a copy, if that still is what was seen.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect, as a whole; safe to repeat.
    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        let _ = repair;
        Ok(Repaired::Refused { why: "this set is not repaired from outside".to_owned() })
    }

    /// Damages a row behind the back of everybody who writes it; a service lets this through only where it was told to.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect.
    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        let _ = (key, damage);
        Ok(Planted::Refused { why: "this set takes no damage".to_owned() })
    }

    /// A part of the set, and where it was read.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn read_page(&self, read: PageRead) -> Result<RowsRead, Fault> {
        let before = self.before().await?;
        let rows = self.page(PageRead { limit: read.limit.clamp(1, MAX_PAGE), ..read }).await?;
        Ok(RowsRead { rows, position: self.after(before).await? })
    }

    /// The rows of these keys, and where they were read.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn read_keys(&self, mut keys: Vec<String>, detail: Detail) -> Result<RowsRead, Fault> {
        keys.truncate(MAX_KEYS);
        let before = self.before().await?;
        let rows = self.by_key(keys, detail).await?;
        Ok(RowsRead { rows, position: self.after(before).await? })
    }

    /// Digests of neighbouring chunks of a range, and where they were read.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn digests(&self, ask: DigestAsk) -> Result<Digests, Fault> {
        let before = self.before().await?;
        let (chunks, ended) = chunks::digest_pages(self, &ask).await?;
        Ok(Digests { chunks, ended, position: self.after(before).await? })
    }

    /// Waits until a copy has applied everything up to `token`, at most `limit`.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn wait_for(&self, token: &PositionToken, limit: Duration) -> Result<Reached, Fault> {
        let until = tasks::instant() + limit;
        loop {
            let reached = reach(&self.position().await?, token);
            if !matches!(reached, Reached::Behind { .. }) || tasks::instant() >= until {
                return Ok(reached);
            }
            tasks::sleep(POLL).await;
        }
    }

    /// A copy's position counts from before a read.
    #[doc(hidden)]
    async fn before(&self) -> Result<Option<PositionToken>, Fault> {
        match self.description().kind {
            SetKind::Copy => self.position().await.map(Some),
            SetKind::Owner => Ok(None),
        }
    }

    /// An owner's position counts from after it.
    #[doc(hidden)]
    async fn after(&self, before: Option<PositionToken>) -> Result<PositionToken, Fault> {
        match before {
            Some(position) => Ok(position),
            None => self.position().await,
        }
    }
}

/// A row set behind a pointer.
pub type DynRowSet = Arc<dyn RowSet>;

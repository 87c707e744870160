//! The port: what an owner or a copy answers about its rows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, PositionToken, RowVersion, tasks};
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hashing};
use crate::row::{Detail, KeyRange, Row};

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

/// Whose word a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SetKind {
    /// Its word counts.
    Owner,
    /// It is told by an owner.
    Copy,
}

/// What a set is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetDescription {
    /// Its name, as in `orders.view`.
    pub name: String,
    /// Whose word it is.
    pub kind: SetKind,
    /// The fields of its contents. A pair is compared by the fields of its copy; the owner must have all of them.
    pub fields: Vec<String>,
    /// Whether its rows carry their owner's version. A copy without is compared by content only.
    pub versioned: bool,
    /// Whether it holds some of its owner's rows only, as a cache does: then nothing is missing there.
    pub partial: bool,
    /// Whether it can be repaired.
    pub repairable: bool,
}

impl SetDescription {
    /// An owner with these fields.
    pub fn owner(name: &str, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Self { name: name.to_owned(), kind: SetKind::Owner, fields, versioned: true, partial: false, repairable: false }
    }

    /// A whole copy with these fields, that keeps versions and can be repaired.
    pub fn copy(name: &str, fields: &[&str]) -> Self {
        Self { kind: SetKind::Copy, repairable: true, ..Self::owner(name, fields) }
    }
}

/// A part of a set, in the order of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageRead {
    /// Which keys.
    pub range: KeyRange,
    /// At most so many rows, 1 to [`MAX_PAGE`].
    pub limit: usize,
    /// What of them.
    pub detail: Detail,
}

/// How a range is cut into chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cut {
    /// So many rows in each, at most so many chunks: an owner says where they end.
    Every {
        /// Rows in a chunk, at least 1.
        rows: u64,
        /// At most so many chunks; together at most [`MAX_DIGESTED`] rows.
        chunks: usize,
    },
    /// Behind each of these keys, in order: where the owner cut. The last chunk ends with the range.
    After(Vec<String>),
}

/// Asks for digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestAsk {
    /// Of which keys.
    pub range: KeyRange,
    /// In which chunks.
    pub cut: Cut,
    /// Of versions, or of contents too.
    pub detail: Detail,
    /// The fields of content that count; all where none is named.
    pub fields: Vec<String>,
    /// Whether versions count.
    pub versions: bool,
    /// Drawn for each check.
    pub seed: u64,
}

/// The digest of one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkDigest {
    /// Its last key; `None` where it has no end.
    pub through: Option<String>,
    /// Of its rows that are not deleted.
    pub digest: Digest,
}

/// Digests of neighbouring chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digests {
    /// In the order of their keys, without gaps.
    pub chunks: Vec<ChunkDigest>,
    /// Whether the last chunk ends with the range.
    pub ended: bool,
    /// See [`RowSet::position`].
    pub position: PositionToken,
}

/// Rows, and where they were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsRead {
    /// In the order of their keys.
    pub rows: Vec<Row>,
    /// See [`RowSet::position`].
    pub position: PositionToken,
}

/// Rows that were changed lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Their keys, each once.
    pub keys: Vec<String>,
    /// Up to where the owner was looked at: to its end.
    pub through: PositionToken,
}

/// How far a copy came while it was waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reached {
    /// As far as was asked, or further.
    Yes,
    /// Not yet.
    Behind {
        /// So many positions are missing, over all logs.
        by: u64,
    },
    /// It follows another history of a log: positions say nothing.
    OtherEpoch,
}

/// Whether a copy that has applied everything through `applied` has reached `wanted`.
pub fn reach(applied: &PositionToken, wanted: &PositionToken) -> Reached {
    let mut by = 0u64;
    for (log, epoch, position) in wanted.components() {
        match applied.component(log) {
            Some((known, _)) if known != epoch => return Reached::OtherEpoch,
            Some((_, at)) => by = by.saturating_add(position.0.saturating_sub(at.0)),
            None => by = by.saturating_add(position.0),
        }
    }
    if by == 0 { Reached::Yes } else { Reached::Behind { by } }
}

/// A row of a copy as it was seen, for a repair that must not touch another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its version, where the copy keeps versions.
    pub version: Option<RowVersion>,
    /// The hash of its content, [`crate::Content::hash`] over [`RepairRow::fields`]; `None` where it was deleted.
    pub content: Option<u64>,
}

impl Seen {
    /// A row as it is seen now.
    pub fn of(row: &Row, fields: &[String]) -> Self {
        Self { version: row.version, content: row.content.as_ref().map(|content| content.hash(fields)) }
    }
}

/// Writes the owner's row into a copy, if the copy still is what was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepairRow {
    /// Which row.
    pub key: String,
    /// What the copy had; `None` where it had no row.
    pub seen: Option<Seen>,
    /// The fields that `seen` is hashed over.
    pub fields: Vec<String>,
    /// What the owner has, with its content; a tombstone or `None` removes the copy's row. A copy that can ask its owner
    /// for more than the fields that are compared does so.
    pub row: Option<Row>,
}

/// What became of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Repaired {
    /// The copy has the owner's row now, or one that is newer.
    Done,
    /// The copy is not what was seen any more: look again.
    Changed,
    /// This set cannot be repaired, or not so.
    Refused {
        /// Why.
        why: String,
    },
}

/// What is done to a row of a copy to see whether it is found; only in tests and demonstrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// Another content under the same version.
    Change,
    /// The row is taken away.
    Delete,
    /// A row that the owner does not have.
    Add,
    /// The row under an older version.
    Older,
    /// The row under a version that the owner has not reached.
    Newer,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Planted {
    /// Done.
    Done,
    /// There is no such row to damage, or (for [`Damage::Add`]) there is one.
    NoSuchRow,
    /// This set takes no damage of this kind.
    Refused {
        /// Why.
        why: String,
    },
}

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
        let (chunks, ended) = digest_pages(self, &ask).await?;
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

/// Digests made of pages; a page of rows is in memory at a time.
async fn digest_pages<S: RowSet + ?Sized>(set: &S, ask: &DigestAsk) -> Result<(Vec<ChunkDigest>, bool), Fault> {
    let fields = matches!(ask.detail, Detail::Content).then_some(ask.fields.as_slice());
    let hashing = Hashing { seed: ask.seed, versions: ask.versions, fields };
    let mut chunks = Chunks::new(ask);
    let mut after = ask.range.after.clone();
    loop {
        let range = KeyRange { after: after.take(), through: ask.range.through.clone() };
        let page = set.page(PageRead { range, limit: MAX_PAGE, detail: ask.detail }).await?;
        let ended = page.len() < MAX_PAGE;
        for row in &page {
            if !chunks.take(row, &hashing) {
                return Ok((chunks.done, false));
            }
        }
        if ended {
            return Ok((chunks.end(), true));
        }
        after = page.into_iter().next_back().map(|row| row.key);
    }
}

struct Chunks<'a> {
    ask: &'a DigestAsk,
    done: Vec<ChunkDigest>,
    open: Digest,
    rows: u64,
}

impl<'a> Chunks<'a> {
    fn new(ask: &'a DigestAsk) -> Self {
        Self { ask, done: Vec::new(), open: Digest::default(), rows: 0 }
    }

    /// Takes a row in; false where no more chunks were asked for: the row is not in.
    fn take(&mut self, row: &Row, hashing: &Hashing<'_>) -> bool {
        match &self.ask.cut {
            Cut::Every { chunks, .. } => {
                if self.done.len() >= (*chunks).clamp(1, MAX_CHUNKS) {
                    return false;
                }
            }
            Cut::After(bounds) => {
                while let Some(bound) = bounds.get(self.done.len())
                    && row.key > *bound
                {
                    self.close(Some(bound.clone()));
                }
            }
        }
        if !row.deleted {
            self.open.add(hashing.of(row));
        }
        self.rows += 1;
        if let Cut::Every { rows, chunks } = self.ask.cut
            && self.rows >= rows.clamp(1, MAX_DIGESTED / chunks.clamp(1, MAX_CHUNKS) as u64)
        {
            self.close(Some(row.key.clone()));
        }
        true
    }

    fn close(&mut self, through: Option<String>) {
        self.rows = 0;
        self.done.push(ChunkDigest { through, digest: std::mem::take(&mut self.open) });
    }

    /// The range has no more rows.
    fn end(mut self) -> Vec<ChunkDigest> {
        if let Cut::After(bounds) = &self.ask.cut {
            for bound in bounds.iter().skip(self.done.len()) {
                self.close(Some(bound.clone()));
            }
        }
        let through = self.ask.range.through.clone();
        if self.rows == 0
            && let (Some(last), Cut::Every { .. }) = (self.done.last_mut(), &self.ask.cut)
        {
            // Behind the last row is nothing: its chunk reaches to the range's end.
            last.through = through;
        } else {
            self.close(through);
        }
        self.done
    }
}

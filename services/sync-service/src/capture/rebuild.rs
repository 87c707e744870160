//! Telling one copy everything once more, while it is followed and served.
//!
//! A chunk of the copy is read, *then* the same keys of the owner; what the owner has takes the place of what was read, row
//! by row, and only where the copy still is what was read. So the owner's row is never older than the one that it replaces,
//! whatever the stream brings meanwhile: a change that comes in between wins, because the row is not what was read any more,
//! and that row is looked at again. No watermark around a chunk is needed, and nobody waits. Whoever is stopped goes on at
//! any earlier key.

use std::collections::{BTreeMap, BTreeSet};

use madrigal_cdc::{Change, Key, Value};
use madrigal_contracts::copies::{ApplyRows, CopyRow, PageCopyRows, ReplaceRow, ReplaceRows, Replaced, RowOutcome};
use madrigal_core::{CallContext, Fault, RowVersion};
use madrigal_http::calls::{Call, Neighbour};
use serde::{Deserialize, Serialize};

use super::snapshot::chunk_fault;
use super::{Capture, Shared};
use crate::processors::{Meaning, Processor};

/// Rows of a chunk: each crosses twice, as it was read and as it should be, and both fit into a call with 4 KiB each.
const CHUNK: usize = ApplyRows::MAX_ROWS / 4;
/// How often a row is looked at that is changed meanwhile. One that is changed each time is told by the stream.
const ATTEMPTS: usize = 5;
/// The copy of which the owner's state is this service's own.
const ACTIVITY: &str = "users.activity";

/// What became of the rows of a rebuild, or of a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retold {
    /// Rows that the owner has.
    pub rows: u64,
    /// Rows that were put.
    pub written: u64,
    /// Rows that the owner does not have, taken away.
    pub removed: u64,
    /// Rows that changed each time they were looked at, or that cannot be told: the stream and the monitor have them.
    pub left: u64,
}

impl Retold {
    /// Both together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            written: self.written + other.written,
            removed: self.removed + other.removed,
            left: self.left + other.left,
        }
    }
}

/// A key, what was read of it, and what should be there.
struct Wanted {
    key: i64,
    seen: Option<CopyRow>,
    with: Option<CopyRow>,
}

impl Capture {
    /// Tells a copy the rows behind the key `after` once more, as many as one step takes; what became of them, and where the
    /// next step goes on (`None` at the end).
    ///
    /// # Errors
    /// A [`Fault`] where the owner or the copy does not answer; a permanent one for a copy that this capture does not tell.
    ///
    /// # Cancellation
    /// Some rows may be told; safe to repeat.
    pub async fn retell(&self, copy: &str, after: i64) -> Result<(Retold, Option<i64>), Fault> {
        let shared = &self.shared;
        let unknown = || Fault::permanent("sync-service", "retell", format!("{copy} is not told by this connector"));
        let (copy, keeper) = shared.parts.copies.find(copy).ok_or_else(unknown)?;
        if copy == ACTIVITY && shared.copies().contains(&copy) {
            return shared.retell_activity(after).await;
        }
        let (table, processor) = shared.users_for(copy).ok_or_else(unknown)?;
        shared.retell_rows(copy, keeper, table, processor, after).await
    }
}

impl Shared {
    async fn retell_rows(
        &self,
        copy: &'static str,
        keeper: &Neighbour,
        table: &str,
        processor: &dyn Processor,
        after: i64,
    ) -> Result<(Retold, Option<i64>), Fault> {
        // The copy first, then its owner.
        let seen = self.ask(keeper, PageCopyRows { copy: copy.to_owned(), after, limit: CHUNK }).await?;
        let behind = (after > 0).then(|| Key::of("id", after)).flatten();
        let owned = self.parts.source.chunk(table, behind.as_ref(), CHUNK).await.map_err(chunk_fault)?;
        let last_seen = seen.last().filter(|_| seen.len() >= CHUNK).and_then(|row| row.key.parse::<i64>().ok());
        let last_owned = match &owned.next {
            Some(next) => Some(number(next).ok_or_else(no_number)?),
            None => None,
        };
        // As far as both were read.
        let through = [last_seen, last_owned].into_iter().flatten().min();
        let within = |key: i64| through.is_none_or(|through| key <= through);
        let mut seen: BTreeMap<i64, CopyRow> = seen
            .into_iter()
            .filter_map(|row| Some((row.key.parse::<i64>().ok()?, row)))
            .filter(|(key, _)| within(*key))
            .collect();
        let (mut retold, mut wanted) = (Retold::default(), Vec::new());
        let mut highest = 0;
        for change in &owned.rows {
            let key = change.key().and_then(number).ok_or_else(no_number)?;
            highest = highest.max(key);
            if !within(key) {
                continue;
            }
            retold.rows += 1;
            let seen = seen.remove(&key);
            match self.row_of(processor, copy, change).await? {
                Some(row) => wanted.push(Wanted { key, seen, with: Some(row) }),
                None => retold.left += 1,
            }
        }
        for (key, row) in seen.into_iter().filter(|(_, row)| row.row.is_some()) {
            // Behind the owner's last row nothing is known of a number: it may be given out yet.
            let given_out = key < highest || owned.next.is_some();
            wanted.push(Wanted { key, seen: Some(row), with: given_out.then(|| gone(key)) });
        }
        let retold = retold.and(self.put(copy, keeper, table, processor, wanted).await?);
        Ok((retold, through))
    }

    /// Puts rows; those that are not what was read any more are read again, copy and owner in turn.
    async fn put(
        &self,
        copy: &'static str,
        keeper: &Neighbour,
        table: &str,
        processor: &dyn Processor,
        mut wanted: Vec<Wanted>,
    ) -> Result<Retold, Fault> {
        let mut retold = Retold::default();
        for _ in 0..ATTEMPTS {
            let mut changed = BTreeSet::new();
            for part in wanted.chunks(CHUNK) {
                let rows = part.iter().map(|row| ReplaceRow {
                    key: row.key.to_string(),
                    seen: row.seen.clone(),
                    with: row.with.clone(),
                });
                let call = ReplaceRows { copy: copy.to_owned(), rows: rows.collect() };
                let outcomes = self.ask(keeper, call).await?;
                for (row, outcome) in part.iter().zip(outcomes) {
                    match outcome {
                        Replaced::Done if row.with.as_ref().is_some_and(|with| with.row.is_some()) => {
                            retold.written += 1;
                        }
                        Replaced::Done => retold.removed += 1,
                        Replaced::Changed => drop(changed.insert(row.key)),
                        Replaced::Refused { cause } => {
                            tracing::warn!(copy, key = row.key, cause, "a row is not told again");
                            retold.left += 1;
                        }
                    }
                }
            }
            wanted = Vec::with_capacity(changed.len());
            for key in changed {
                let seen = self.parts.copies.row(copy, &key.to_string()).await?;
                let owner = self.read_key(table, &Key::of("id", key).ok_or_else(no_number)?).await?;
                let with = match owner.after.is_some() {
                    true => self.row_of(processor, copy, &owner).await?,
                    // The stream brings the delete, with its version.
                    false => None,
                };
                match with {
                    Some(with) => wanted.push(Wanted { key, seen, with: Some(with) }),
                    None => retold.left += 1,
                }
            }
            if wanted.is_empty() {
                return Ok(retold);
            }
        }
        retold.left += wanted.len() as u64;
        Ok(retold)
    }

    /// The row of a change as the copy gets it; `None` where it is not understood.
    async fn row_of(
        &self,
        processor: &dyn Processor,
        copy: &'static str,
        change: &Change,
    ) -> Result<Option<CopyRow>, Fault> {
        match self.meaning(processor, change).await? {
            Ok(Meaning::Row(meant)) => Ok(self.row_for(processor.topic(), copy, &meant).ok()),
            Ok(Meaning::Event(_) | Meaning::Nothing) | Err(_) => Ok(None),
        }
    }

    /// How much users did, by this service's own count: told as ever, so that a copy that has more keeps it.
    async fn retell_activity(&self, after: i64) -> Result<(Retold, Option<i64>), Fault> {
        let page = self.parts.activity.page(after, CHUNK).await?;
        let next = page.last().filter(|_| page.len() >= CHUNK).and_then(|row| row.key.parse().ok());
        let (rows, call) = (
            page.len() as u64,
            ApplyRows {
                copy: ACTIVITY.to_owned(),
                rows: page
                    .into_iter()
                    .map(|row| CopyRow {
                        key: row.key,
                        version: row.version,
                        row: row.row.map(serde_json::Value::Object),
                    })
                    .collect(),
                through: None,
            },
        );
        let keeper = self.parts.copies.find(ACTIVITY).map(|(_, keeper)| keeper);
        let keeper = keeper.ok_or_else(|| Fault::permanent("sync-service", "retell", "activity has no keeper"))?;
        let applied = self.ask(keeper, call).await?;
        let written = applied.outcomes.iter().filter(|outcome| **outcome == RowOutcome::Applied).count() as u64;
        Ok((Retold { rows, written, ..Retold::default() }, next))
    }

    async fn ask<C: Call>(&self, keeper: &Neighbour, call: C) -> Result<C::Answer, Fault> {
        keeper.call(&CallContext::new(&self.parts.host), call).await
    }
}

/// What stays of a row that was deleted: newer than everything of its key.
fn gone(key: i64) -> CopyRow {
    CopyRow { key: key.to_string(), version: RowVersion::LAST_OF_FIRST_EPOCH, row: None }
}

fn number(key: &Key) -> Option<i64> {
    key.only().and_then(Value::as_i64)
}

fn no_number() -> Fault {
    Fault::permanent("sync-service", "retell", "the keys of this table are no numbers")
}

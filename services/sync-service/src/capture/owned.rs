//! The owner's rows as a copy gets them: read where the capture reads, by its processor, through its transformers.
//!
//! The monitor compares a copy with these where transformers stand before it, so that what it writes in a repair is what
//! the copy would have been told.

use madrigal_cdc::{Change, Key};
use madrigal_contracts::copies::CopyRow;
use madrigal_core::{Fault, RowVersion};

use super::snapshot::chunk_fault;
use super::{Capture, Shared};
use crate::processors::{Meaning, Processor};

/// A row of the owner, as a copy gets it.
#[derive(Debug)]
pub(crate) struct OwnedRow {
    /// Its number.
    pub(crate) key: u64,
    /// The owner's version.
    pub(crate) version: RowVersion,
    /// What the copy is told, without a row where that is filtered out; or why it cannot be told, without values.
    pub(crate) told: Result<CopyRow, String>,
}

impl Capture {
    /// Whether it tells this copy rows of users.
    pub(crate) fn tells_users(&self, copy: &str) -> bool {
        self.shared.users_for(copy).is_some()
    }

    /// At most `limit` rows (1 to 10,000) behind the number `after`; fewer only where there are no more.
    ///
    /// # Errors
    /// A [`Fault`] where the owner does not answer; a permanent one for a copy that this capture does not tell, and where a
    /// row of the table is no user's.
    pub(crate) async fn owned_page(&self, copy: &str, after: i64, limit: usize) -> Result<Vec<OwnedRow>, Fault> {
        let (table, processor) = self.shared.users_for(copy).ok_or_else(|| not_told(copy))?;
        let mut rows = Vec::new();
        let mut behind = (after > 0).then(|| Key::of("id", after)).flatten();
        while rows.len() < limit {
            let chunk = self.shared.parts.source.chunk(table, behind.as_ref(), limit - rows.len()).await;
            let chunk = chunk.map_err(chunk_fault)?;
            for change in &chunk.rows {
                rows.push(self.shared.owned(processor, copy, change).await?);
            }
            match chunk.next {
                Some(next) => behind = Some(next),
                None => break,
            }
        }
        Ok(rows)
    }

    /// The rows of these numbers that there are.
    ///
    /// # Errors
    /// As [`Capture::owned_page`].
    pub(crate) async fn owned_rows(&self, copy: &str, keys: &[i64]) -> Result<Vec<OwnedRow>, Fault> {
        let (table, processor) = self.shared.users_for(copy).ok_or_else(|| not_told(copy))?;
        let keys: Vec<Key> = keys.iter().filter_map(|key| Key::of("id", *key)).collect();
        let chunk = self.shared.parts.source.rows(table, &keys).await.map_err(chunk_fault)?;
        let mut rows = Vec::with_capacity(chunk.rows.len());
        for change in &chunk.rows {
            rows.push(self.shared.owned(processor, copy, change).await?);
        }
        Ok(rows)
    }
}

impl Shared {
    /// The table of users that this copy is told of, and what its rows mean.
    pub(super) fn users_for(&self, copy: &str) -> Option<(&str, &dyn Processor)> {
        let of_copy = |processor: &dyn Processor| processor.topic() == "users" && processor.copies().contains(&copy);
        let found = self.processors.iter().find(|(_, processor)| of_copy(processor.as_ref()));
        found.map(|(table, processor)| (table.as_str(), processor.as_ref()))
    }

    async fn owned(&self, processor: &dyn Processor, copy: &str, change: &Change) -> Result<OwnedRow, Fault> {
        let odd = |why: String| Fault::permanent("sync-service", "read-rows", why);
        let meant = match self.meaning(processor, change).await? {
            Ok(Meaning::Row(meant)) => meant,
            Ok(Meaning::Event(_) | Meaning::Nothing) => return Err(odd("a row of users means no row".to_owned())),
            Err(cause) => return Err(odd(cause)),
        };
        let key = meant.key.parse().map_err(|_| odd("the keys of this table are no numbers".to_owned()))?;
        Ok(OwnedRow { key, version: meant.version, told: self.row_for(processor.topic(), copy, &meant) })
    }
}

pub(super) fn not_told(copy: &str) -> Fault {
    Fault::permanent("sync-service", "read-rows", format!("{copy} is not told by this connector"))
}

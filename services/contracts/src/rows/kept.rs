//! Copies of users as row sets: whatever keeps them answers [`CopyKeeper`] already.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Content, Detail, RepairRow, Repaired, Row, RowSet, Seen, SetDescription, number_key, row::key_number,
};
use madrigal_core::{Fault, PositionToken};
use serde_json::Value;

use crate::copies::{ApplyRows, CopyKeeper, CopyRow, RowOutcome};

/// The fields of a user's content that every copy with whole rows has.
pub const USER_FIELDS: &[&str] = &["email", "username", "profile", "createdAt", "updatedAt"];

/// A user's row as content, from its JSON: the owner's and a copy's alike.
pub fn user_content(row: &Value) -> Content {
    let content = [("email", "email"), ("username", "username"), ("profile", "profile")]
        .into_iter()
        .fold(Content::new(), |content, (field, name)| content.with(field, row[name].clone()));
    ["createdAt", "updatedAt"].into_iter().fold(content, |content, field| match row[field].as_str() {
        Some(text) => content.with_time_text(field, text),
        None => content.with(field, row[field].clone()),
    })
}

/// A copy of users as a row set.
///
/// A copy refuses what is not newer, also from the monitor: missing and stale rows are repaired by the way of every other
/// row, different and extra ones by taking the row's snapshot again (`madrigal sync`).
pub struct KeptRows {
    keeper: Arc<dyn CopyKeeper>,
    fields: &'static [&'static str],
}

impl KeptRows {
    /// The copy of this keeper, compared by these fields.
    pub fn new(keeper: Arc<dyn CopyKeeper>, fields: &'static [&'static str]) -> Self {
        Self { keeper, fields }
    }

    async fn row(&self, key: String, detail: Detail) -> Result<Option<Row>, Fault> {
        let Some(id) = key_number(&key) else { return Ok(None) };
        let found = self.keeper.read(&id.to_string()).await?;
        Ok(found.map(|found| match found.row {
            None => Row::tombstone(key, Some(found.version)),
            Some(row) if detail == Detail::Content => {
                Row::new(key, Some(found.version)).with_content(user_content(&row))
            }
            Some(_) => Row::new(key, Some(found.version)),
        }))
    }
}

#[async_trait]
impl RowSet for KeptRows {
    fn description(&self) -> SetDescription {
        SetDescription::copy(self.keeper.copy(), self.fields)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        let mut position = PositionToken::default();
        for through in self.keeper.applied_through().await? {
            position.raise(through.log, through.epoch, through.position);
        }
        Ok(position)
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let after = read.range.after.as_deref().and_then(key_number).map(|id| id.to_string());
        let keys = self.keeper.keys(after.as_deref(), read.limit).await?;
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys.iter().filter_map(|key| key.parse().ok()).map(number_key) {
            if !read.range.contains(&key) {
                break;
            }
            // One that was deleted since it was listed is told as deleted.
            rows.extend(self.row(key, read.detail).await?);
        }
        Ok(rows)
    }

    async fn by_key(&self, mut keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.extend(self.row(key, detail).await?);
        }
        Ok(rows)
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        let refused = |why: &str| Ok(Repaired::Refused { why: why.to_owned() });
        let now = self.row(repair.key.clone(), Detail::Content).await?;
        if now.map(|row| Seen::of(&row, &repair.fields)) != repair.seen {
            return Ok(Repaired::Changed);
        }
        let (Some(id), Some(row)) = (key_number(&repair.key), repair.row) else {
            return refused("a row that its owner does not have is taken away by a person");
        };
        let (Some(version), Some(content)) = (row.version, row.content) else {
            return refused("the owner's row has no version or no content");
        };
        let mut fields: serde_json::Map<String, Value> =
            content.fields().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        fields.insert("id".to_owned(), Value::from(id));
        fields.insert("version".to_owned(), Value::from(version.count()));
        let rows = vec![CopyRow { key: id.to_string(), version, row: Some(Value::Object(fields)) }];
        let applied = self.keeper.apply(ApplyRows { copy: self.keeper.copy().to_owned(), rows, through: None }).await?;
        match applied.outcomes.into_iter().next() {
            Some(RowOutcome::Applied) => Ok(Repaired::Done),
            Some(RowOutcome::Refused { cause }) => Ok(Repaired::Refused { why: cause }),
            _ => refused("the copy has this version, or a newer one, and keeps what it has"),
        }
    }
}

impl std::fmt::Debug for KeptRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptRows").field("copy", &self.keeper.copy()).finish_non_exhaustive()
    }
}

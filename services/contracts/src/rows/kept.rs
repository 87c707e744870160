//! Copies of users as row sets: whatever keeps them answers [`CopyKeeper`] already.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Content, Damage, Detail, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription, number_key,
    row::key_number,
};
use madrigal_core::{Fault, PositionToken, RowVersion};
use serde_json::{Value, json};

use crate::copies::{CopyKeeper, CopyRow, ReplaceRow, Replaced};

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
/// A repair replaces exactly the row that was seen, whatever its version; a row that the owner knows to be deleted leaves
/// the owner's tombstone, one that the owner never had leaves nothing.
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
        Ok(found.map(|found| shown(key, found, detail)))
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
        let Some(id) = key_number(&repair.key) else { return refused("the key is no user's") };
        let now = self.keeper.read(&id.to_string()).await?;
        let seen =
            now.clone().map(|found| Seen::of(&shown(repair.key.clone(), found, Detail::Content), &repair.fields));
        if seen != repair.seen {
            return Ok(Repaired::Changed);
        }
        let with = match repair.row {
            None => None,
            Some(row) => match wanted(id, row) {
                Ok(row) => Some(row),
                Err(why) => return refused(why),
            },
        };
        // Whoever comes between finds that the row is not what was read above.
        let rows = vec![ReplaceRow { key: id.to_string(), seen: now, with }];
        Ok(match self.keeper.replace(rows).await?.into_iter().next() {
            Some(Replaced::Done) => Repaired::Done,
            Some(Replaced::Refused { cause }) => Repaired::Refused { why: cause },
            Some(Replaced::Changed) | None => Repaired::Changed,
        })
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        let Some(id) = key_number(key) else { return Ok(Planted::NoSuchRow) };
        let now = self.keeper.read(&id.to_string()).await?;
        let live = now.clone().filter(|now| now.row.is_some());
        let with = match (damage, live) {
            (Damage::Add, Some(_)) | (Damage::Change | Damage::Delete | Damage::Older | Damage::Newer, None) => {
                return Ok(Planted::NoSuchRow);
            }
            (Damage::Add, None) => Some(planted(id)),
            (Damage::Delete, Some(_)) => None,
            (Damage::Change, Some(there)) => Some(changed(there)),
            (Damage::Older, Some(there)) => match counted(there.version, -1) {
                Some(version) => Some(CopyRow { version, ..there }),
                None => return Ok(Planted::Refused { why: "the row has no older version".to_owned() }),
            },
            (Damage::Newer, Some(there)) => match counted(there.version, 1_000) {
                Some(version) => Some(CopyRow { version, ..there }),
                None => return Ok(Planted::Refused { why: "the row has the newest version".to_owned() }),
            },
        };
        let rows = vec![ReplaceRow { key: id.to_string(), seen: now, with }];
        Ok(match self.keeper.replace(rows).await?.into_iter().next() {
            Some(Replaced::Done) => Planted::Done,
            Some(Replaced::Refused { cause }) => Planted::Refused { why: cause },
            Some(Replaced::Changed) | None => Planted::Refused { why: "the row moves".to_owned() },
        })
    }
}

/// A row of the copy as it is compared.
fn shown(key: String, found: CopyRow, detail: Detail) -> Row {
    match found.row {
        None => Row::tombstone(key, Some(found.version)),
        Some(row) if detail == Detail::Content => Row::new(key, Some(found.version)).with_content(user_content(&row)),
        Some(_) => Row::new(key, Some(found.version)),
    }
}

/// What the owner has, as a row of the copy.
fn wanted(id: u64, row: Row) -> Result<CopyRow, &'static str> {
    let version = row.version.ok_or("the owner's row has no version")?;
    let fields = match row.content {
        _ if row.deleted => None,
        None => return Err("the owner's row has no content"),
        Some(content) => {
            let mut fields: serde_json::Map<String, Value> =
                content.fields().map(|(name, value)| (name.to_owned(), value.clone())).collect();
            fields.insert("id".to_owned(), Value::from(id));
            fields.insert("version".to_owned(), Value::from(version.count()));
            Some(Value::Object(fields))
        }
    };
    Ok(CopyRow { key: id.to_string(), version, row: fields })
}

/// A user that nobody is.
fn planted(id: u64) -> CopyRow {
    let row = json!({ "id": id, "email": "planted@example.org", "username": "planted", "profile": {}, "version": 1 });
    CopyRow { key: id.to_string(), version: RowVersion::new(1, 1).unwrap_or_default(), row: Some(row) }
}

/// The same row with another name.
fn changed(mut there: CopyRow) -> CopyRow {
    if let Some(Value::Object(fields)) = &mut there.row {
        let name = fields.get("username").and_then(Value::as_str).unwrap_or_default();
        fields.insert("username".to_owned(), Value::from(format!("{name}-changed")));
    }
    there
}

fn counted(version: RowVersion, by: i64) -> Option<RowVersion> {
    let count = version.count().checked_add_signed(by).filter(|count| *count > 0)?;
    RowVersion::new(version.epoch(), count).ok()
}

impl std::fmt::Debug for KeptRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptRows").field("copy", &self.keeper.copy()).finish_non_exhaustive()
    }
}

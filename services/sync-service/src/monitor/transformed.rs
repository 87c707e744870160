//! Owners behind transformers: the rows as a copy gets them, dropped ones as deleted.
//!
//! A copy that transformers stand before is compared with these and not with the owner's rows as they are: else what is
//! masked or left out on purpose would look damaged, and its repair would undo it. What is repaired is what the capture
//! would have told, since it is read and made by the capture itself. A row that the transformers cannot take (the capture
//! parks it) is shown without a content: it is found, and no copy takes it in a repair.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_consistency::row::key_number;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Changed, Content, Detail, DigestAsk, Digests, DynRowSet, Row, RowSet, SetDescription, number_key,
};
use madrigal_contracts::rows::kept::{USER_FIELDS, user_content};
use madrigal_core::{Fault, PositionToken, RowVersion};
use serde_json::Value;

use super::pairs::DeclaredPair;
use crate::capture::{Capture, OwnedRow};
use crate::transformers::Transformers;

/// The owner whose rows connectors tell.
const OWNER: &str = "users.table";
/// The topic of its rows.
const TOPIC: &str = "users";
/// What a row has beside its content.
const NO_CONTENT: &[&str] = &["id", "version"];

/// What stands between owners and the copies that connectors tell.
#[derive(Clone)]
pub(crate) struct Telling {
    /// Who tells copies.
    pub(crate) captures: Vec<Capture>,
    /// What rows pass on their way.
    pub(crate) transformers: Arc<Transformers>,
}

impl Telling {
    /// The owner's rows as the copy of this pair must have them.
    ///
    /// # Errors
    /// Why they cannot be known, though they are not the owner's rows as they are.
    pub(super) fn owner_of(&self, declared: DeclaredPair, owner: &DynRowSet) -> Result<DynRowSet, String> {
        if declared.owner != OWNER || self.transformers.leaves(TOPIC, declared.copy) {
            return Ok(Arc::clone(owner));
        }
        let capture = self.captures.iter().find(|capture| capture.tells_users(declared.copy));
        let capture = capture.ok_or("rows pass transformers that no connector applies: they are not compared")?;
        let told = AsTold { owner: Arc::clone(owner), capture: capture.clone(), copy: declared.copy };
        Ok(Arc::new(Transformed {
            owner: Arc::clone(owner),
            told,
            drops: self.transformers.drop_rows(TOPIC, declared.copy),
        }))
    }
}

/// An owner behind transformers.
struct Transformed {
    owner: DynRowSet,
    told: AsTold,
    /// Whether some rows may be left out.
    drops: bool,
}

impl Transformed {
    /// Versions stay as they are: where no row is left out the owner says them itself, without a content on its way.
    fn by(&self, detail: Detail) -> &dyn RowSet {
        if detail == Detail::Versions && !self.drops { self.owner.as_ref() } else { &self.told }
    }
}

#[async_trait]
impl RowSet for Transformed {
    fn description(&self) -> SetDescription {
        self.owner.description()
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.owner.position().await
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        self.by(read.detail).page(read).await
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        self.by(detail).by_key(keys, detail).await
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        self.owner.changed(after, limit).await
    }

    /// Only that it was deleted: what it was is told as the owner had it.
    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        let told = self.owner.history(key, first, last).await?;
        Ok(told.filter(|rows| rows.iter().all(|row| row.deleted)))
    }

    async fn digests(&self, ask: DigestAsk) -> Result<Digests, Fault> {
        self.by(ask.detail).digests(ask).await
    }
}

/// The rows as the capture tells them; digests are made of pages.
struct AsTold {
    owner: DynRowSet,
    capture: Capture,
    copy: &'static str,
}

#[async_trait]
impl RowSet for AsTold {
    fn description(&self) -> SetDescription {
        self.owner.description()
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.owner.position().await
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let after = read.range.after.as_deref().and_then(id_of).unwrap_or(0);
        let found = self.capture.owned_page(self.copy, after, read.limit).await?;
        let rows = found.into_iter().map(|row| shown(row, read.detail));
        Ok(rows.take_while(|row| read.range.contains(&row.key)).collect())
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        let keys: Vec<i64> = keys.iter().filter_map(|key| id_of(key)).collect();
        let found = self.capture.owned_rows(self.copy, &keys).await?;
        let mut rows: Vec<Row> = found.into_iter().map(|row| shown(row, detail)).collect();
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(rows)
    }
}

fn id_of(key: &str) -> Option<i64> {
    key_number(key).and_then(|id| i64::try_from(id).ok())
}

/// A row as it is compared. One that is left out is a tombstone of its version, as the copy has it.
fn shown(row: OwnedRow, detail: Detail) -> Row {
    let (key, version) = (number_key(row.key), Some(row.version));
    match row.told {
        Ok(told) => match told.row {
            None => Row::tombstone(key, version),
            Some(fields) if detail == Detail::Content => Row::new(key, version).with_content(content(&fields)),
            Some(_) => Row::new(key, version),
        },
        Err(_) => Row::new(key, version),
    }
}

/// The compared fields in the form in which copies show theirs, and all others as they are told: a repair writes them too.
fn content(fields: &Value) -> Content {
    let others = fields.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| ![USER_FIELDS, NO_CONTENT].concat().contains(&name.as_str()));
    others.fold(user_content(fields), |content, (name, value)| content.with(name, value.clone()))
}

#[cfg(test)]
mod tests {
    use madrigal_consistency::memory::MemoryOwner;
    use madrigal_core::{Host, LogEpoch, LogName};
    use serde_json::json;

    use super::super::pairs::PAIRS;
    use super::*;

    #[test]
    fn rows_that_pass_transformers_which_nobody_applies_are_not_compared() {
        let (log, epoch) = (LogName::parse("users").unwrap(), LogEpoch::new(&Host::seeded(1)));
        let owner: DynRowSet = Arc::new(MemoryOwner::new(log, epoch, USER_FIELDS, true).named(OWNER));
        let mask = json!({"kind": "mask", "topic": "users", "field": "email", "copy": "users.index"});
        let transformers = Arc::new(Transformers::declared(&[mask]).unwrap());
        let telling = Telling { captures: Vec::new(), transformers };
        for declared in PAIRS {
            let compared = telling.owner_of(*declared, &owner);
            assert_eq!(compared.is_err(), declared.name == "users.index", "{}", declared.name);
        }
    }

    #[test]
    fn a_content_has_every_field_that_the_copy_is_told() {
        let told = json!({"id": 7, "version": 3, "email": "***", "createdAt": "2026-01-01T00:00:00.000000Z",
            "registeredAt": "2026-01-01T00:00:00.000000Z", "profile": null, "profile_x": null, "shop": "here"});
        let expected = Content::new()
            .with("email", "***")
            .with("createdAt", "2026-01-01T00:00:00Z")
            .with("registeredAt", "2026-01-01T00:00:00.000000Z")
            .with("shop", "here");
        assert_eq!(content(&told).get("registeredAt"), expected.get("registeredAt"));
        assert_eq!(
            content(&told).fields().map(|(name, _)| name).collect::<Vec<_>>(),
            ["createdAt", "email", "registeredAt", "shop"]
        );
    }
}

//! `users.table`: the table itself, as the monitor compares its copies with it. Never the hash of a password.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_bus::{Checkpoint, PollFrom};
use madrigal_cdc::{ChangeSource, Key};
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Changed, Detail, Row, RowSet, SetDescription, number_key, row::key_number};
use madrigal_contracts::rows::kept::{USER_FIELDS, user_content};
use madrigal_core::{Fault, PersonId, Position, PositionToken, RowVersion};

use crate::models::User;
use crate::repositories::users;
use crate::state::ServiceState;

/// The users.
#[derive(Clone)]
pub(crate) struct UserTable {
    state: Arc<ServiceState>,
}

impl UserTable {
    pub(crate) const fn new(state: Arc<ServiceState>) -> Self {
        Self { state }
    }
}

fn row(user: &User, detail: Detail) -> Row {
    let key = number_key(u64::try_from(user.id.0).unwrap_or_default());
    let row = Row::new(key, RowVersion::of_stream(user.version));
    match detail {
        Detail::Versions => row,
        Detail::Content => row.with_content(user_content(&serde_json::json!(user))),
    }
}

/// The key of a row by the key of its change.
fn key_of(key: &Key) -> Option<String> {
    let id = key.only().and_then(madrigal_cdc::Value::as_i64)?;
    u64::try_from(id).ok().map(number_key)
}

fn id_of(key: &str) -> Option<PersonId> {
    key_number(key).and_then(|id| i64::try_from(id).ok()).map(PersonId)
}

#[async_trait]
impl RowSet for UserTable {
    fn description(&self) -> SetDescription {
        SetDescription::owner("users.table", USER_FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.state.position().await
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        let changes = &self.state.changes;
        let end = self.position().await?;
        let at = |token: &PositionToken| token.component(changes.log());
        let (Some((epoch, last)), Some((known, from))) = (at(&end), after.as_ref().and_then(at)) else {
            return Ok(Some(Changed { keys: Vec::new(), through: end }));
        };
        let from = from.max(Position(last.0.saturating_sub(limit as u64)));
        if known != epoch || from >= last {
            return Ok(Some(Changed { keys: Vec::new(), through: end }));
        }
        let checkpoint = Checkpoint { epoch, position: from };
        let read = changes.read(PollFrom::After(checkpoint), limit, Duration::ZERO).await;
        let read = read.map_err(|error| Fault::not_applied("user-service", "read changed users", error))?;
        let of_users = read.changes.iter().map(|placed| &placed.change).filter(|change| change.source.table == "users");
        let keys: BTreeSet<String> = of_users.filter_map(|change| key_of(change.key()?)).collect();
        Ok(Some(Changed { keys: keys.into_iter().collect(), through: end }))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let after = read.range.after.as_deref().and_then(id_of).unwrap_or(PersonId(0));
        let limit = read.limit;
        let found = self.state.users.read("page-users", move |connection| users::list(connection, None, after, limit));
        let rows = found.await?.into_iter().map(|user| row(&user, read.detail));
        Ok(rows.take_while(|row| read.range.contains(&row.key)).collect())
    }

    async fn by_key(&self, mut keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        let found = self.state.users.read("read-users", move |connection| {
            keys.iter().filter_map(|key| id_of(key)).filter_map(|id| users::find(connection, id).transpose()).collect()
        });
        let found: Vec<User> = found.await?;
        Ok(found.iter().map(|user| row(user, detail)).collect())
    }

    /// What users were is not kept. A number that was given out and is nobody's was deleted, and never returns: its last
    /// version is a tombstone that is newer than everything of it.
    async fn history(&self, key: &str, _: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        let gone = Row::tombstone(key, Some(RowVersion::LAST_OF_FIRST_EPOCH));
        let Some(id) = id_of(key).filter(|_| gone.version == Some(last)) else { return Ok(None) };
        let read = self.state.users.read("read-deleted-user", move |connection| {
            let highest = users::highest_id(connection)?;
            Ok((1..=highest).contains(&id.0) && users::find(connection, id)?.is_none())
        });
        Ok(read.await?.then(|| vec![gone]))
    }
}

//! `users.analytics`: the users, keyed by their ids with twenty digits.

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Content, Damage, Detail, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription, number_key,
};
use madrigal_contracts::copies::CopyKeeper;
use madrigal_core::{Fault, PositionToken, RowVersion, Timestamp};
use madrigal_sqlite::Database;
use madrigal_sqlite::sql::params;

use crate::users::{self, COPY, UserRow, Users};

/// The users, as a copy of their owner's table.
#[derive(Debug, Clone)]
pub struct UserRows {
    database: Database,
    users: Users,
}

impl UserRows {
    /// The users of this file.
    pub fn new(database: Database) -> Self {
        Self { users: Users::new(database.clone()), database }
    }
}

#[async_trait]
impl RowSet for UserRows {
    fn description(&self) -> SetDescription {
        SetDescription::copy(COPY, &["createdAt"])
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        let mut position = PositionToken::default();
        for through in self.users.applied_through().await? {
            position.raise(through.log, through.epoch, through.position);
        }
        Ok(position)
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let bound = |key: Option<String>, none: i64| key.map_or(none, |key| user_id(&key).unwrap_or(none));
        let (after, through) = (bound(read.range.after, i64::MIN), bound(read.range.through, i64::MAX));
        let limit = i64::try_from(read.limit).unwrap_or(i64::MAX);
        self.database
            .read("page-users", move |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT user_id, version, deleted, created_at FROM users WHERE user_id > ?1 AND user_id <= ?2
                     ORDER BY user_id LIMIT ?3",
                )?;
                let rows = select.query_map(params![after, through, limit], users::row_of)?;
                rows.map(|user| user.map(|user| shown(&user))).collect()
            })
            .await
    }

    async fn by_key(&self, mut keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        self.database
            .read("users-by-key", move |connection| {
                let ids = keys.iter().filter_map(|key| user_id(key));
                ids.filter_map(|id| users::load(connection, id).transpose())
                    .map(|user| user.map(|user| shown(&user)))
                    .collect()
            })
            .await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        let RepairRow { key, seen, fields, row } = repair;
        let Some(user_id) = user_id(&key) else {
            return Ok(Repaired::Refused { why: "the key is no user's".to_owned() });
        };
        let wanted = match row.map(|row| wanted(user_id, &row)).transpose() {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Repaired::Refused { why }),
        };
        let repaired = self.database.write("repair-user", move |tx| {
            let there = users::load(tx, user_id)?.map(|user| shown(&user));
            if there.map(|row| Seen::of(&row, &fields)) != seen {
                return Ok(Repaired::Changed);
            }
            match &wanted {
                Some(user) => users::write(tx, user)?,
                None => users::remove(tx, user_id)?,
            }
            Ok(Repaired::Done)
        });
        repaired.await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        let Some(user_id) = user_id(key) else { return Ok(Planted::NoSuchRow) };
        let planted = self.database.write("plant-damage", move |tx| {
            let there = users::load(tx, user_id)?.filter(|user| user.created_at.is_some());
            let counted = |user: &UserRow, by: i64| {
                let count = user.version.count().checked_add_signed(by)?;
                RowVersion::new(user.version.epoch(), count).ok().filter(|version| version.count() > 0)
            };
            let damaged = match (damage, there) {
                (Damage::Add, Some(_)) => return Ok(Planted::NoSuchRow),
                (Damage::Add, None) => {
                    let version = RowVersion::new(1, 1).unwrap_or_default();
                    UserRow { user_id, version, created_at: Some(Timestamp::from_micros(0)) }
                }
                (_, None) => return Ok(Planted::NoSuchRow),
                (Damage::Delete, Some(_)) => {
                    users::remove(tx, user_id)?;
                    return Ok(Planted::Done);
                }
                (Damage::Change, Some(user)) => UserRow { created_at: Some(Timestamp::from_micros(1)), ..user },
                (Damage::Older, Some(user)) => match counted(&user, -1) {
                    Some(version) => UserRow { version, ..user },
                    None => return Ok(Planted::Refused { why: "the row has no older version".to_owned() }),
                },
                (Damage::Newer, Some(user)) => match counted(&user, 1_000) {
                    Some(version) => UserRow { version, ..user },
                    None => return Ok(Planted::Refused { why: "the row has the newest version".to_owned() }),
                },
            };
            users::write(tx, &damaged)?;
            Ok(Planted::Done)
        });
        planted.await
    }
}

fn user_id(key: &str) -> Option<i64> {
    madrigal_consistency::row::key_number(key).and_then(|id| i64::try_from(id).ok())
}

fn shown(user: &UserRow) -> Row {
    let key = number_key(user.user_id.unsigned_abs());
    match user.created_at {
        Some(created_at) => {
            Row::new(key, Some(user.version)).with_content(Content::new().with_time("createdAt", Some(created_at)))
        }
        None => Row::tombstone(key, Some(user.version)),
    }
}

/// What the owner has, as a row of this copy.
fn wanted(user_id: i64, row: &Row) -> Result<UserRow, String> {
    let version = row.version.ok_or("the owner's row has no version")?;
    if row.deleted {
        return Ok(UserRow { user_id, version, created_at: None });
    }
    let content = serde_json::to_value(&row.content).map_err(|error| error.to_string())?;
    let created_at = content["createdAt"].as_str().and_then(|text| text.parse().ok());
    Ok(UserRow { user_id, version, created_at: Some(created_at.ok_or("the owner's row has no createdAt")?) })
}

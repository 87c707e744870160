//! The copy `users.analytics`: who there is, and since when. sync-service writes it by its calls, nobody else does.
//!
//! Of a user's row only the id and the time of registration are kept: names and addresses are in no figure, and what is not
//! kept need not be erased. A deleted user leaves a tombstone; their orders stay under the id.

use async_trait::async_trait;
use madrigal_contracts::copies::{
    AppliedThrough, ApplyRows, CopyKeeper, CopyRow, ReplaceRow, Replaced, RowOutcome, RowsApplied,
};
use madrigal_core::{Fault, LogName, RowVersion, Timestamp};
use madrigal_sqlite::sql::{self, Connection, OptionalExtension, Row, Transaction, params};
use madrigal_sqlite::{Database, applied};
use serde_json::{Value, json};

/// The copy's name.
pub const COPY: &str = "users.analytics";

/// A row of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub user_id: i64,
    /// How new it is at its owner.
    pub version: RowVersion,
    /// Since when; `None` where the user was deleted.
    pub created_at: Option<Timestamp>,
}

/// The keeper of the copy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Users {
    database: Database,
}

impl Users {
    /// The copy in this file.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl CopyKeeper for Users {
    fn copy(&self) -> &'static str {
        COPY
    }

    async fn apply(&self, call: ApplyRows) -> Result<RowsApplied, Fault> {
        let applied = self.database.write("apply-rows", move |tx| {
            let outcomes = call.rows.iter().map(|row| apply(tx, row)).collect::<sql::Result<_>>()?;
            if let Some(through) = &call.through {
                applied::advance(tx, COPY, through.log.as_str(), through.epoch, through.position)?;
            }
            Ok(RowsApplied { outcomes })
        });
        applied.await
    }

    async fn read(&self, key: &str) -> Result<Option<CopyRow>, Fault> {
        let Ok(user_id) = key.parse::<i64>() else { return Ok(None) };
        let found = self.database.read("read-user", move |connection| load(connection, user_id)).await?;
        Ok(found.map(|user| copied(&user)))
    }

    async fn applied_through(&self) -> Result<Vec<AppliedThrough>, Fault> {
        let found = self.database.read("applied-through", |connection| applied::of(connection, COPY)).await?;
        let place = |(log, epoch, position): (String, _, _)| {
            Some(AppliedThrough { log: LogName::parse(&log)?, epoch, position })
        };
        Ok(found.into_iter().filter_map(place).collect())
    }

    async fn keys(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        let after: i64 = after.map_or(Ok(0), str::parse).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let keys = self.database.read("list-users", move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT user_id FROM users WHERE deleted = 0 AND user_id > ?1 ORDER BY user_id LIMIT ?2",
            )?;
            select.query_map([after, limit], |row| row.get::<_, i64>(0).map(|id| id.to_string()))?.collect()
        });
        keys.await
    }

    async fn page(&self, after: i64, limit: usize) -> Result<Vec<CopyRow>, Fault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = self.database.read("page-users", move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT user_id, version, deleted, created_at FROM users WHERE user_id > ?1 ORDER BY user_id LIMIT ?2",
            )?;
            select.query_map([after, limit], row_of)?.map(|user| user.map(|user| copied(&user))).collect()
        });
        page.await
    }

    async fn replace(&self, rows: Vec<ReplaceRow>) -> Result<Vec<Replaced>, Fault> {
        let replaced = self
            .database
            .write("replace-rows", move |tx| rows.iter().map(|row| replace(tx, row)).collect::<sql::Result<Vec<_>>>());
        replaced.await
    }
}

fn copied(user: &UserRow) -> CopyRow {
    CopyRow {
        key: user.user_id.to_string(),
        version: user.version,
        row: user.created_at.map(|created_at| json!({ "id": user.user_id, "createdAt": created_at })),
    }
}

/// Puts what takes a row's place, if it still is what was seen.
fn replace(tx: &Transaction<'_>, row: &ReplaceRow) -> sql::Result<Replaced> {
    let refused = |cause: &str| Ok(Replaced::Refused { cause: cause.to_owned() });
    let Ok(user_id) = row.key.parse::<i64>() else { return refused("the key is no number") };
    if load(tx, user_id)?.as_ref().map(copied) != row.seen {
        return Ok(Replaced::Changed);
    }
    match &row.with {
        None => remove(tx, user_id)?,
        Some(with) => match with.row.as_ref().map(created_at).transpose() {
            Ok(created_at) => write(tx, &UserRow { user_id, version: with.version, created_at })?,
            Err(cause) => return refused(cause),
        },
    }
    Ok(Replaced::Done)
}

fn created_at(fields: &Value) -> Result<Timestamp, &'static str> {
    let text = fields.get("createdAt").and_then(Value::as_str);
    text.and_then(|text| text.parse().ok()).ok_or("createdAt is no time")
}

/// Applies one row: what is older than what is there is refused, tombstones included.
fn apply(tx: &Transaction<'_>, row: &CopyRow) -> sql::Result<RowOutcome> {
    let refused = |cause: &str| Ok(RowOutcome::Refused { cause: cause.to_owned() });
    let Ok(user_id) = row.key.parse::<i64>() else { return refused("the key is no number") };
    if let Some(there) = load(tx, user_id)? {
        if row.version < there.version {
            return Ok(RowOutcome::Older);
        }
        if row.version == there.version {
            return Ok(RowOutcome::Repeated);
        }
    }
    let created_at = match row.row.as_ref().map(created_at).transpose() {
        Ok(created_at) => created_at,
        Err(cause) => return refused(cause),
    };
    write(tx, &UserRow { user_id, version: row.version, created_at })?;
    Ok(RowOutcome::Applied)
}

/// The row of a user, tombstones included.
pub(crate) fn load(connection: &Connection, user_id: i64) -> sql::Result<Option<UserRow>> {
    let mut select =
        connection.prepare_cached("SELECT user_id, version, deleted, created_at FROM users WHERE user_id = ?1")?;
    select.query_row([user_id], row_of).optional()
}

/// The row of `user_id, version, deleted, created_at`.
pub(crate) fn row_of(row: &Row<'_>) -> sql::Result<UserRow> {
    let version: i64 = row.get(1)?;
    let version = u64::try_from(version).ok().and_then(|packed| RowVersion::try_from(packed).ok());
    let created_at: Option<i64> = row.get(3)?;
    let created_at = Timestamp::from_micros(created_at.unwrap_or_default());
    Ok(UserRow {
        user_id: row.get(0)?,
        version: version.unwrap_or_default(),
        created_at: if row.get(2)? { None } else { Some(created_at) },
    })
}

/// Writes a row, whatever was there.
pub(crate) fn write(tx: &Transaction<'_>, user: &UserRow) -> sql::Result<()> {
    let version = i64::try_from(user.version.packed()).unwrap_or(i64::MAX);
    tx.prepare_cached(
        "INSERT INTO users (user_id, version, deleted, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted,
           created_at = excluded.created_at",
    )?
    .execute(params![user.user_id, version, user.created_at.is_none(), user.created_at.map(Timestamp::as_micros)])
    .map(|_| ())
}

/// Takes a row away, tombstone and all.
pub(crate) fn remove(tx: &Transaction<'_>, user_id: i64) -> sql::Result<()> {
    tx.prepare_cached("DELETE FROM users WHERE user_id = ?1")?.execute([user_id]).map(|_| ())
}

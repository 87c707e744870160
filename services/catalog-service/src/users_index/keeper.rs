//! The copy `users.index`, as sync-service writes it and the monitor reads it.
//!
//! To whoever compares or replaces rows a row is what is stored of it *and* the terms that find it: where these are not the
//! words of the row, it is shown with a name that no owner has, so that it differs and its repair writes both anew.

use std::collections::BTreeSet;

use async_trait::async_trait;
use madrigal_contracts::copies::{
    AppliedThrough, ApplyRows, CopyKeeper, CopyRow, ReplaceRow, Replaced, RowOutcome, RowsApplied,
};
use madrigal_core::{Fault, LogName, RowVersion, Timestamp};
use madrigal_sqlite::{applied, sql};
use serde_json::{Value, json};

use super::{COPY, UsersIndex, terms};

#[async_trait]
impl CopyKeeper for UsersIndex {
    fn copy(&self) -> &'static str {
        COPY
    }

    async fn apply(&self, call: ApplyRows) -> Result<RowsApplied, Fault> {
        let now = self.host.now();
        let erases = call.rows.iter().any(|row| row.row.is_none());
        let applied = self
            .database
            .write("apply-rows", move |tx| {
                let outcomes = call.rows.iter().map(|row| apply(tx, row, now)).collect::<sql::Result<_>>()?;
                if let Some(through) = &call.through {
                    applied::advance(tx, COPY, through.log.as_str(), through.epoch, through.position)?;
                }
                Ok(RowsApplied { outcomes })
            })
            .await?;
        if erases {
            // Gone from the write-ahead log too.
            self.database.checkpoint().await?;
        }
        Ok(applied)
    }

    async fn read(&self, key: &str) -> Result<Option<CopyRow>, Fault> {
        let Ok(id) = key.parse::<i64>() else { return Ok(None) };
        self.database.read("read-user", move |connection| found(connection, id)).await
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
        self.database
            .read("list-keys", move |connection| {
                let mut select = connection
                    .prepare_cached("SELECT id FROM users WHERE row IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2")?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                select.query_map([after, limit], |row| row.get(0).map(|id: i64| id.to_string()))?.collect()
            })
            .await
    }

    async fn page(&self, after: i64, limit: usize) -> Result<Vec<CopyRow>, Fault> {
        self.database
            .read("page-rows", move |connection| {
                let mut select = connection
                    .prepare_cached("SELECT id, version, row FROM users WHERE id > ?1 ORDER BY id LIMIT ?2")?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows = select.query_map([after, limit], |found| {
                    let id = found.get(0)?;
                    marked(connection, id, copied(id, found.get(1)?, found.get(2)?))
                })?;
                rows.collect()
            })
            .await
    }

    async fn replace(&self, rows: Vec<ReplaceRow>) -> Result<Vec<Replaced>, Fault> {
        let now = self.host.now();
        let erases = rows.iter().any(|row| row.with.as_ref().is_none_or(|with| with.row.is_none()));
        let replaced = self.database.write("replace-rows", move |tx| replace(tx, &rows, now)).await?;
        if erases {
            self.database.checkpoint().await?;
        }
        Ok(replaced)
    }
}

fn apply(tx: &sql::Transaction<'_>, row: &CopyRow, now: Timestamp) -> sql::Result<RowOutcome> {
    let refused = |cause: &str| Ok(RowOutcome::Refused { cause: cause.to_owned() });
    let Ok(id) = row.key.parse::<i64>() else { return refused("the key is no number") };
    let before = there(tx, id)?;
    match before.map(|before| row.version.cmp(&before)) {
        Some(std::cmp::Ordering::Less) => return Ok(RowOutcome::Older),
        Some(std::cmp::Ordering::Equal) => return Ok(RowOutcome::Repeated),
        _ => {}
    }
    let document = match row.row.as_ref().map(|fields| document(id, fields, now)).transpose() {
        Ok(document) => document,
        Err(cause) => return refused(cause),
    };
    if before.is_some() {
        forget_terms(tx, id)?;
    }
    write(tx, id, row.version, document.as_ref())?;
    Ok(RowOutcome::Applied)
}

/// The document of a user.
///
/// # Errors
/// What is wrong with the row, without its values.
fn document(id: i64, row: &Value, now: Timestamp) -> Result<Value, &'static str> {
    let Value::Object(fields) = row else { return Err("the row is not an object") };
    let has = |name: &str| fields.get(name).is_some_and(Value::is_string);
    if !has("email") || !has("username") || fields.get("id").and_then(Value::as_i64) != Some(id) {
        return Err("a user has an id as its key says, an email and a username");
    }
    if fields.keys().any(|name| name.to_ascii_lowercase().contains("password")) {
        return Err("the row has a field of a password");
    }
    let mut fields = fields.clone();
    fields.insert("lastSyncAt".to_owned(), Value::from(now.to_string()));
    Ok(Value::Object(fields))
}

/// Writes a row and the terms that find it, whatever version is there; terms of what was there are the caller's.
fn write(tx: &sql::Transaction<'_>, id: i64, version: RowVersion, document: Option<&Value>) -> sql::Result<()> {
    for term in document.map(terms::of_row).unwrap_or_default() {
        tx.prepare_cached("INSERT INTO terms (term, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(sql::params![term, id])?;
    }
    let version = i64::try_from(version.packed()).unwrap_or(i64::MAX);
    tx.prepare_cached(
        "INSERT INTO users (id, version, row) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, row = excluded.row",
    )?
    .execute(sql::params![id, version, document.map(ToString::to_string)])?;
    Ok(())
}

/// Puts what takes the place of rows, each if it still is what was seen.
fn replace(tx: &sql::Transaction<'_>, rows: &[ReplaceRow], now: Timestamp) -> sql::Result<Vec<Replaced>> {
    let refused = |cause: &str| Replaced::Refused { cause: cause.to_owned() };
    let (mut replaced, mut writing) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        let Ok(id) = row.key.parse::<i64>() else {
            replaced.push(refused("the key is no number"));
            continue;
        };
        if found(tx, id)? != row.seen {
            replaced.push(Replaced::Changed);
            continue;
        }
        let fields = row.with.as_ref().and_then(|with| with.row.as_ref());
        match fields.map(|fields| document(id, fields, now)).transpose() {
            Ok(document) => {
                writing.push((id, row.with.as_ref().map(|with| with.version), document));
                replaced.push(Replaced::Done);
            }
            Err(cause) => replaced.push(refused(cause)),
        }
    }
    for (id, version, document) in &writing {
        forget_terms(tx, *id)?;
        match version {
            Some(version) => write(tx, *id, *version, document.as_ref())?,
            None => drop(tx.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id])?),
        }
    }
    Ok(replaced)
}

/// Takes away every term of a user, whatever row they were made of: that may be damaged, and so may they.
fn forget_terms(tx: &sql::Transaction<'_>, id: i64) -> sql::Result<()> {
    tx.prepare_cached("DELETE FROM terms WHERE id = ?1")?.execute([id]).map(drop)
}

/// The version of the row that is there.
fn there(connection: &sql::Connection, id: i64) -> sql::Result<Option<RowVersion>> {
    use sql::OptionalExtension;
    connection
        .prepare_cached("SELECT version FROM users WHERE id = ?1")?
        .query_row([id], |found| found.get(0).map(version))
        .optional()
}

/// The row that is there, as it is compared.
fn found(connection: &sql::Connection, id: i64) -> sql::Result<Option<CopyRow>> {
    use sql::OptionalExtension;
    let row = connection
        .prepare_cached("SELECT version, row FROM users WHERE id = ?1")?
        .query_row([id], |found| Ok(copied(id, found.get(0)?, found.get(1)?)))
        .optional()?;
    row.map(|row| marked(connection, id, row)).transpose()
}

/// The row, with a mark in the place of its name where the terms that are stored are not its words. One that is damaged
/// itself differs without it.
fn marked(connection: &sql::Connection, id: i64, mut row: CopyRow) -> sql::Result<CopyRow> {
    if let Some(document @ Value::Object(_)) = &mut row.row {
        let mut select = connection.prepare_cached("SELECT term FROM terms WHERE id = ?1")?;
        let stored = select.query_map([id], |found| found.get(0))?.collect::<sql::Result<BTreeSet<String>>>()?;
        if stored != terms::of_row(document) {
            document["username"] = json!({ "username": document["username"], "terms": "are not its words" });
        }
    }
    Ok(row)
}

/// A row as it is stored; text that is no JSON is told as it is, so that it is found and repaired.
pub(super) fn copied(id: i64, version: i64, row: Option<String>) -> CopyRow {
    let row = row.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    CopyRow { key: id.to_string(), version: self::version(version), row }
}

fn version(packed: i64) -> RowVersion {
    u64::try_from(packed).ok().and_then(|packed| RowVersion::try_from(packed).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;

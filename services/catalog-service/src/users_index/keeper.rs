//! The copy `users.index`, as sync-service writes it.

use async_trait::async_trait;
use madrigal_contracts::copies::{AppliedThrough, ApplyRows, CopyKeeper, CopyRow, RowOutcome, RowsApplied};
use madrigal_core::{Fault, LogName, RowVersion, Timestamp};
use madrigal_sqlite::{applied, sql};
use serde_json::Value;

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
        self.database.read("read-user", move |connection| there(connection, id)).await
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
}

fn apply(tx: &sql::Transaction<'_>, row: &CopyRow, now: Timestamp) -> sql::Result<RowOutcome> {
    let refused = |cause: &str| Ok(RowOutcome::Refused { cause: cause.to_owned() });
    let Ok(id) = row.key.parse::<i64>() else { return refused("the key is no number") };
    let before = there(tx, id)?;
    match before.as_ref().map(|before| row.version.cmp(&before.version)) {
        Some(std::cmp::Ordering::Less) => return Ok(RowOutcome::Older),
        Some(std::cmp::Ordering::Equal) => return Ok(RowOutcome::Repeated),
        _ => {}
    }
    let document = match &row.row {
        None => None,
        Some(Value::Object(fields)) => {
            let has = |name: &str| fields.get(name).is_some_and(Value::is_string);
            if !has("email") || !has("username") || fields.get("id").and_then(Value::as_i64) != Some(id) {
                return refused("a user has an id as its key says, an email and a username");
            }
            if fields.keys().any(|name| name.to_ascii_lowercase().contains("password")) {
                return refused("the row has a field of a password");
            }
            let mut fields = fields.clone();
            fields.insert("lastSyncAt".to_owned(), Value::from(now.to_string()));
            Some(Value::Object(fields))
        }
        Some(_) => return refused("the row is not an object"),
    };
    for term in before.as_ref().and_then(|before| before.row.as_ref()).map(terms::of_row).unwrap_or_default() {
        tx.prepare_cached("DELETE FROM terms WHERE term = ?1 AND id = ?2")?.execute(sql::params![term, id])?;
    }
    for term in document.as_ref().map(terms::of_row).unwrap_or_default() {
        tx.prepare_cached("INSERT INTO terms (term, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(sql::params![term, id])?;
    }
    let version = i64::try_from(row.version.packed()).unwrap_or(i64::MAX);
    tx.prepare_cached(
        "INSERT INTO users (id, version, row) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, row = excluded.row",
    )?
    .execute(sql::params![id, version, document.map(|document| document.to_string())])?;
    Ok(RowOutcome::Applied)
}

pub(super) fn there(connection: &sql::Connection, id: i64) -> sql::Result<Option<CopyRow>> {
    use sql::OptionalExtension;
    connection
        .prepare_cached("SELECT version, row FROM users WHERE id = ?1")?
        .query_row([id], |found| copied(id, found.get(0)?, found.get(1)?))
        .optional()
}

pub(super) fn copied(id: i64, version: i64, row: Option<String>) -> sql::Result<CopyRow> {
    let unreadable = |error| sql::Error::FromSqlConversionFailure(1, sql::Type::Text, Box::new(error));
    let row = row.map(|text| serde_json::from_str(&text)).transpose().map_err(unreadable)?;
    let version = u64::try_from(version).ok().and_then(|packed| RowVersion::try_from(packed).ok()).unwrap_or_default();
    Ok(CopyRow { key: id.to_string(), version, row })
}

#[cfg(test)]
mod tests;

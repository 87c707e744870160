//! The two copies, as sync-service writes them.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_contracts::copies::{
    AppliedThrough, ApplyRows, CopyKeeper, CopyRow, ReplaceRow, Replaced, RowOutcome, RowsApplied,
};
use madrigal_core::{Fault, Host, LogName, RowVersion, Timestamp};
use madrigal_sqlite::key_value::{self, Versioned};
use madrigal_sqlite::{Database, DatabaseOptions, Migration, SqliteKeyValue, applied, sql};
use serde_json::Value;

use super::document;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "users in the order of their numbers",
    sql: "CREATE INDEX read_models_by_user ON key_values (CAST(substr(key, 6) AS INTEGER), version)
          WHERE key GLOB 'user:*';",
}];

/// The read models. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ReadModels {
    database: Database,
    host: Host,
}

impl ReadModels {
    /// Opens `read-models.sqlite` in `dir`.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    pub(crate) async fn open(dir: &Path, host: Host) -> Result<Self, Fault> {
        // Read now and then, by key: a small cache is enough.
        let options = DatabaseOptions { readers: 2, cache_kib: 1_024, ..DatabaseOptions::REBUILDABLE };
        let database = Database::open(dir.join("read-models.sqlite"), options).await?;
        SqliteKeyValue::open(database.clone()).await?;
        database.migrate("read-models", STEPS).await?;
        applied::prepare(&database).await?;
        database.write("secure-delete", |tx| tx.pragma_update(None, "secure_delete", true)).await?;
        Ok(Self { database, host })
    }

    /// The copies, for the calls of sync-service.
    pub(crate) fn keepers(&self) -> Vec<Arc<dyn CopyKeeper>> {
        [Kind::User, Kind::Activity]
            .map(|kind| Arc::new(Keeper { models: self.clone(), kind }) as Arc<dyn CopyKeeper>)
            .into()
    }
}

/// What is kept about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Activity,
}

impl Kind {
    const fn copy(self) -> &'static str {
        match self {
            Self::User => "users.key-value",
            Self::Activity => "users.activity",
        }
    }

    fn key(self, id: i64) -> String {
        match self {
            Self::User => format!("user:{id}"),
            Self::Activity => format!("user-activity:{id}"),
        }
    }
}

struct Keeper {
    models: ReadModels,
    kind: Kind,
}

#[async_trait]
impl CopyKeeper for Keeper {
    fn copy(&self) -> &'static str {
        self.kind.copy()
    }

    async fn apply(&self, call: ApplyRows) -> Result<RowsApplied, Fault> {
        let (kind, now) = (self.kind, self.models.host.now());
        let erases = call.rows.iter().any(|row| row.row.is_none());
        let applied = self
            .models
            .database
            .write("apply-rows", move |tx| {
                let outcomes = call.rows.iter().map(|row| apply(tx, kind, row, now)).collect::<sql::Result<_>>()?;
                if let Some(through) = &call.through {
                    applied::advance(tx, kind.copy(), through.log.as_str(), through.epoch, through.position)?;
                }
                Ok(RowsApplied { outcomes })
            })
            .await?;
        if erases {
            self.models.database.checkpoint().await?;
        }
        Ok(applied)
    }

    async fn read(&self, key: &str) -> Result<Option<CopyRow>, Fault> {
        let Ok(id) = key.parse::<i64>() else { return Ok(None) };
        let kind = self.kind;
        self.models.database.read("read-model", move |connection| read(connection, kind, id)).await
    }

    async fn applied_through(&self) -> Result<Vec<AppliedThrough>, Fault> {
        let copy = self.kind.copy();
        let found =
            self.models.database.read("applied-through", move |connection| applied::of(connection, copy)).await?;
        let place = |(log, epoch, position): (String, _, _)| {
            Some(AppliedThrough { log: LogName::parse(&log)?, epoch, position })
        };
        Ok(found.into_iter().filter_map(place).collect())
    }

    async fn keys(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        if self.kind == Kind::Activity {
            return Err(Fault::permanent("user-service", "list-keys", "activity goes with its user"));
        }
        let after: i64 = after.map_or(Ok(0), str::parse).unwrap_or(i64::MAX);
        self.models
            .database
            .read("list-keys", move |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT CAST(substr(key, 6) AS INTEGER) FROM key_values
                     WHERE key GLOB 'user:*' AND CAST(substr(key, 6) AS INTEGER) > ?1 AND value IS NOT NULL
                     ORDER BY CAST(substr(key, 6) AS INTEGER) LIMIT ?2",
                )?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                select.query_map([after, limit], |row| row.get(0).map(|id: i64| id.to_string()))?.collect()
            })
            .await
    }

    async fn page(&self, after: i64, limit: usize) -> Result<Vec<CopyRow>, Fault> {
        if self.kind == Kind::Activity {
            return Err(Fault::permanent("user-service", "page-rows", "activity goes with its user"));
        }
        self.models
            .database
            .read("page-rows", move |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT CAST(substr(key, 6) AS INTEGER) FROM key_values
                     WHERE key GLOB 'user:*' AND CAST(substr(key, 6) AS INTEGER) > ?1
                     ORDER BY CAST(substr(key, 6) AS INTEGER) LIMIT ?2",
                )?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let ids = select.query_map([after, limit], |row| row.get(0))?.collect::<sql::Result<Vec<i64>>>()?;
                ids.into_iter().filter_map(|id| read(connection, Kind::User, id).transpose()).collect()
            })
            .await
    }

    async fn replace(&self, rows: Vec<ReplaceRow>) -> Result<Vec<Replaced>, Fault> {
        let (kind, now) = (self.kind, self.models.host.now());
        let erases = rows.iter().any(|row| row.with.as_ref().is_none_or(|with| with.row.is_none()));
        let replaced = self.models.database.write("replace-rows", move |tx| {
            rows.iter().map(|row| replace(tx, kind, row, now)).collect::<sql::Result<Vec<_>>>()
        });
        let replaced = replaced.await?;
        if erases {
            self.models.database.checkpoint().await?;
        }
        Ok(replaced)
    }
}

fn apply(tx: &sql::Transaction<'_>, kind: Kind, row: &CopyRow, now: Timestamp) -> sql::Result<RowOutcome> {
    let refused = |cause: &str| Ok(RowOutcome::Refused { cause: cause.to_owned() });
    let Ok(id) = row.key.parse::<i64>() else { return refused("the key is no number") };
    let there = key_value::get(tx, &kind.key(id))?.map(|there| there.version);
    match there.map(|there| row.version.packed().cmp(&there)) {
        Some(std::cmp::Ordering::Less) => return Ok(RowOutcome::Older),
        Some(std::cmp::Ordering::Equal) => return Ok(RowOutcome::Repeated),
        _ => {}
    }
    let value = match (&row.row, kind) {
        (None, _) => None,
        (Some(row), Kind::User) => match document::of_user(id, row, now) {
            Ok(document) => Some(document),
            Err(cause) => return refused(&cause),
        },
        // Of a deleted user nothing is told any more.
        (Some(_), Kind::Activity) if is_deleted(tx, id)? => None,
        (Some(row), Kind::Activity) => match document::of_activity(row) {
            Ok(document) => Some(document),
            Err(cause) => return refused(&cause),
        },
    };
    if value.is_none() && kind == Kind::User {
        let last = RowVersion::new(row.version.epoch(), RowVersion::MAX_COUNT).unwrap_or(row.version);
        key_value::put(tx, &Kind::Activity.key(id), &Versioned { version: last.packed(), value: None })?;
    }
    key_value::put(tx, &kind.key(id), &Versioned { version: row.version.packed(), value })?;
    Ok(RowOutcome::Applied)
}

/// Puts what takes a row's place, if it still is what was seen.
fn replace(tx: &sql::Transaction<'_>, kind: Kind, row: &ReplaceRow, now: Timestamp) -> sql::Result<Replaced> {
    let refused = |cause: &str| Ok(Replaced::Refused { cause: cause.to_owned() });
    let Ok(id) = row.key.parse::<i64>() else { return refused("the key is no number") };
    if kind == Kind::Activity {
        return refused("activity comes with its user's next event");
    }
    if read(tx, kind, id)? != row.seen {
        return Ok(Replaced::Changed);
    }
    let last = |version: RowVersion| RowVersion::new(version.epoch(), RowVersion::MAX_COUNT).unwrap_or(version);
    let activity = Kind::Activity.key(id);
    let with = match &row.with {
        None => None,
        Some(CopyRow { version, row: None, .. }) => {
            let gone = Versioned { version: last(*version).packed(), value: None };
            key_value::replace(tx, &activity, Some(&gone))?;
            Some(Versioned { version: version.packed(), value: None })
        }
        Some(CopyRow { version, row: Some(fields), .. }) => {
            let document = match document::of_user(id, &document::without_activity(fields), now) {
                Ok(document) => document,
                Err(cause) => return refused(&cause),
            };
            // Who is there after all is told about again, with the next event.
            if key_value::get(tx, &activity)?.is_some_and(|there| there.value.is_none()) {
                key_value::replace(tx, &activity, None)?;
            }
            Some(Versioned { version: version.packed(), value: Some(document) })
        }
    };
    key_value::replace(tx, &kind.key(id), with.as_ref())?;
    Ok(Replaced::Done)
}

fn is_deleted(tx: &sql::Transaction<'_>, id: i64) -> sql::Result<bool> {
    Ok(key_value::get(tx, &Kind::User.key(id))?.is_some_and(|there| there.value.is_none()))
}

/// A user's document has what the user did in it, as far as that is known.
fn read(connection: &sql::Connection, kind: Kind, id: i64) -> sql::Result<Option<CopyRow>> {
    let Some(there) = key_value::get(connection, &kind.key(id))? else { return Ok(None) };
    let mut row = there.value.as_deref().map(json);
    if let (Kind::User, Some(Value::Object(document))) = (kind, &mut row)
        && let Some(text) = key_value::get(connection, &Kind::Activity.key(id))?.and_then(|activity| activity.value)
        && let Value::Object(activity) = json(&text)
    {
        for name in ["totalEvents", "lastActivity"] {
            document.insert(name.to_owned(), activity.get(name).cloned().unwrap_or_default());
        }
    }
    let version = RowVersion::try_from(there.version).unwrap_or_default();
    Ok(Some(CopyRow { key: id.to_string(), version, row }))
}

/// What is stored; text that is no JSON is told as it is, so that it is found and repaired.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(id: i64, version: u64, email: &str) -> CopyRow {
        let row = json!({"id": id, "email": email, "username": "anna", "profile": {}, "version": version});
        CopyRow { key: id.to_string(), version: RowVersion::new(1, version).unwrap(), row: Some(row) }
    }

    fn deleted(id: i64, version: u64) -> CopyRow {
        CopyRow { key: id.to_string(), version: RowVersion::new(1, version).unwrap(), row: None }
    }

    fn activity(id: i64, total: u64) -> CopyRow {
        let row = json!({"userId": id, "totalEvents": total, "lastActivity": "2026-01-02T03:04:05Z"});
        CopyRow { key: id.to_string(), version: RowVersion::new(1, total).unwrap(), row: Some(row) }
    }

    async fn opened(dir: &Path) -> (ReadModels, Arc<dyn CopyKeeper>, Arc<dyn CopyKeeper>) {
        let models = ReadModels::open(dir, Host::system()).await.unwrap();
        let mut keepers = models.keepers().into_iter();
        (models.clone(), keepers.next().unwrap(), keepers.next().unwrap())
    }

    async fn apply(keeper: &Arc<dyn CopyKeeper>, rows: Vec<CopyRow>) -> Vec<RowOutcome> {
        let call = ApplyRows { copy: keeper.copy().to_owned(), rows, through: None };
        keeper.apply(call).await.unwrap().outcomes
    }

    #[tokio::test]
    async fn older_rows_never_replace_newer_ones_and_equal_ones_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (_models, users, _) = opened(dir.path()).await;
        let rows = vec![user(7, 2, "b@x.org"), user(7, 1, "a@x.org"), user(7, 2, "c@x.org"), user(7, 3, "d@x.org")];
        let outcomes = apply(&users, rows).await;
        assert_eq!(outcomes, [RowOutcome::Applied, RowOutcome::Older, RowOutcome::Repeated, RowOutcome::Applied]);
        let row = users.read("7").await.unwrap().unwrap();
        assert_eq!((row.version.count(), &row.row.as_ref().unwrap()["email"]), (3, &json!("d@x.org")));
        assert!(row.row.unwrap()["lastSyncAt"].is_string());
    }

    #[tokio::test]
    async fn a_deleted_user_stays_deleted_and_nothing_of_it_is_left_in_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let (_models, users, activities) = opened(dir.path()).await;
        apply(&users, vec![user(7, 1, "vanishing@example.org"), user(8, 1, "staying@example.org")]).await;
        apply(&activities, vec![activity(7, 5)]).await;
        assert_eq!(users.read("7").await.unwrap().unwrap().row.unwrap()["totalEvents"], 5);
        apply(&users, vec![deleted(7, 2)]).await;
        assert_eq!(apply(&users, vec![user(7, 1, "again@example.org")]).await, [RowOutcome::Older]);
        assert_eq!(apply(&activities, vec![activity(7, 6)]).await, [RowOutcome::Older]);
        assert_eq!(users.read("7").await.unwrap(), Some(deleted(7, 2)));
        assert_eq!(users.keys(None, 10).await.unwrap(), ["8"]);
        for file in ["read-models.sqlite", "read-models.sqlite-wal"] {
            let bytes = std::fs::read(dir.path().join(file)).unwrap_or_default();
            assert!(!bytes.windows(9).any(|window| window == b"vanishing"), "{file}");
        }
    }

    #[tokio::test]
    async fn rows_without_the_right_form_are_refused_and_others_of_the_call_are_applied() {
        let dir = tempfile::tempdir().unwrap();
        let (_models, users, _) = opened(dir.path()).await;
        let mut secret = user(7, 1, "a@x.org");
        secret.row.as_mut().unwrap()["password_hash"] = json!("x");
        let other = CopyRow { key: "9".to_owned(), ..user(8, 1, "b@x.org") };
        let outcomes = apply(&users, vec![secret, other, user(8, 1, "b@x.org")]).await;
        assert!(matches!(outcomes[..], [RowOutcome::Refused { .. }, RowOutcome::Refused { .. }, RowOutcome::Applied]));
    }

    #[tokio::test]
    async fn keys_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let (_models, users, _) = opened(dir.path()).await;
        apply(&users, [10, 9, 100].map(|id| user(id, 1, "a@x.org")).into()).await;
        assert_eq!(users.keys(None, 2).await.unwrap(), ["9", "10"]);
        assert_eq!(users.keys(Some("10"), 2).await.unwrap(), ["100"]);
    }

    async fn replaced(keeper: &Arc<dyn CopyKeeper>, seen: Option<CopyRow>, with: Option<CopyRow>) -> Replaced {
        let rows = vec![ReplaceRow { key: "7".to_owned(), seen, with }];
        keeper.replace(rows).await.unwrap().remove(0)
    }

    #[tokio::test]
    async fn a_repair_replaces_exactly_the_row_that_was_seen_whatever_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let (models, users, activities) = opened(dir.path()).await;
        apply(&users, vec![user(7, 9, "wrong@x.org")]).await;
        let seen = users.read("7").await.unwrap();
        apply(&users, vec![user(7, 10, "newer@x.org")]).await;
        let owner = Some(user(7, 3, "right@x.org"));
        assert_eq!(replaced(&users, seen, owner.clone()).await, Replaced::Changed);
        assert_eq!(users.read("7").await.unwrap().unwrap().version.count(), 10);
        assert_eq!(replaced(&users, None, owner.clone()).await, Replaced::Changed, "there is one");
        let seen = users.read("7").await.unwrap();
        assert_eq!(replaced(&users, seen, owner).await, Replaced::Done);
        let row = users.read("7").await.unwrap().unwrap();
        assert_eq!((row.version.count(), &row.row.as_ref().unwrap()["email"]), (3, &json!("right@x.org")));
        // Deleted by mistake, and there after all: what the user does is told again.
        assert_eq!(replaced(&users, Some(row), Some(deleted(7, 4))).await, Replaced::Done);
        assert_eq!(apply(&activities, vec![activity(7, 5)]).await, [RowOutcome::Older]);
        assert_eq!(replaced(&users, Some(deleted(7, 4)), Some(user(7, 3, "right@x.org"))).await, Replaced::Done);
        assert_eq!(apply(&activities, vec![activity(7, 5)]).await, [RowOutcome::Applied]);
        // What is no JSON any more is read as it is.
        let broken = models.database.write("break", |tx| tx.execute("UPDATE key_values SET value = 'gibberish'", []));
        broken.await.unwrap();
        let row = users.read("7").await.unwrap().unwrap();
        assert_eq!(row.row, Some(json!("gibberish")));
        assert_eq!(replaced(&users, Some(row), None).await, Replaced::Done);
        assert_eq!(users.read("7").await.unwrap(), None);
    }
}

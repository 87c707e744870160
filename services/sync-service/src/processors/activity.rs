//! How much users did: the state that their events are folded into.

use std::collections::BTreeMap;

use madrigal_core::{Fault, RowVersion, Timestamp};
use madrigal_sqlite::{Database, Migration, sql};
use serde_json::json;

use super::MeantRow;
use super::user_events::SeenEvent;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "how much users did",
    // No foreign key and no name: numbers and a time, for as long as the user is there.
    sql: "CREATE TABLE activity (
        user_id INTEGER PRIMARY KEY, total INTEGER NOT NULL, last_at INTEGER, through INTEGER NOT NULL) STRICT;",
}];

/// Counts of events per user, each with the last event that it counts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Activity {
    database: Database,
}

struct Counted {
    total: i64,
    last_at: Option<i64>,
    through: i64,
}

impl Activity {
    /// The counts in this file.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    pub async fn open(database: Database) -> Result<Self, Fault> {
        database.migrate("activity", STEPS).await?;
        Ok(Self { database })
    }

    /// Counts events, in order; one that was counted before counts nothing. Says what copies must have of each user, also
    /// where nothing is new: after a crash they may lack it.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke; nothing was counted then.
    ///
    /// # Cancellation
    /// They may or may not be counted; safe to repeat.
    pub async fn count(&self, events: Vec<SeenEvent>) -> Result<Vec<MeantRow>, Fault> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.database
            .write("count-events", move |tx| {
                let mut users: BTreeMap<i64, Counted> = BTreeMap::new();
                for event in &events {
                    let counted = match users.entry(event.user_id) {
                        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                        std::collections::btree_map::Entry::Vacant(entry) => entry.insert(known(tx, event.user_id)?),
                    };
                    counted.add(event);
                }
                users.into_iter().map(|(user, counted)| keep(tx, user, &counted)).collect()
            })
            .await
    }
}

impl Activity {
    /// What copies must have of the users behind a number, in the order of their numbers; at most `limit`.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn page(&self, after: i64, limit: usize) -> Result<Vec<MeantRow>, Fault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = self.database.read("page-activity", move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT user_id, total, last_at, through FROM activity WHERE user_id > ?1 ORDER BY user_id LIMIT ?2",
            )?;
            let rows = select.query_map([after, limit], |row| {
                let counted = Counted { total: row.get(1)?, last_at: row.get(2)?, through: row.get(3)? };
                Ok(counted.meant(row.get(0)?))
            })?;
            rows.collect()
        });
        page.await
    }
}

impl Counted {
    fn add(&mut self, event: &SeenEvent) {
        if event.sequence <= self.through {
            return;
        }
        self.total += 1;
        self.last_at = if event.erased { None } else { Some(event.at.as_micros()) };
        self.through = event.sequence;
    }

    /// What copies must have of it.
    fn meant(&self, user: i64) -> MeantRow {
        // The place of the last event is the version: it grows with every count, and it is the owner's.
        let version = u64::try_from(self.through).ok().and_then(|count| RowVersion::new(1, count).ok());
        let row = self.last_at.and_then(|at| {
            let row = json!({
                "userId": user,
                "totalEvents": self.total,
                "lastActivity": Timestamp::from_micros(at).to_string(),
            });
            row.as_object().cloned()
        });
        MeantRow { key: user.to_string(), version: version.unwrap_or_default(), row }
    }
}

fn known(tx: &sql::Transaction<'_>, user: i64) -> sql::Result<Counted> {
    use sql::OptionalExtension;
    let found = tx
        .prepare_cached("SELECT total, last_at, through FROM activity WHERE user_id = ?1")?
        .query_row([user], |row| Ok(Counted { total: row.get(0)?, last_at: row.get(1)?, through: row.get(2)? }))
        .optional()?;
    Ok(found.unwrap_or(Counted { total: 0, last_at: None, through: 0 }))
}

fn keep(tx: &sql::Transaction<'_>, user: i64, counted: &Counted) -> sql::Result<MeantRow> {
    tx.prepare_cached(
        "INSERT INTO activity (user_id, total, last_at, through) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id) DO UPDATE SET total = excluded.total, last_at = excluded.last_at,
           through = excluded.through",
    )?
    .execute(sql::params![user, counted.total, counted.last_at, counted.through])?;
    Ok(counted.meant(user))
}

#[cfg(test)]
mod tests {
    use madrigal_sqlite::DatabaseOptions;

    use super::*;

    fn event(user_id: i64, sequence: i64) -> SeenEvent {
        SeenEvent { user_id, sequence, at: Timestamp::from_micros(sequence * 1_000_000), erased: false }
    }

    fn totals(rows: &[MeantRow]) -> Vec<(&str, Option<u64>)> {
        rows.iter()
            .map(|row| (row.key.as_str(), row.row.as_ref().and_then(|row| row["totalEvents"].as_u64())))
            .collect()
    }

    #[tokio::test]
    async fn an_event_counts_once_however_often_it_comes() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path().join("a.db"), DatabaseOptions::REBUILDABLE).await.unwrap();
        let activity = Activity::open(database).await.unwrap();
        let first = activity.count(vec![event(7, 1), event(8, 2), event(7, 3)]).await.unwrap();
        assert_eq!(totals(&first), [("7", Some(2)), ("8", Some(1))]);
        let again = activity.count(vec![event(7, 1), event(7, 3), event(7, 4)]).await.unwrap();
        assert_eq!(totals(&again), [("7", Some(3))]);
        assert_eq!(again[0].version, RowVersion::new(1, 4).unwrap());
        let known = activity.count(vec![event(8, 2)]).await.unwrap();
        assert_eq!(totals(&known), [("8", Some(1))], "a copy may lack it after a crash");
        assert_eq!(known[0].row.as_ref().unwrap()["lastActivity"], "1970-01-01T00:00:02Z");
    }

    #[tokio::test]
    async fn of_an_erased_user_nothing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path().join("a.db"), DatabaseOptions::REBUILDABLE).await.unwrap();
        let activity = Activity::open(database).await.unwrap();
        let gone = SeenEvent { erased: true, ..event(7, 2) };
        let rows = activity.count(vec![event(7, 1), gone]).await.unwrap();
        assert_eq!((totals(&rows), rows[0].version.count()), (vec![("7", None)], 2));
    }
}

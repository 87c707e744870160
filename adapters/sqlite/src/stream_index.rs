//! Which streams a log has, by category and in the order of their ids, with their versions: an event store reads by stream
//! and by position only.
//!
//! The index follows the log when it is asked, never by itself: who appends pays nothing for it. It can be built again from
//! the log at any time, and is where it is of another history.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use madrigal_core::{Fault, Position, StreamVersion};
use madrigal_event_store::DynEventStore;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use crate::database::{Database, DatabaseOptions};
use crate::migrations::Migration;
use crate::parked::{number, unsigned};
use crate::sql;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "streams by category",
    sql: "CREATE TABLE streams (
            category TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
            PRIMARY KEY (category, id)) WITHOUT ROWID, STRICT;
          CREATE TABLE indexed_through (
            one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, position INTEGER NOT NULL) STRICT;",
}];

/// Events that are looked at for one transaction.
const EVENTS_AT_ONCE: usize = 10_000;
/// The most streams of one page.
const MAX_PAGE: usize = 1_000;

/// The streams of some categories of a log, in a file of their own. Cheap to clone.
#[derive(Clone)]
pub struct StreamIndex {
    parts: Arc<Parts>,
}

struct Parts {
    database: Database,
    store: DynEventStore,
    categories: &'static [&'static str],
    /// Held while the log is followed.
    following: tokio::sync::Mutex<()>,
    /// How far it is, once it was read.
    indexed: AtomicU64,
}

/// [`Parts::indexed`] before it was read.
const UNKNOWN: u64 = u64::MAX;

impl StreamIndex {
    /// The index in this file, over the streams of these categories.
    ///
    /// # Errors
    /// A [`Fault`] where the file cannot be opened.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(
        path: impl AsRef<std::path::Path>,
        store: DynEventStore,
        categories: &'static [&'static str],
    ) -> Result<Self, Fault> {
        // Read in the order of the keys and written in batches: a small cache does.
        let options = DatabaseOptions { readers: 2, cache_kib: 2_048, ..DatabaseOptions::REBUILDABLE };
        let database = Database::open(path, options).await?;
        database.migrate("stream-index", STEPS).await?;
        let following = tokio::sync::Mutex::new(());
        let indexed = AtomicU64::new(UNKNOWN);
        Ok(Self { parts: Arc::new(Parts { database, store, categories, following, indexed }) })
    }

    /// The log.
    pub fn store(&self) -> &DynEventStore {
        &self.parts.store
    }

    /// Takes in everything that is durable in the log now.
    ///
    /// # Errors
    /// A [`Fault`] if an engine broke.
    ///
    /// # Cancellation
    /// Safe: what was not committed is looked at again.
    pub async fn follow(&self) -> Result<(), Fault> {
        let end = self.parts.store.end();
        let known = self.parts.indexed.load(Ordering::Acquire);
        if known != UNKNOWN && known >= end.0 {
            return Ok(());
        }
        let _following = self.parts.following.lock().await;
        let mut at = match self.parts.indexed.load(Ordering::Acquire) {
            UNKNOWN => self.begin().await?,
            known => Position(known),
        };
        while at < end {
            at = self.follow_some(at).await?;
            self.parts.indexed.store(at.0, Ordering::Release);
        }
        self.parts.indexed.store(at.0, Ordering::Release);
        Ok(())
    }

    /// Of which history the index is, and over what: one of other categories lacks the older streams of those that came.
    fn made_of(&self) -> String {
        format!("{}/{}", self.parts.store.epoch(), self.parts.categories.join(","))
    }

    /// Where to go on; an index of another history, or of other categories, is emptied first.
    async fn begin(&self) -> Result<Position, Fault> {
        let (made_of, end) = (self.made_of(), self.parts.store.end());
        let kept = self.parts.database.read("indexed-through", |connection| {
            let row = connection.query_row("SELECT epoch, position FROM indexed_through", [], |row| {
                Ok((row.get::<_, String>(0)?, unsigned(row.get(1)?)))
            });
            row.optional()
        });
        match kept.await? {
            Some((kept, position)) if kept == made_of && position <= end.0 => Ok(Position(position)),
            _ => {
                let cleared = self
                    .parts
                    .database
                    .write("clear-index", |tx| tx.execute_batch("DELETE FROM streams; DELETE FROM indexed_through;"));
                cleared.await?;
                Ok(Position::START)
            }
        }
    }

    async fn follow_some(&self, after: Position) -> Result<Position, Fault> {
        let read = self
            .parts
            .store
            .read_log(after, EVENTS_AT_ONCE)
            .await
            .map_err(|error| error.into_fault("sqlite", "index-streams"))?;
        let mut heads: HashMap<(&'static str, String), StreamVersion> = HashMap::new();
        for event in &read.events {
            let category = event.stream.category();
            if let Some(known) = self.parts.categories.iter().find(|known| **known == category) {
                heads.insert((known, event.stream.id().to_owned()), event.version());
            }
        }
        let (made_of, through) = (self.made_of(), read.scanned_through);
        self.parts.database.write("index-streams", move |tx| take(tx, heads, &made_of, through)).await?;
        Ok(through)
    }

    /// How far these streams of a category are, by id; those that it does not have are left out. Everything that was durable
    /// when it was asked is in.
    ///
    /// # Errors
    /// A [`Fault`] if an engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only, but for the index itself.
    pub async fn versions(
        &self,
        category: &'static str,
        ids: Vec<String>,
    ) -> Result<HashMap<String, StreamVersion>, Fault> {
        self.follow().await?;
        let read = self.parts.database.read("versions-of-streams", move |connection| {
            let mut select =
                connection.prepare_cached("SELECT version FROM streams WHERE category = ?1 AND id = ?2")?;
            let mut versions = HashMap::with_capacity(ids.len());
            for id in ids {
                let version = select.query_row([category, id.as_str()], |row| row.get(0)).optional()?;
                if let Some(version) = version {
                    versions.insert(id, StreamVersion(unsigned(version)));
                }
            }
            Ok(versions)
        });
        read.await
    }

    /// The streams of a category after one id and through another, in the order of their ids' bytes; at most `limit`, and
    /// no more than 1,000. Everything that was durable when it was asked is in.
    ///
    /// # Errors
    /// A [`Fault`] if an engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only, but for the index itself.
    pub async fn page(
        &self,
        category: &'static str,
        after: Option<String>,
        through: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, StreamVersion)>, Fault> {
        self.follow().await?;
        let limit = limit.clamp(1, MAX_PAGE);
        let read = self.parts.database.read("list-streams", move |connection| {
            let mut statement = "SELECT id, version FROM streams WHERE category = ?1".to_owned();
            let mut values = vec![Value::Text(category.to_owned())];
            for (bound, beyond) in [(after, ">"), (through, "<=")] {
                if let Some(bound) = bound {
                    values.push(Value::Text(bound));
                    statement.push_str(&format!(" AND id {beyond} ?{}", values.len()));
                }
            }
            statement.push_str(&format!(" ORDER BY id LIMIT {limit}"));
            let mut select = connection.prepare_cached(&statement)?;
            let rows = select
                .query_map(params_from_iter(values), |row| Ok((row.get(0)?, StreamVersion(unsigned(row.get(1)?)))))?;
            rows.collect()
        });
        read.await
    }
}

impl std::fmt::Debug for StreamIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamIndex").field("categories", &self.parts.categories).finish_non_exhaustive()
    }
}

fn take(
    tx: &sql::Transaction<'_>,
    heads: HashMap<(&'static str, String), StreamVersion>,
    made_of: &str,
    through: Position,
) -> sql::Result<()> {
    // In the order of the keys: neighbouring pages.
    let mut heads: Vec<_> = heads.into_iter().collect();
    heads.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let mut upsert = tx.prepare_cached(
        "INSERT INTO streams (category, id, version) VALUES (?1, ?2, ?3)
         ON CONFLICT (category, id) DO UPDATE SET version = excluded.version",
    )?;
    for ((category, id), version) in heads {
        upsert.execute(params![category, id, number(version.0)])?;
    }
    tx.prepare_cached(
        "INSERT INTO indexed_through (one, epoch, position) VALUES (1, ?1, ?2)
         ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch, position = excluded.position",
    )?
    .execute(params![made_of, number(through.0)])?;
    Ok(())
}

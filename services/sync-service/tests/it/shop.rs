//! An owner with a real change log, and a sync-service that tells four copies.

use std::path::PathBuf;
use std::sync::Arc;

use madrigal_cdc::RowVersions;
use madrigal_contracts::copies::{CopyKeeper, answering};
use madrigal_core::{Fault, Host, LogName};
use madrigal_http::calls::{Calls, Neighbour};
use madrigal_sqlite::changes::{CaptureOptions, CaptureTable, SqliteChanges};
use madrigal_sqlite::{Database, DatabaseOptions};
use madrigal_sync_service::capture::Capture;
use madrigal_sync_service::{SyncConfig, SyncNeighbours, SyncService};

use crate::kept::Kept;

const TABLES: &str = "
  CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, email TEXT, username TEXT, password_hash TEXT, profile TEXT,
    created_at TEXT, updated_at TEXT, version INTEGER);
  CREATE TABLE IF NOT EXISTS user_events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, user_id INTEGER,
    event_type TEXT, schema_version INTEGER, event_data TEXT, metadata TEXT, created_at TEXT);";

/// The owner's database, and the copies.
pub(crate) struct Shop {
    dir: tempfile::TempDir,
    pub(crate) owner: Database,
    pub(crate) changes: SqliteChanges,
    pub(crate) key_value: Kept,
    pub(crate) index: Kept,
    pub(crate) analytics: Kept,
    pub(crate) activity: Kept,
    pub(crate) host: Host,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::system();
        let (owner, changes) = owner(&dir.path().join("owner.db"), &host).await;
        let [key_value, index, analytics, activity] =
            ["users.key-value", "users.index", "users.analytics", "users.activity"].map(Kept::new);
        Self { dir, owner, changes, key_value, index, analytics, activity, host }
    }

    pub(crate) fn copies_of_users(&self) -> [&Kept; 3] {
        [&self.key_value, &self.index, &self.analytics]
    }

    pub(crate) fn owner_file(&self) -> PathBuf {
        self.dir.path().join("owner.db")
    }

    pub(crate) fn sync_file(&self) -> PathBuf {
        self.dir.path().join("sync").join("sync.sqlite")
    }

    pub(crate) async fn sync(&self) -> SyncService {
        self.sync_with(Vec::new()).await.unwrap()
    }

    pub(crate) async fn sync_with(&self, transformers: Vec<serde_json::Value>) -> Result<SyncService, Fault> {
        let keeping = |service, copies: &[&Kept]| {
            let copies = copies.iter().map(|copy| Arc::new((*copy).clone()) as Arc<dyn CopyKeeper>).collect();
            Neighbour::round_trip(Arc::new(answering(Calls::new(service), copies)))
        };
        let neighbours = SyncNeighbours {
            changes: Arc::new(self.changes.clone()),
            users: keeping("user-service", &[&self.key_value, &self.activity]),
            catalog: keeping("catalog-service", &[&self.index]),
            analytics: Some(keeping("analytics-service", &[&self.analytics])),
            topics: Vec::new(),
        };
        let config = SyncConfig { transformers, ..SyncConfig::in_dir(self.dir.path().join("sync")) };
        SyncService::open(config, neighbours, self.host.clone()).await
    }

    /// Makes or changes a user; the version is counted.
    pub(crate) async fn put(&self, id: i64, email: &str) {
        self.put_profile(id, email, r#"{"firstName":"Anna"}"#).await;
    }

    pub(crate) async fn put_profile(&self, id: i64, email: &str, profile: &str) {
        let (email, profile) = (email.to_owned(), profile.to_owned());
        let put = self.owner.write("put", move |tx| {
            tx.execute(
                "INSERT INTO users VALUES (?1, ?2, 'user' || ?1, '$argon2id$secret', ?3, '2026-01-01T00:00:00.000000Z',
                   '2026-01-01T00:00:00.000000Z', 1)
                 ON CONFLICT (id) DO UPDATE SET email = excluded.email, profile = excluded.profile,
                   version = users.version + 1",
                (id, email, profile),
            )
        });
        put.await.unwrap();
    }

    pub(crate) async fn delete(&self, id: i64) {
        self.owner.write("delete", move |tx| tx.execute("DELETE FROM users WHERE id = ?1", [id])).await.unwrap();
    }

    pub(crate) async fn event(&self, user: i64, schema_version: i64) {
        let added = self.owner.write("event", move |tx| {
            tx.execute(
                "INSERT INTO user_events (id, user_id, event_type, schema_version, event_data, metadata, created_at)
                 VALUES (hex(randomblob(8)), ?1, 'UserLoggedIn', ?2, '{}', '{}', '2026-01-02T00:00:00.000000Z')",
                (user, schema_version),
            )
        });
        added.await.unwrap();
    }

    /// What every copy should have: e-mail addresses by user.
    pub(crate) async fn emails(&self) -> Vec<(i64, String)> {
        let read = self.owner.read("emails", |connection| {
            let mut select = connection.prepare("SELECT id, email FROM users ORDER BY id")?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        });
        read.await.unwrap()
    }

    /// All copies of users have what the owner has.
    pub(crate) async fn agree(&self) {
        let owner = self.emails().await;
        for copy in self.copies_of_users() {
            let copied: Vec<(i64, String)> =
                copy.live().iter().map(|(id, row)| (*id, row["email"].as_str().unwrap().to_owned())).collect();
            assert_eq!(copied, owner);
        }
    }
}

/// The only capture.
pub(crate) fn capture(sync: &SyncService) -> &Capture {
    &sync.captures()[0]
}

pub(crate) async fn caught_up(sync: &SyncService) {
    capture(sync).catch_up().await.unwrap();
}

async fn owner(path: &std::path::Path, host: &Host) -> (Database, SqliteChanges) {
    let owner = Database::open(path, DatabaseOptions::REBUILDABLE).await.unwrap();
    owner.write("tables", |tx| tx.execute_batch(TABLES)).await.unwrap();
    let tables = vec![
        CaptureTable { table: "users", versions: RowVersions::column("version"), secret: &["password_hash"] },
        CaptureTable { table: "user_events", versions: RowVersions::immutable(), secret: &[] },
    ];
    let options = CaptureOptions::new(LogName::parse("users").unwrap());
    let changes = SqliteChanges::open(owner.clone(), tables, options, host).await.unwrap();
    (owner, changes)
}

//! Change capture: the contract, and what is SQLite's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_cdc::{ChangeSource, Changes, DynChangeSource, Key, Op, ReadChangesError, Retelling, RowVersions};
use madrigal_conformance::change_source::{CapturedStore, DynCapturedStore, End};
use madrigal_core::{Host, LogName, Position};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollFrom, Start};
use madrigal_sqlite::{CaptureOptions, CaptureTable, Database, DatabaseOptions, Migration, SqliteChanges};
use rusqlite::Connection;
use tempfile::TempDir;

madrigal_conformance::change_source_suite!(sqlite_store);

/// The trigger raises the version where a writer does not, as that of `users` does.
const TABLES: &[Migration] = &[Migration {
    version: 1,
    name: "people and notes",
    sql:
        "CREATE TABLE people (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL,
            version INTEGER NOT NULL DEFAULT 1) STRICT;
          CREATE TRIGGER every_writer_counts AFTER UPDATE ON people WHEN NEW.version = OLD.version
          BEGIN UPDATE people SET version = OLD.version + 1 WHERE id = NEW.id; END;
          CREATE TABLE notes (book TEXT NOT NULL, page INTEGER NOT NULL, line, PRIMARY KEY (book, page)) WITHOUT ROWID;",
}];

pub(crate) struct Store {
    pub(crate) path: PathBuf,
    pub(crate) database: Database,
    pub(crate) changes: SqliteChanges,
}

async fn sqlite_store() -> (DynCapturedStore, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    (Box::new(store), directory)
}

pub(crate) async fn open(directory: &Path) -> Store {
    let path = directory.join("people.sqlite");
    let database = Database::open(&path, DatabaseOptions::REBUILDABLE).await.unwrap();
    database.migrate("people", TABLES).await.unwrap();
    let changes = captured(&database, people(&["password_hash"]), 1_000).await.unwrap();
    Store { path, database, changes }
}

fn people(secret: &'static [&'static str]) -> Vec<CaptureTable> {
    vec![
        CaptureTable { table: "people", versions: RowVersions::column("version"), secret },
        CaptureTable { table: "notes", versions: RowVersions::immutable(), secret: &[] },
    ]
}

async fn captured(
    database: &Database,
    tables: Vec<CaptureTable>,
    cap: u64,
) -> Result<SqliteChanges, madrigal_core::Fault> {
    let options = CaptureOptions { cap, keep: 0, ..CaptureOptions::new(LogName::parse("people").unwrap()) };
    SqliteChanges::open(database.clone(), tables, options, &Host::system()).await
}

/// Another program: a connection of its own, with SQLite's defaults.
pub(crate) fn other_program(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

#[async_trait]
impl CapturedStore for Store {
    fn source(&self) -> DynChangeSource {
        std::sync::Arc::new(self.changes.clone())
    }

    async fn run(&self, sql: &str, end: End) {
        let mut other = other_program(&self.path);
        let tx = other.transaction().unwrap();
        tx.execute_batch(sql).unwrap();
        match end {
            End::Commit => tx.commit().unwrap(),
            End::Rollback => tx.rollback().unwrap(),
        }
    }

    async fn prune_everything(&self) {
        let at = Checkpoint { epoch: self.changes.epoch(), position: self.changes.end().await.unwrap() };
        self.changes.acknowledge("everything", at).await.unwrap();
        self.changes.prune().await.unwrap();
        self.changes.forget_consumer("everything").await.unwrap();
    }

    async fn kept(&self) -> String {
        dump(&self.path)
    }
}

/// The rows of the log's tables.
fn dump(path: &Path) -> String {
    let other = other_program(path);
    let mut text = String::new();
    for (table, columns) in [
        ("changes", "id || op || key || coalesce(row_before, '') || coalesce(row_after, '')"),
        ("changes_before", "row_before"),
    ] {
        let mut select = other.prepare(&format!("SELECT {columns} FROM {table}")).unwrap();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            text.push_str(&row.get::<_, String>(0).unwrap());
            text.push('\n');
        }
    }
    text
}

async fn all(changes: &SqliteChanges) -> Changes {
    changes.read(PollFrom::Start(Start::Earliest), 10_000, Duration::ZERO).await.unwrap()
}

fn ops(changes: &Changes) -> String {
    changes.changes.iter().map(|placed| placed.change.op.letter()).collect()
}

const ANNA: &str = "INSERT INTO people (id, name, password_hash) VALUES (1, 'Anna', 'hidden-1')";

#[tokio::test]
async fn rows_that_were_there_before_are_told_as_read_and_only_once() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path().join("people.sqlite"), DatabaseOptions::REBUILDABLE).await.unwrap();
    database.migrate("people", TABLES).await.unwrap();
    other_program(database.path()).execute_batch(ANNA).unwrap();
    for _ in 0..2 {
        let changes = captured(&database, people(&["password_hash"]), 1_000).await.unwrap();
        let read = all(&changes).await;
        assert_eq!(ops(&read), "r");
        assert_eq!(read.changes[0].change.after.as_ref().unwrap().get("name").unwrap().as_str(), Some("Anna"));
    }
    assert!(!dump(database.path()).contains("hidden"));
}

#[tokio::test]
async fn changes_and_their_places_survive_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.run(ANNA, End::Commit).await;
    let before = all(&store.changes).await;
    drop(store);
    // Nobody has the file open: every writer counts.
    other_program(&directory.path().join("people.sqlite")).execute_batch("UPDATE people SET name = 'Ana'").unwrap();
    let store = open(directory.path()).await;
    let read = store.changes.read(PollFrom::After(checkpoint(&before)), 10, Duration::ZERO).await.unwrap();
    assert_eq!((ops(&read).as_str(), read.epoch), ("u", before.epoch));
}

fn checkpoint(changes: &Changes) -> Checkpoint {
    Checkpoint { epoch: changes.epoch, position: changes.scanned_through }
}

#[tokio::test]
async fn triggers_that_were_taken_away_begin_a_new_epoch_that_tells_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.run(ANNA, End::Commit).await;
    let before = all(&store.changes).await;
    for taken in ["DROP TRIGGER changes_of_people_insert", "DROP TRIGGER changes_of_people_delete"] {
        let unseen = "INSERT INTO people (name, password_hash) VALUES ('unseen' || random(), 'x')";
        store.run(&format!("{taken}; {unseen}"), End::Commit).await;
        let changes = captured(&store.database, people(&["password_hash"]), 1_000).await.unwrap();
        assert_ne!(changes.epoch(), before.epoch);
        let refused = changes.read(PollFrom::After(checkpoint(&before)), 10, Duration::ZERO).await;
        assert!(matches!(refused, Err(ReadChangesError::OtherEpoch { .. })), "{refused:?}");
        let people: i64 =
            other_program(&store.path).query_row("SELECT count(*) FROM people", [], |row| row.get(0)).unwrap();
        // Nothing of before: a row that was deleted unseen would come back.
        let told = all(&changes).await;
        assert!(told.changes.iter().all(|placed| placed.change.op == Op::Read));
        assert_eq!(i64::try_from(told.changes.len()).unwrap(), people);
        assert!(told.changes[0].position > before.end);
    }
}

#[tokio::test]
async fn a_file_of_another_time_begins_a_new_epoch_where_its_log_was_ended() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.run(ANNA, End::Commit).await;
    let before = all(&store.changes).await;
    store.run("DELETE FROM changes_log", End::Commit).await;
    let changes = captured(&store.database, people(&["password_hash"]), 1_000).await.unwrap();
    let read = all(&changes).await;
    assert_ne!(read.epoch, before.epoch);
    assert_eq!(ops(&read), "r");
    let again = captured(&store.database, people(&["password_hash"]), 1_000).await.unwrap();
    assert_eq!(all(&again).await, read);
}

#[tokio::test]
async fn a_new_column_is_told_from_the_next_start_on_in_the_same_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let epoch = store.changes.epoch();
    store.run("ALTER TABLE people ADD COLUMN city TEXT", End::Commit).await;
    let changes = captured(&store.database, people(&["password_hash"]), 1_000).await.unwrap();
    store.run("INSERT INTO people (name, password_hash, city) VALUES ('Eva', 'x', 'Brno')", End::Commit).await;
    let read = all(&changes).await;
    assert_eq!((ops(&read).as_str(), changes.epoch()), ("c", epoch));
    assert_eq!(read.changes[0].change.after.as_ref().unwrap().get("city").unwrap().as_str(), Some("Brno"));
}

#[tokio::test]
async fn a_column_that_becomes_secret_is_told_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let changes = captured(&store.database, people(&["password_hash", "name"]), 1_000).await.unwrap();
    store.run(ANNA, End::Commit).await;
    assert!(!dump(&store.path).contains("Anna"));
    assert_eq!(ops(&all(&changes).await), "c");
}

#[tokio::test]
async fn what_cannot_be_captured_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.run("CREATE TABLE loose (text TEXT)", End::Commit).await;
    let table =
        |table, column: &str, secret| vec![CaptureTable { table, versions: RowVersions::column(column), secret }];
    for (tables, why) in [
        (table("nobody", "version", &[][..]), "no table nobody"),
        (table("people", "version", &["pasword"]), "no column pasword"),
        (table("people", "revision", &[]), "no column revision"),
        (table("people", "version", &["version"]), "no column version"),
        (table("people", "version", &["id"]), "is its key"),
        (table("loose", "text", &[]), "no primary key"),
    ] {
        let refused = captured(&store.database, tables, 10).await.unwrap_err();
        assert!(refused.chain().contains(why), "{}", refused.chain());
    }
}

#[tokio::test]
async fn what_replace_deletes_is_told_by_the_services_own_connection() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.run(ANNA, End::Commit).await;
    // Put together, because a test of the architecture looks for it in all sources.
    let replace = ["INSERT OR", "REPLACE", "INTO people (id, name, password_hash) VALUES (9, 'Anna', 'x')"].join(" ");
    store.database.write("test", move |tx| tx.execute(&replace, [])).await.unwrap();
    let read = all(&store.changes).await;
    let told: Vec<_> =
        read.changes.iter().map(|placed| (placed.change.op, placed.change.key().unwrap().to_string())).collect();
    let id = |id: i64| Key::of("id", id).unwrap().to_string();
    assert_eq!(told, [(Op::Create, id(1)), (Op::Delete, id(1)), (Op::Create, id(9))]);
}

#[tokio::test]
async fn bytes_quotes_and_large_numbers_are_told_as_json_can() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    for (page, line, expected) in [
        (1, "x'00FFa0'", serde_json::json!("00ffa0")),
        (2, "'it''s \"žluť\"\n\\'", serde_json::json!("it's \"žluť\"\n\\")),
        (3, "9223372036854775807", serde_json::json!(i64::MAX)),
        (4, "NULL", serde_json::Value::Null),
        (5, "'{\"a\":1}'", serde_json::json!("{\"a\":1}")),
        (6, "0.1", serde_json::json!(0.1)),
    ] {
        store.run(&format!("INSERT INTO notes VALUES ('b', {page}, {line})"), End::Commit).await;
        let read = all(&store.changes).await;
        let last = read.changes.last().unwrap().change.after.clone().unwrap();
        assert_eq!(last.get("line").unwrap().to_json(), expected);
    }
}

#[tokio::test]
async fn changes_wait_for_the_slowest_consumer_up_to_the_cap_which_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let changes = captured(&store.database, people(&["password_hash"]), 5).await.unwrap();
    let at = |position: u64| Checkpoint { epoch: changes.epoch(), position: Position(position) };
    let insert = |page: i64| format!("INSERT INTO notes VALUES ('b', {page}, 'l')");
    for page in 1..=4 {
        store.run(&insert(page), End::Commit).await;
    }
    assert_eq!(changes.prune().await.unwrap(), 0, "nobody has said what it has");
    changes.acknowledge("fast", at(4)).await.unwrap();
    changes.acknowledge("slow", at(2)).await.unwrap();
    changes.acknowledge("slow", at(1)).await.unwrap();
    assert_eq!(changes.prune().await.unwrap(), 2, "up to the slowest, who does not go back");
    for page in 5..=9 {
        store.run(&insert(page), End::Commit).await;
    }
    assert_eq!(changes.prune().await.unwrap(), 2, "beyond the cap nobody is waited for");
    let status = changes.status().await.unwrap();
    assert_eq!((status.kept, status.cap, status.pruned_through, status.end), (5, 5, Position(4), Position(9)));
    let consumers: Vec<_> = status.consumers.iter().map(|one| (one.name.as_str(), one.behind, one.lost)).collect();
    assert_eq!(consumers, [("fast", 5, false), ("slow", 7, true)]);
    let refused = changes.read(PollFrom::After(at(2)), 10, Duration::ZERO).await;
    assert!(matches!(refused, Err(ReadChangesError::Pruned { kept_after: Position(4), .. })), "{refused:?}");
    // Places are never given out twice, also where the newest change is gone.
    changes.forget_consumer("slow").await.unwrap();
    changes.acknowledge("fast", at(9)).await.unwrap();
    changes.prune().await.unwrap();
    store.run(&insert(10), End::Commit).await;
    assert_eq!(all(&changes).await.changes[0].position, Position(10));
}

#[tokio::test]
async fn the_newest_changes_are_kept_for_readers_that_do_not_acknowledge() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let options = CaptureOptions { keep: 3, ..CaptureOptions::new(LogName::parse("people").unwrap()) };
    let changes = SqliteChanges::open(store.database, people(&[]), options, &Host::system()).await.unwrap();
    for page in 1..=5 {
        other_program(&store.path).execute("INSERT INTO notes VALUES ('b', ?1, 'l')", [page]).unwrap();
    }
    let end = Checkpoint { epoch: changes.epoch(), position: Position(5) };
    changes.acknowledge("fast", end).await.unwrap();
    assert_eq!(changes.prune().await.unwrap(), 2);
    assert_eq!(all(&changes).await.changes.len(), 3);
}

#[tokio::test]
async fn rows_are_told_again_in_order_with_what_happens_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    for page in 1..=2_345 {
        store
            .database
            .write("test", move |tx| tx.execute("INSERT INTO notes VALUES ('b', ?1, 'l')", [page]))
            .await
            .unwrap();
    }
    let before = all(&store.changes).await;
    let end = store.changes.retell("notes", None).await.unwrap();
    assert_eq!(end.0 - before.end.0, 2_345, "each row once");
    let key = |page: i64| Key::new(madrigal_cdc::Row::new().with("book", "b").with("page", page)).unwrap();
    store.run("DELETE FROM notes WHERE page = 7", End::Commit).await;
    let end = store.changes.retell("notes", Some(&[key(7), key(8)])).await.unwrap();
    let from = PollFrom::After(Checkpoint { epoch: before.epoch, position: Position(end.0 - 2) });
    let read = store.changes.read(from, 10, Duration::ZERO).await.unwrap();
    assert_eq!(ops(&read), "dr");
    assert_eq!(read.changes[1].change.key(), Some(&key(8)));
}

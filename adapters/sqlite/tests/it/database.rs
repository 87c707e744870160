//! Transactions, refusals and migrations.

use futures::future::join_all;
use madrigal_core::{FaultOutcome, FaultRetry};
use madrigal_sqlite::{Database, DatabaseOptions, Migration, sql};
use tempfile::TempDir;

use crate::ports::database;

const FIRST: &[Migration] =
    &[Migration { version: 1, name: "names", sql: "CREATE TABLE names (name TEXT PRIMARY KEY) STRICT" }];
const SECOND: &[Migration] =
    &[FIRST[0], Migration { version: 2, name: "ages", sql: "ALTER TABLE names ADD COLUMN age INTEGER" }];
const CHANGED: &[Migration] =
    &[Migration { version: 1, name: "names", sql: "CREATE TABLE names (name TEXT PRIMARY KEY, x TEXT) STRICT" }];
const BROKEN: &[Migration] = &[
    FIRST[0],
    Migration { version: 2, name: "ages", sql: "CREATE TABLE more (x TEXT); ALTER TABLE nowhere ADD COLUMN y TEXT" },
];

async fn fresh() -> (Database, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let database = database(&directory).await;
    database.migrate("test", FIRST).await.unwrap();
    (database, directory)
}

async fn names(database: &Database) -> i64 {
    database.read("count", |reader| reader.query_row("SELECT count(*) FROM names", [], |row| row.get(0))).await.unwrap()
}

fn add(tx: &sql::Transaction<'_>, name: &str) -> sql::Result<usize> {
    tx.execute("INSERT INTO names (name) VALUES (?1)", [name])
}

#[tokio::test]
async fn an_error_a_refusal_and_a_panic_undo_the_transaction() {
    let (database, _directory) = fresh().await;
    let error = database.write("test", |tx| add(tx, "a").and_then(|_| tx.execute("NONSENSE", []))).await.unwrap_err();
    assert_eq!((error.outcome, error.retry), (FaultOutcome::NotApplied, FaultRetry::Never));
    let refusal = database.decide("test", |tx| add(tx, "a").map(|_| Err::<(), _>("taken"))).await.unwrap();
    assert_eq!(refusal, Err("taken"));
    let panicked = database.write("test", |tx| -> sql::Result<()> {
        add(tx, "a")?;
        panic!("as told")
    });
    panicked.await.unwrap_err();
    assert_eq!(names(&database).await, 0);
    database.write("test", |tx| add(tx, "a")).await.unwrap();
    assert_eq!(names(&database).await, 1);
}

#[tokio::test]
async fn a_taken_name_can_be_told_from_other_errors() {
    let (database, _directory) = fresh().await;
    let add_twice = |tx: &sql::Transaction<'_>| {
        add(tx, "a")?;
        match add(tx, "a") {
            Err(error) if sql::is_unique_violation(&error) => Ok(Err("taken")),
            other => other.map(Ok),
        }
    };
    assert_eq!(database.decide("test", add_twice).await.unwrap(), Err("taken"));
    let other = database.write("test", |tx| {
        let missing = tx.execute("INSERT INTO names (name) VALUES (NULL)", []).unwrap_err();
        Ok(sql::is_unique_violation(&missing))
    });
    assert!(!other.await.unwrap());
}

#[tokio::test]
async fn a_reader_cannot_write_and_sees_what_is_committed() {
    let (database, _directory) = fresh().await;
    database.read("test", |reader| reader.execute("DELETE FROM names", [])).await.unwrap_err();
    for count in 1..=20_i64 {
        database.write("test", move |tx| add(tx, &count.to_string())).await.unwrap();
        assert_eq!(names(&database).await, count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_take_turns_and_readers_do_not_wait_for_them() {
    let (database, _directory) = fresh().await;
    let writers = (0..100).map(|number| {
        let database = database.clone();
        async move { database.write("test", move |tx| add(tx, &number.to_string())).await }
    });
    let readers = (0..100).map(|_| names(&database));
    let (written, _) = tokio::join!(join_all(writers), join_all(readers));
    assert!(written.into_iter().all(|result| result.is_ok()));
    assert_eq!(names(&database).await, 100);
}

#[tokio::test]
async fn steps_run_once_and_in_order() {
    let (database, _directory) = fresh().await;
    database.migrate("test", SECOND).await.unwrap();
    database.migrate("test", SECOND).await.unwrap();
    let columns = |reader: &sql::Connection| reader.prepare("SELECT * FROM names").map(|names| names.column_count());
    assert_eq!(database.read("columns", columns).await.unwrap(), 2);
}

#[tokio::test]
async fn a_file_of_a_newer_program_and_a_changed_step_are_refused() {
    let (database, _directory) = fresh().await;
    let changed = database.migrate("test", CHANGED).await.unwrap_err();
    assert!(changed.chain().contains("was changed after it ran"), "{}", changed.chain());
    database.migrate("test", SECOND).await.unwrap();
    let older = database.migrate("test", FIRST).await.unwrap_err();
    assert!(older.chain().contains("use a newer program"), "{}", older.chain());
    assert_eq!(older.retry, FaultRetry::Never);
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_behind() {
    let (database, _directory) = fresh().await;
    database.migrate("test", BROKEN).await.unwrap_err();
    let more = |reader: &sql::Connection| reader.table_exists(None, "more");
    assert!(!database.read("test", more).await.unwrap());
    database.migrate("test", SECOND).await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd.sqlite");
    std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
    let refused = Database::open(&path, DatabaseOptions::SYNCED).await.unwrap_err();
    assert_eq!((refused.engine, refused.retry), ("sqlite", FaultRetry::Never));
    let nowhere = Database::open(directory.path().join("no/such/place.sqlite"), DatabaseOptions::SYNCED).await;
    nowhere.unwrap_err();
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_survived() {
    let (database, _directory) = fresh().await;
    // SQLite counts pages against a bound of its own, with the same error as a full disk.
    let bound = |tx: &sql::Transaction<'_>| tx.query_row("PRAGMA max_page_count = 20", [], |_| Ok(()));
    database.write("bound", bound).await.unwrap();
    let large = |tx: &sql::Transaction<'_>| add(tx, &"x".repeat(1 << 20));
    let full = database.write("test", large).await.unwrap_err();
    assert!(matches!(full.retry, FaultRetry::After(_)), "{}", full.chain());
    assert_eq!(full.outcome, FaultOutcome::NotApplied);
    database.write("test", |tx| add(tx, "small")).await.unwrap();
    assert_eq!(names(&database).await, 1);
}

//! The contract of [`ChangeSource`](madrigal_cdc::ChangeSource): one function for each rule, run on an empty store.
//!
//! [`change_source_suite!`](crate::change_source_suite) makes a test of each for an implementation. The store has two
//! tables, captured from the beginning:
//!
//! * `people (id, name, password_hash, version)`: key `id`, whole numbers; `password_hash` is secret; `version` is raised by
//!   the store at every update, by a trigger of the table where the writer does not do it;
//! * `notes (book, page, line)`: key `(book, page)`, a text and a whole number; its rows have no version.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_cdc::{Change, Changes, ChunkError, DynChangeSource, Key, Op, PlacedChange, ReadChangesError, Row, Value};
use madrigal_core::{LogEpoch, Position};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollFrom, Start};

/// A database under test.
#[async_trait]
pub trait CapturedStore: Send + Sync {
    /// Its source.
    fn source(&self) -> DynChangeSource;

    /// Runs SQL as another program would, not through the source: all of it in one transaction.
    async fn run(&self, sql: &str, end: End);

    /// Prunes all that is there, whoever may still want it.
    async fn prune_everything(&self);

    /// Everything that stands in the tables of the log and what is sent, as text.
    async fn kept(&self) -> String;
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Committed.
    Commit,
    /// Undone.
    Rollback,
}

/// A store behind a pointer.
pub type DynCapturedStore = Box<dyn CapturedStore>;

/// Makes one test for each case. `$make` is an async function that returns a store and whatever keeps it alive.
#[macro_export]
macro_rules! change_source_suite {
    ($make:path) => {
        $crate::change_source_suite!(@cases $make:
            every_committed_change_comes_once_and_in_order
            what_was_undone_never_comes
            an_update_tells_the_row_before_and_after_it_once
            a_changed_key_is_a_delete_and_a_create
            secret_columns_never_leave
            tables_are_described
            the_watermark_advances_where_nothing_happens
            a_read_that_waits_returns_when_something_happens
            reading_in_parts_is_reading_all
            checkpoints_that_cannot_be_used_are_refused
            a_reader_before_what_is_kept_is_told_so
            chunks_follow_each_other_and_end
            rows_are_read_by_their_keys
            a_chunk_is_of_one_moment_between_its_watermarks
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _alive) = $make().await;
                $crate::change_source::$case(store).await;
            }
        )+
    };
}

const ALL: usize = 10_000;
const AT_ONCE: Duration = Duration::ZERO;
/// Only a broken source waits as long.
const LONG: Duration = Duration::from_secs(30);

async fn all(source: &DynChangeSource) -> Changes {
    source.read(PollFrom::Start(Start::Earliest), ALL, AT_ONCE).await.unwrap()
}

fn after(changes: &Changes) -> PollFrom {
    PollFrom::After(Checkpoint { epoch: changes.epoch, position: changes.scanned_through })
}

fn person(id: i64) -> Key {
    Key::of("id", id).unwrap()
}

fn page(book: &str, page: i64) -> Key {
    Key::new(Row::new().with("book", book).with("page", page)).unwrap()
}

/// Letter, key and the name before and after.
fn told(changes: &[PlacedChange]) -> Vec<(&'static str, String, Option<String>, Option<String>)> {
    let name = |row: &Option<Row>| {
        let value = row.as_ref()?.get("name").or_else(|| row.as_ref()?.get("line"))?.clone();
        Some(value.as_str().unwrap_or("?").to_owned())
    };
    let told = |change: &Change| {
        (change.op.letter(), change.key().unwrap().to_string(), name(&change.before), name(&change.after))
    };
    changes.iter().map(|placed| told(&placed.change)).collect()
}

fn line(
    op: &'static str,
    key: &Key,
    before: Option<&str>,
    after: Option<&str>,
) -> (&'static str, String, Option<String>, Option<String>) {
    (op, key.to_string(), before.map(str::to_owned), after.map(str::to_owned))
}

const ANNA: &str = "INSERT INTO people (id, name, password_hash) VALUES (1, 'Anna', 'hidden-1')";
const BEN: &str = "INSERT INTO people (id, name, password_hash) VALUES (2, 'Ben', 'hidden-2')";

/// Whoever writes; positions rise.
pub async fn every_committed_change_comes_once_and_in_order(store: DynCapturedStore) {
    store.run(ANNA, End::Commit).await;
    store.run(&format!("{BEN}; INSERT INTO notes (book, page, line) VALUES ('b', 1, 'one')"), End::Commit).await;
    store.run("UPDATE people SET name = 'Ana' WHERE id = 1; DELETE FROM people WHERE id = 2", End::Commit).await;
    store.run("UPDATE notes SET line = 'uno'", End::Commit).await;
    let read = all(&store.source()).await;
    let expected = [
        line("c", &person(1), None, Some("Anna")),
        line("c", &person(2), None, Some("Ben")),
        line("c", &page("b", 1), None, Some("one")),
        line("u", &person(1), Some("Anna"), Some("Ana")),
        line("d", &person(2), Some("Ben"), None),
        line("u", &page("b", 1), Some("one"), Some("uno")),
    ];
    assert_eq!(told(&read.changes), expected);
    assert!(read.changes.windows(2).all(|pair| pair[0].position < pair[1].position));
    let tables: Vec<&str> = read.changes.iter().map(|placed| placed.change.source.table.as_str()).collect();
    assert_eq!(tables, ["people", "people", "notes", "people", "people", "notes"]);
    let again = store.source().read(after(&read), ALL, AT_ONCE).await.unwrap();
    assert_eq!(again.changes, []);
}

/// And leaves no place behind that a reader would wait for.
pub async fn what_was_undone_never_comes(store: DynCapturedStore) {
    store.run(ANNA, End::Rollback).await;
    store.run(BEN, End::Commit).await;
    store.run("UPDATE people SET name = 'Bob' WHERE id = 2; DELETE FROM people WHERE id = 2", End::Rollback).await;
    let read = all(&store.source()).await;
    assert_eq!(told(&read.changes), [line("c", &person(2), None, Some("Ben"))]);
    assert_eq!(read.scanned_through, read.end);
}

/// Also where the table's own trigger follows it up to raise the version, and where several rows change in one statement.
pub async fn an_update_tells_the_row_before_and_after_it_once(store: DynCapturedStore) {
    store.run(&format!("{ANNA}; {BEN}"), End::Commit).await;
    let before = all(&store.source()).await;
    store.run("UPDATE people SET name = name || '!'", End::Commit).await;
    store.run("UPDATE people SET name = 'Ana', version = version + 1 WHERE id = 1", End::Commit).await;
    store
        .run("UPDATE people SET name = 'Bo' WHERE id = 2; UPDATE people SET name = 'B' WHERE id = 2", End::Commit)
        .await;
    let read = store.source().read(after(&before), ALL, AT_ONCE).await.unwrap();
    let expected = [
        line("u", &person(1), Some("Anna"), Some("Anna!")),
        line("u", &person(2), Some("Ben"), Some("Ben!")),
        line("u", &person(1), Some("Anna!"), Some("Ana")),
        line("u", &person(2), Some("Ben!"), Some("Bo")),
        line("u", &person(2), Some("Bo"), Some("B")),
    ];
    assert_eq!(told(&read.changes), expected);
    let tables = store.source().tables().await.unwrap();
    let versions = &tables.iter().find(|table| table.table == "people").unwrap().versions;
    let versions: Vec<(u64, u64)> = read
        .changes
        .iter()
        .map(|PlacedChange { change, .. }| {
            (versions.of_row(change.before.as_ref().unwrap()).unwrap().count(), versions.of(change).unwrap().count())
        })
        .collect();
    assert_eq!(versions, [(1, 2), (1, 2), (2, 3), (2, 3), (3, 4)]);
}

/// The row moves; nothing of it stays under the old key.
pub async fn a_changed_key_is_a_delete_and_a_create(store: DynCapturedStore) {
    store.run("INSERT INTO notes (book, page, line) VALUES ('b', 1, 'one')", End::Commit).await;
    let before = all(&store.source()).await;
    store.run("UPDATE notes SET page = 2, line = 'two'", End::Commit).await;
    let read = store.source().read(after(&before), ALL, AT_ONCE).await.unwrap();
    let expected = [line("d", &page("b", 1), Some("one"), None), line("c", &page("b", 2), None, Some("two"))];
    assert_eq!(told(&read.changes), expected);
}

/// Neither by changes nor by chunks, nor do they stand where changes wait to be read.
pub async fn secret_columns_never_leave(store: DynCapturedStore) {
    store.run(ANNA, End::Commit).await;
    store.run("UPDATE people SET password_hash = 'hidden-9' WHERE id = 1", End::Commit).await;
    store.run(BEN, End::Commit).await;
    store.run("DELETE FROM people WHERE id = 2", End::Commit).await;
    let read = all(&store.source()).await;
    let ops: Vec<Op> = read.changes.iter().map(|placed| placed.change.op).collect();
    assert_eq!(ops, [Op::Create, Op::Update, Op::Create, Op::Delete], "that it changed may be known");
    let chunk = store.source().chunk("people", None, ALL).await.unwrap();
    assert_eq!(chunk.rows.len(), 1);
    let sent = read.changes.iter().map(|placed| &placed.change).chain(&chunk.rows);
    let sent: Vec<String> =
        sent.map(|change| String::from_utf8(change.to_json().unwrap().as_bytes().to_vec()).unwrap()).collect();
    for text in sent.iter().chain([&store.kept().await]) {
        assert!(!text.contains("hidden"), "{text}");
    }
    assert!(sent.iter().all(|text| !text.contains("password_hash") && text.contains("name")));
}

/// With their keys, and which columns stay with their owner.
pub async fn tables_are_described(store: DynCapturedStore) {
    let tables = store.source().tables().await.unwrap();
    let of: HashMap<&str, _> = tables.iter().map(|table| (table.table.as_str(), table)).collect();
    let told: Vec<&str> = of["people"].told().map(|column| column.name.as_str()).collect();
    assert_eq!(told, ["id", "name", "version"]);
    assert!(of["people"].columns.iter().any(|column| column.name == "password_hash" && column.secret));
    assert_eq!(of["people"].key, ["id"]);
    assert_eq!(of["notes"].key, ["book", "page"]);
}

/// A quiet table says how far it is.
pub async fn the_watermark_advances_where_nothing_happens(store: DynCapturedStore) {
    let empty = all(&store.source()).await;
    assert_eq!((empty.changes.len(), empty.scanned_through), (0, empty.end));
    store.run(ANNA, End::Commit).await;
    let latest = store.source().read(PollFrom::Start(Start::Latest), ALL, AT_ONCE).await.unwrap();
    assert_eq!((latest.changes.len(), latest.scanned_through), (0, latest.end));
    assert!(latest.end > empty.end);
    let waited = store.source().read(after(&latest), ALL, Duration::from_millis(50)).await.unwrap();
    assert_eq!((waited.changes.len(), waited.scanned_through), (0, latest.end));
}

/// Whoever makes it happen.
pub async fn a_read_that_waits_returns_when_something_happens(store: DynCapturedStore) {
    let (source, latest) = (store.source(), all(&store.source()).await);
    let waiting = async { source.read(after(&latest), ALL, LONG).await.unwrap() };
    let (read, ()) = tokio::join!(waiting, store.run(ANNA, End::Commit));
    assert_eq!(told(&read.changes), [line("c", &person(1), None, Some("Anna"))]);
}

/// Whatever the size of the parts.
pub async fn reading_in_parts_is_reading_all(store: DynCapturedStore) {
    for id in 1..=7 {
        store
            .run(&format!("INSERT INTO people (id, name, password_hash) VALUES ({id}, 'p{id}', 'h')"), End::Commit)
            .await;
    }
    let whole = all(&store.source()).await;
    assert_eq!(whole.changes.len(), 7);
    for limit in [1, 2, 3, 7] {
        let mut from = PollFrom::Start(Start::Earliest);
        let mut parts = Vec::new();
        loop {
            let read = store.source().read(from, limit, AT_ONCE).await.unwrap();
            assert!(read.changes.len() <= limit);
            from = after(&read);
            let done = read.changes.is_empty();
            parts.extend(read.changes);
            if done {
                break;
            }
        }
        assert_eq!(parts, whole.changes, "{limit} at once");
    }
}

/// Of another epoch, or beyond the end.
pub async fn checkpoints_that_cannot_be_used_are_refused(store: DynCapturedStore) {
    store.run(ANNA, End::Commit).await;
    let read = all(&store.source()).await;
    let other = LogEpoch::from_uuid(madrigal_core::Host::seeded(7).uuid_v7());
    let from = PollFrom::After(Checkpoint { epoch: other, position: read.end });
    let refused = store.source().read(from, ALL, AT_ONCE).await;
    assert!(matches!(refused, Err(ReadChangesError::OtherEpoch { reader, .. }) if reader == other), "{refused:?}");
    let beyond = Position(read.end.0 + 1);
    let from = PollFrom::After(Checkpoint { epoch: read.epoch, position: beyond });
    let refused = store.source().read(from, ALL, AT_ONCE).await;
    assert!(matches!(refused, Err(ReadChangesError::BeyondEnd { reader, .. }) if reader == beyond), "{refused:?}");
}

/// Never by leaving changes out.
pub async fn a_reader_before_what_is_kept_is_told_so(store: DynCapturedStore) {
    store.run(ANNA, End::Commit).await;
    let first = all(&store.source()).await;
    store.run(BEN, End::Commit).await;
    store.prune_everything().await;
    let refused = store.source().read(after(&first), ALL, AT_ONCE).await;
    let Err(ReadChangesError::Pruned { reader, kept_after }) = refused else { panic!("{refused:?}") };
    assert_eq!(reader, first.scanned_through);
    let kept = PollFrom::After(Checkpoint { epoch: first.epoch, position: kept_after });
    store.run("UPDATE people SET name = 'Ana' WHERE id = 1", End::Commit).await;
    let read = store.source().read(kept, ALL, AT_ONCE).await.unwrap();
    assert_eq!(told(&read.changes), [line("u", &person(1), Some("Anna"), Some("Ana"))]);
}

/// In order of their keys, of whatever columns these are.
pub async fn chunks_follow_each_other_and_end(store: DynCapturedStore) {
    for (book, number) in [("b", 10), ("a", 2), ("b", 9), ("a", 11), ("c", 1)] {
        let sql = format!("INSERT INTO notes (book, page, line) VALUES ('{book}', {number}, 'l')");
        store.run(&sql, End::Commit).await;
    }
    let expected = [page("a", 2), page("a", 11), page("b", 9), page("b", 10), page("c", 1)];
    for limit in [1, 2, 5, 6] {
        let (mut next, mut keys) = (None, Vec::new());
        loop {
            let chunk = store.source().chunk("notes", next.as_ref(), limit).await.unwrap();
            assert!(chunk.rows.len() <= limit && chunk.low <= chunk.high);
            for row in &chunk.rows {
                assert_eq!((row.op, &row.before), (Op::Read, &None));
                assert_eq!(row.after.as_ref().unwrap().get("line"), Some(&Value::from("l")));
                assert!(row.source.snapshot.is_snapshot());
                keys.push(row.key().unwrap().clone());
            }
            next = chunk.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(keys, expected, "{limit} at once");
    }
    let unknown = store.source().chunk("secrets", None, ALL).await;
    assert!(matches!(unknown, Err(ChunkError::UnknownTable(_))), "{unknown:?}");
}

/// Keys without a row have none; what is no key of the table is refused.
pub async fn rows_are_read_by_their_keys(store: DynCapturedStore) {
    store.run(&format!("{ANNA}; {BEN}"), End::Commit).await;
    let chunk = store.source().rows("people", &[person(2), person(7)]).await.unwrap();
    let found: Vec<&Key> = chunk.rows.iter().map(|row| row.key().unwrap()).collect();
    assert_eq!((found, chunk.next), (vec![&person(2)], None));
    let refused = store.source().rows("people", &[page("b", 1)]).await;
    assert!(matches!(refused, Err(ChunkError::NotAKey(_))), "{refused:?}");
}

/// What the log says up to the low watermark is in it, what comes after the high one is not.
pub async fn a_chunk_is_of_one_moment_between_its_watermarks(store: DynCapturedStore) {
    store.run(&format!("{ANNA}; {BEN}"), End::Commit).await;
    store.run("UPDATE people SET name = 'Ana' WHERE id = 1", End::Commit).await;
    let before = all(&store.source()).await;
    let chunk = store.source().chunk("people", None, ALL).await.unwrap();
    store.run("UPDATE people SET name = 'An' WHERE id = 1", End::Commit).await;
    let later = store.source().read(after(&before), ALL, AT_ONCE).await.unwrap();
    assert!(chunk.low >= before.end && chunk.high < later.changes[0].position);
    assert_eq!(chunk.epoch, before.epoch);
    let names: Vec<_> = chunk.rows.iter().map(|row| row.after.as_ref().unwrap().get("name").cloned()).collect();
    assert_eq!(names, [Some("Ana".into()), Some("Ben".into())]);
}

//! The table of changes after a kill: what was committed is told, and nothing else, whatever the moment.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use madrigal_cdc::{ChangeSource, Key, Row};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollFrom, Start};

use crate::changes::{Store, open, other_program};

const DIRECTORY: &str = "MADRIGAL_TEST_CHANGES_CRASH_DIRECTORY";

/// The other process: writes until it is killed, telling what is committed; every third transaction is undone. Does nothing
/// in an ordinary run.
#[tokio::test]
async fn the_writer_that_is_killed() {
    let Some(directory) = madrigal_core::environment::variable(DIRECTORY) else { return };
    let store = open(directory.as_ref()).await;
    for n in 0i64.. {
        let written = store.database.decide("test", move |tx| {
            let (book, page) = (format!("b{}", n % 5), n % 7);
            tx.execute("DELETE FROM notes WHERE book = ?1 AND page = ?2", (&book, page + 1))?;
            tx.execute(
                "INSERT INTO notes VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET line = excluded.line",
                (&book, page, n),
            )?;
            tx.execute("INSERT INTO people (name, password_hash) VALUES (?1, 'x')", [format!("p{n}")])?;
            tx.execute("UPDATE people SET name = name || '.' WHERE id % 10 = ?1", [n % 10])?;
            Ok(if n % 3 == 2 { Err(()) } else { Ok(()) })
        });
        if written.await.unwrap().is_ok() {
            println!("\ncommitted {n}");
        }
    }
}

#[tokio::test]
async fn after_a_kill_the_log_tells_what_is_in_the_tables() {
    for kill_after in [1, 7, 40] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["changes_crash::the_writer_that_is_killed", "--exact", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("committed ").map(str::to_owned));
        let last: i64 = told.take(kill_after).last().unwrap().parse().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let survivor = open(directory.path()).await;
        let told = folded(&survivor).await;
        assert_eq!(told, tables(&survivor).await);
        let people = told.keys().filter(|key| key.contains("\"id\"")).count();
        assert!(i64::try_from(people).unwrap() > last * 2 / 3, "{people} people told after {last}");
    }
}

/// What a reader makes of the log, in small parts.
async fn folded(store: &Store) -> BTreeMap<String, String> {
    let mut copy = BTreeMap::new();
    let mut from = PollFrom::Start(Start::Earliest);
    loop {
        let read = store.changes.read(from, 7, Duration::ZERO).await.unwrap();
        if read.changes.is_empty() {
            return copy;
        }
        from = PollFrom::After(Checkpoint { epoch: read.epoch, position: read.scanned_through });
        for placed in read.changes {
            let key = placed.change.key().unwrap().to_string();
            match placed.change.after {
                Some(row) => drop(copy.insert(key, text(&row))),
                None => drop(copy.remove(&key)),
            }
        }
    }
}

/// The rows themselves.
async fn tables(store: &Store) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for table in ["people", "notes"] {
        let chunk = store.changes.chunk(table, None, 10_000).await.unwrap();
        rows.extend(chunk.rows.iter().map(|row| (row.key().unwrap().to_string(), text(row.after.as_ref().unwrap()))));
    }
    // Chunks are made by the same statements as changes, so one column is compared as the table has it.
    let other = other_program(&store.path);
    let mut select = other.prepare("SELECT id, name FROM people").unwrap();
    let mut found = select.query([]).unwrap();
    while let Some(row) = found.next().unwrap() {
        let (id, name): (i64, String) = (row.get(0).unwrap(), row.get(1).unwrap());
        assert!(rows[Key::of("id", id).unwrap().as_str()].contains(&format!("\"{name}\"")));
    }
    rows
}

fn text(row: &Row) -> String {
    serde_json::to_string(row).unwrap()
}

//! Snapshots of a file that others write to meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use madrigal_cdc::{Key, Op, Row, SnapshotReader};

use crate::changes::{Store, open, other_program};

/// Writes like another program: 300 transactions over a few rows, some of which are deleted and come back.
fn write(path: &Path, writer: i64) {
    let other = other_program(path);
    for n in 0..300i64 {
        let (page, line) = ((n * 7 + writer) % 40, n * 10 + writer);
        let sql = match n % 5 {
            0 => format!("DELETE FROM notes WHERE page = {page}"),
            _ => {
                format!("INSERT INTO notes VALUES ('b', {page}, {line}) ON CONFLICT DO UPDATE SET line = excluded.line")
            }
        };
        other.execute_batch(&sql).unwrap();
    }
}

/// Reads slower than is written, until all snapshots are over and the log is at its end; restarts the reader from what it
/// kept now and then.
async fn copied(store: &Store, finished: impl Fn() -> bool) -> BTreeMap<Key, serde_json::Value> {
    let source = || Arc::new(store.changes.clone());
    let mut copy = BTreeMap::new();
    let mut reader = SnapshotReader::new(source(), None, 3).await.unwrap();
    for turn in 1usize.. {
        let over = finished();
        let read = reader.next(1 + turn % 3, Duration::ZERO).await.unwrap();
        for placed in read.changes {
            let change = placed.change;
            let line = |row: &Row| row.get("line").unwrap().to_json();
            let key = change.key().cloned().unwrap();
            // What the change says of before is what the copy has: nothing came early, late or twice.
            if let (Some(has), true) = (copy.get(&key), change.op != Op::Read) {
                assert_eq!(change.before.as_ref().map(line).as_ref(), Some(has), "{key}");
            }
            match change.after {
                Some(row) => drop(copy.insert(key, line(&row))),
                None => drop(copy.remove(&key)),
            }
        }
        if over && read.progress.wanted.is_empty() && read.at.position == read.end {
            return copy;
        }
        if turn % 17 == 0 {
            let kept = Some((read.at, read.progress));
            reader = SnapshotReader::new(source(), kept, 3).await.unwrap();
        } else if turn % 23 == 0 && !over {
            reader.snapshots().want_table("notes");
        } else if turn % 29 == 0 && !over {
            reader.snapshots().want_keys("notes", copy.keys().take(4).cloned().collect());
        }
    }
    unreachable!("turns do not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_knows_no_versions_is_the_table_whoever_writes_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let fill = "WITH RECURSIVE n(p) AS (SELECT 0 UNION ALL SELECT p + 1 FROM n WHERE p < 60) INSERT INTO notes SELECT 'b', p, -1 FROM n";
    other_program(&store.path).execute_batch(fill).unwrap();
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let path = store.path.clone();
            std::thread::spawn(move || write(&path, writer))
        })
        .collect();
    let copy = copied(&store, || writers.iter().all(std::thread::JoinHandle::is_finished)).await;
    writers.into_iter().for_each(|writer| writer.join().unwrap());

    let other = other_program(&store.path);
    let mut select = other.prepare("SELECT json_object('book', book, 'page', page), line FROM notes").unwrap();
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
    let table: BTreeMap<String, serde_json::Value> =
        rows.map(|row| row.map(|(key, line)| (key, line.into())).unwrap()).collect();
    let copy: BTreeMap<String, serde_json::Value> =
        copy.into_iter().map(|(key, line)| (key.to_string(), line)).collect();
    assert_eq!(copy, table);
    assert!(table.len() > 20);
}

//! The peer that runs in the same process: SQLite.

use std::path::Path;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};

use super::appends::{Load, Outcome};
use crate::latency::Latencies;
use crate::process::Usage;
use crate::report::check;

/// Inserts batches into a table, each in a transaction that is synced.
pub(super) fn insert(dir: &Path, load: Load, limit: Duration, stop: &StopSignal) -> anyhow::Result<Outcome> {
    let path = dir.join("peer.sqlite");
    let mut database = rusqlite::Connection::open(&path)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, payload BLOB NOT NULL)", [])?;
    let payload = vec![7u8; load.bytes];
    let before = Usage::now();
    let (mut latencies, began) = (Latencies::new()?, tasks::instant());
    while latencies.count() == 0 || began.elapsed() < limit {
        check(stop)?;
        let call = tasks::instant();
        let transaction = database.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO events (payload) VALUES (?1)")?;
            for _ in 0..load.batch {
                insert.execute([&payload])?;
            }
        }
        transaction.commit()?;
        latencies.record(call.elapsed());
    }
    let (took, used) = (began.elapsed(), Usage::now().since(&before));
    drop(database);
    for file in ["peer.sqlite", "peer.sqlite-wal", "peer.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.join(file));
    }
    Ok(Outcome { records: latencies.count() * u64::from(load.batch), failures: 0, latencies, took, used })
}

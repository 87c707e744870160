//! The contract suites, on files.

use std::sync::Arc;

use madrigal_conformance::projection_kit::{check_projection, history};
use madrigal_core::{Host, RecordedEvent};
use madrigal_projection::{ApplyError, Columns, DynOffsets, DynViewStore, Interest, Projection};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteOffsets, SqliteViews};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

mod views {
    madrigal_conformance::view_store_suite!(super::sqlite_views);
}

mod offsets {
    madrigal_conformance::offsets_suite!(super::sqlite_offsets);
}

pub(crate) async fn database(directory: &TempDir) -> Database {
    Database::open(directory.path().join("test.sqlite"), DatabaseOptions::REBUILDABLE).await.unwrap()
}

async fn sqlite_views() -> (DynViewStore, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let views = SqliteViews::open(database(&directory).await).await.unwrap();
    (Arc::new(views), directory)
}

async fn sqlite_offsets() -> (DynOffsets, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let offsets = SqliteOffsets::open(database(&directory).await).await.unwrap();
    (Arc::new(offsets), directory)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) sum: i64,
    label: String,
}

/// Sums `n` per stream; a negative number is poison, `Ended` deletes.
pub(crate) struct Sums;

impl Projection for Sums {
    type Row = Sum;

    fn name(&self) -> &'static str {
        "sums"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["sum", "label"]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Ok(Interest::own(event))
    }

    fn apply(&self, key: &str, row: Option<Sum>, event: &RecordedEvent) -> Result<Option<Sum>, ApplyError> {
        if event.event_type == *"Ended" {
            return Ok(None);
        }
        let data: Value = event.decode()?;
        let n = data["n"].as_i64().filter(|n| *n >= 0).ok_or_else(|| ApplyError::refused("no number"))?;
        let label = format!("it's \"{key}\" ž");
        Ok(Some(Sum { sum: row.map_or(0, |row| row.sum) + n, label }))
    }

    fn columns(&self, row: &Sum) -> Columns {
        Columns::none().with("sum", row.sum).with("label", row.label.as_str())
    }
}

#[tokio::test]
async fn the_same_history_gives_the_same_view_whatever_happens_on_the_way() {
    let mut events: Vec<(String, &str, Value)> = Vec::new();
    for n in 0..40 {
        events.push((format!("sum-{}", n % 7), "Counted", json!({"n": n})));
        if n % 11 == 3 {
            events.push((format!("sum-{}", n % 7), "Ended", json!({})));
        }
    }
    events.push(("sum-3".to_owned(), "Counted", json!({"n": -1})));
    events.push(("sum-3".to_owned(), "Counted", json!({"n": 1})));
    events.push(("sum-4".to_owned(), "Counted", json!({"n": 1})));
    let borrowed: Vec<(&str, &str, Value)> =
        events.iter().map(|(stream, kind, data)| (stream.as_str(), *kind, data.clone())).collect();
    check_projection(|| Sums, sqlite_views, history(&Host::system(), &borrowed).await).await;
}

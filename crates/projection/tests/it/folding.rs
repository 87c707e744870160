//! Folds that are odd in themselves.

use std::collections::HashMap;
use std::sync::Arc;

use madrigal_core::{Host, RecordedEvent};
use madrigal_projection::{
    ApplyError, Columns, DynViewStore, Interest, MemoryViews, ParkedFilter, Projection, ProjectionRunner, RunnerOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::shop::{append, log};

/// Counts events per stream, naming its key twice; what `Odd` events bring cannot be stored.
struct Stubborn;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Count {
    events: u32,
    undeclared: bool,
    /// JSON's objects have texts as keys; others refuse to serialise.
    map: HashMap<Option<u8>, u8>,
}

impl Projection for Stubborn {
    type Row = Count;

    fn name(&self) -> &'static str {
        "stubborn"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        let data: Value = event.decode()?;
        let key = event.stream.id().to_owned();
        match data["keys"].as_u64() {
            Some(many) => Ok(Interest::Keys((0..many).map(|key| key.to_string()).collect())),
            None => Ok(Interest::Keys(vec![key.clone(), key])),
        }
    }

    fn apply(&self, _: &str, row: Option<Count>, event: &RecordedEvent) -> Result<Option<Count>, ApplyError> {
        let (mut row, data): (Count, Value) = (row.unwrap_or_default(), event.decode()?);
        row.events += 1;
        row.undeclared = data["undeclared"] == json!(true);
        if data["unstorable"] == json!(true) {
            row.map.insert(None, 0);
        }
        Ok(Some(row))
    }

    fn columns(&self, row: &Count) -> Columns {
        if row.undeclared { Columns::none().with("colour", 1) } else { Columns::none() }
    }
}

#[tokio::test]
async fn an_event_that_names_a_row_twice_is_applied_once() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    append(&log, "count-a", "Counted", json!({})).await;
    append(&log, "count-a", "Counted", json!({})).await;
    let runner = ProjectionRunner::new(Stubborn, log, views, Host::system(), RunnerOptions::default()).unwrap();
    runner.catch_up().await.unwrap();
    assert_eq!(runner.reader().get("a").await.unwrap().unwrap().row.events, 2);
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_parks_its_key_as_it_was_before() {
    for (odd, cause) in [("undeclared", "column colour"), ("unstorable", "the row is no JSON")] {
        let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
        append(&log, "count-a", "Counted", json!({})).await;
        append(&log, "count-b", "Counted", json!({})).await;
        let runner = ProjectionRunner::new(Stubborn, Arc::clone(&log), views, Host::system(), RunnerOptions::default());
        let runner = runner.unwrap();
        runner.catch_up().await.unwrap();
        append(&log, "count-a", "Odd", json!({odd: true})).await;
        append(&log, "count-b", "Counted", json!({})).await;
        runner.catch_up().await.unwrap();
        let events = async |key: &str| runner.reader().get(key).await.unwrap().unwrap().row.events;
        assert_eq!((events("a").await, events("b").await), (1, 2), "{odd}");
        let parked = runner.control().parked(ParkedFilter::default()).await.unwrap();
        assert!(parked[0].cause.contains(cause), "{}", parked[0].cause);
    }
}

#[tokio::test]
async fn an_event_that_concerns_too_many_rows_is_parked() {
    let (log, views): (_, DynViewStore) = (log(), Arc::new(MemoryViews::new()));
    append(&log, "count-a", "Counted", json!({"keys": 1_000})).await;
    append(&log, "count-b", "Counted", json!({"keys": 1_001})).await;
    let runner = ProjectionRunner::new(Stubborn, log, views, Host::system(), RunnerOptions::default()).unwrap();
    runner.catch_up().await.unwrap();
    assert!(runner.reader().get("999").await.unwrap().is_some());
    let parked = runner.control().parked(ParkedFilter::default()).await.unwrap();
    assert_eq!(parked[0].lane, "stream/count-b");
}

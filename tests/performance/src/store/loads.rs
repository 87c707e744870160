//! Loading aggregates: all their events, or a snapshot and the events after it.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use madrigal_core::{EventType, ExpectedVersion, Host, JsonBytes, StreamName, tasks};
use madrigal_event_store::{Aggregate, Aggregates, DynEventStore, EventData, JournalEventStore};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteSnapshots};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Options, fill};
use crate::cold;
use crate::latency::Latencies;
use crate::report::{Report, Wanted, check};

/// Events after the snapshot that a load reads.
const AFTER_SNAPSHOT: u64 = 10;
/// Entries that the state keeps: about a kilobyte of JSON.
const KEPT: usize = 20;

pub(super) async fn measure(
    store: &Arc<JournalEventStore>,
    dir: &Path,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (shared, host): (DynEventStore, Host) = (store.clone(), Host::system());
    let snapshots_dir = report.dir().join("snapshots");
    std::fs::create_dir_all(&snapshots_dir)?;
    let database = Database::open(snapshots_dir.join("snapshots.sqlite"), DatabaseOptions::REBUILDABLE).await?;
    let snapshots = Arc::new(SqliteSnapshots::open(database).await?);
    let plain = Aggregates::new(Arc::clone(&shared), &host);
    let keeping = plain.clone().with_snapshots(snapshots.clone(), 1);
    let reading = plain.clone().with_snapshots(snapshots, u64::MAX);
    report.line(&format!(
        "{:>9} {:>9} {:>6} {:>7} {:>10} {:>10} {:>12}",
        "stream", "snapshot", "files", "loads", "p50 µs", "p99 µs", "events/s"
    ));
    let mut rows = Vec::new();
    for &length in &options.streams {
        let stream = fill::measured(length)?;
        for with_snapshot in [false, true] {
            if with_snapshot {
                keeping.load::<Stock>(&stream).await?;
                fill::append(store, stream.clone(), AFTER_SNAPSHOT, ExpectedVersion::Any).await?;
            }
            let aggregates = if with_snapshot { &reading } else { &plain };
            for state in ["cold", "warm"] {
                let forget = (state == "cold").then_some([dir, &snapshots_dir]);
                let times = if state == "cold" { options.loads.div_ceil(5) } else { options.loads };
                let (latencies, read) = loads(aggregates, &stream, times, forget, report).await?;
                let seconds = latencies.micros(0.5).max(1) as f64 / 1e6;
                report.line(&format!(
                    "{length:>9} {:>9} {state:>6} {times:>7} {:>10} {:>10} {:>12.0}",
                    if with_snapshot { "with" } else { "without" },
                    latencies.micros(0.5),
                    latencies.micros(0.99),
                    read as f64 / seconds
                ));
                rows.push(json!({
                    "stream": length, "snapshot": with_snapshot, "files": state, "eventsRead": read,
                    "latency": latencies.json(),
                }));
            }
        }
    }
    let longest: Vec<f64> = rows
        .iter()
        .filter(|row| row["stream"] == 100_000 && row["snapshot"] == true)
        .filter_map(|row| row["latency"]["p99Micros"].as_f64())
        .collect();
    if let Some(worst) = longest.into_iter().reduce(f64::max) {
        report.goal("ms to load 100,000 events with a snapshot, p99, cold or warm", Wanted::AtMost(5.0), worst / 1e3);
    }
    report.put("loads", Value::Array(rows));
    Ok(())
}

/// Loads the stream so often; how long each took, and how many events were read each time.
async fn loads(
    aggregates: &Aggregates,
    stream: &StreamName,
    times: u64,
    forget: Option<[&Path; 2]>,
    report: &Report,
) -> anyhow::Result<(Latencies, u64)> {
    let (mut latencies, mut read) = (Latencies::new()?, 0);
    for _ in 0..times {
        check(report.stop())?;
        for dir in forget.iter().flatten() {
            cold::forget(dir)?;
        }
        let call = tasks::instant();
        let loaded = aggregates.load::<Stock>(stream).await?;
        latencies.record(call.elapsed());
        anyhow::ensure!(loaded.state.events == loaded.version.0, "{stream} was folded wrongly");
        read = loaded.events_read;
    }
    Ok((latencies, read))
}

/// What the events fold to: sums, and the latest entries.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct StockState {
    events: u64,
    quantity: i64,
    amount: i64,
    latest: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    product_id: String,
    quantity: i64,
    amount: i64,
    reason: String,
}

struct Stock;

impl Aggregate for Stock {
    type State = StockState;
    type Command = ();
    type Event = Taken;
    type Rejection = ();
    const STATE_FORM: u64 = 1;

    fn decide(_: &StockState, (): &()) -> Result<Vec<Taken>, ()> {
        Ok(Vec::new())
    }

    fn evolve(mut state: StockState, event: &Taken) -> StockState {
        state.events += 1;
        state.quantity += event.quantity;
        state.amount += event.amount;
        if state.latest.len() == KEPT {
            state.latest.remove(0);
        }
        state.latest.push(event.product_id.clone());
        state
    }
}

impl EventData for Taken {
    #[expect(clippy::expect_used, reason = "the text is a constant of letters")]
    fn event_type(&self) -> EventType {
        EventType::parse("StockTaken").expect("letters")
    }

    fn schema_version(&self) -> u16 {
        1
    }

    fn to_json(&self) -> Result<JsonBytes, serde_json::Error> {
        JsonBytes::of(self)
    }

    fn from_json(_: &EventType, data: &JsonBytes) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(data.decode()?)
    }
}

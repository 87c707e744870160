//! Folding orders into the order view: in memory and into SQLite, while it is read.

mod history;
mod made_up;
mod reads;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, Position};
use madrigal_event_store::{DynEventStore, open_log};
use madrigal_order_service::projections::order_view::{OrderView, OrderViewProjection};
use madrigal_projection::{DynViewStore, Interest, MemoryViews, Projection, ProjectionRunner, RunnerOptions};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteViews};
use serde_json::{Value, json};

use self::history::History;
use self::made_up::MadeUpLog;
use crate::process::Usage;
use crate::report::{Common, Report, Tell, Wanted, check, count};

/// Folds the events of orders into the order view, with order-service's own code.
///
/// Five events an order of 1 to 5 lines: created, paid and confirmed in one piece, shipped a thousand orders later. First
/// without a runner (decode and fold), then by a runner into memory, from a log that is made up as it is read and from a journal,
/// then from the journal into SQLite (synced at its checkpoints: a view can be rebuilt), and beside the view that serves.
/// Into SQLite, the view is read meanwhile: every other time one order, else a page of 50; latency counts from the moment
/// at which a read was due.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How many events.
    #[arg(long, value_name = "NUMBER", default_value = "1000000", value_parser = count)]
    pub events: u64,
    /// Reads a second of the view while it is built in SQLite; 0 leaves them out.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub reads: u32,
    /// Events that a runner applies at once where it is far behind.
    #[arg(long, value_name = "EVENTS", default_value_t = RunnerOptions::default().batch_behind as u64, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub batch: u64,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// Runs it.
///
/// # Errors
/// Where the disk refuses, an event cannot be applied, or [`crate::Interrupted`].
pub async fn run(options: &Options, tell: Tell, stop: &StopSignal) -> anyhow::Result<Value> {
    let settings = json!({
        "events": options.events, "eventsAnOrder": history::EVENTS, "readsPerSecond": options.reads,
        "batch": options.batch, "projection": "order-view",
    });
    let durability = "the log: fdatasync before every answer; the view: rebuildable, synced at SQLite's checkpoints";
    let mut report = Report::begin("projection", &options.common, &settings, durability, tell, stop)?;
    let orders = options.events.div_ceil(history::EVENTS);
    let history = Arc::new(History::new(orders)?);
    report.line(&format!("orders      {orders}, {} bytes of data on average in an event", history.average_bytes()));
    report.line(&format!(
        "{:<44} {:>11} {:>9} {:>14} | {:>9} {:>10} {:>10} {:>8}",
        "", "events/s", "µs/event", "CPU µs/event", "reads", "p50 µs", "p99 µs", "failed"
    ));
    let bare = bare(&history, &report)?;
    let bare_rate = bare["eventsPerSecond"].as_f64();
    report.put("decodeAndFold", bare);
    let made_up: DynEventStore = Arc::new(MadeUpLog::new(Arc::clone(&history))?);
    let in_memory = || Arc::new(MemoryViews::new()) as DynViewStore;
    let measured = catch_up("runner, memory, log made up", made_up, in_memory(), options, 0, &report).await?;
    report.put("memoryFromNothing", measured);
    let log = open_log(report.dir().join("journal"), "order", &Host::system()).await?;
    let filled = history::fill(&log, &history, orders, &report).await?;
    report.put("fill", filled);
    let measured = catch_up("runner, memory, from the journal", log.clone(), in_memory(), options, 0, &report).await?;
    let memory_rate = measured["eventsPerSecond"].as_f64();
    report.put("memory", measured);
    let (first, beside) = into_sqlite(&log, options, &report).await?;
    let sqlite_rate = first["eventsPerSecond"].as_f64();
    report.put("sqlite", first);
    report.put("sqliteBeside", beside);
    if let Some(rate) = bare_rate {
        report.goal("events a second decoded and folded in memory, one thread", Wanted::AtLeast(500_000.0), rate);
    }
    if let Some(rate) = memory_rate {
        report.goal("events a second by the runner from the journal into memory", Wanted::AtLeast(500_000.0), rate);
    }
    if let Some(rate) = sqlite_rate {
        report.goal("events a second from the journal into SQLite, read meanwhile", Wanted::AtLeast(50_000.0), rate);
    }
    report.finish()
}

/// Decodes and folds every event on this thread, rows in a map: what the projection's own code costs. What making the events
/// up costs is taken off.
fn bare(history: &History, report: &Report) -> anyhow::Result<Value> {
    let mut rows: HashMap<String, OrderView> = HashMap::new();
    let (before, began) = (Usage::now(), tasks::instant());
    for position in 1..=history.end().0 {
        std::hint::black_box(history.recorded(Position(position)));
    }
    let (making, made_in) = (Usage::now().since(&before).cpu, began.elapsed());
    let (before, began) = (Usage::now(), tasks::instant());
    for position in 1..=history.end().0 {
        let event = history.recorded(Position(position));
        if let Interest::Key(key) = OrderViewProjection.keys(&event)? {
            let row = rows.remove(&key);
            if let Some(row) = OrderViewProjection.apply(&key, row, &event)? {
                rows.insert(key, row);
            }
        }
        if position % 10_000 == 0 {
            check(report.stop())?;
        }
    }
    let cpu = Usage::now().since(&before).cpu.saturating_sub(making);
    let took = began.elapsed().saturating_sub(made_in).max(Duration::from_nanos(1));
    Ok(row(report, "decode and fold, one thread, no runner", history.end().0, took, cpu, None))
}

/// Applies everything that is in the log.
async fn catch_up(
    name: &str,
    log: DynEventStore,
    views: DynViewStore,
    options: &Options,
    reads: u32,
    report: &Report,
) -> anyhow::Result<Value> {
    let runner = runner(log, views, options)?;
    run_to_the_end(name, &runner, reads, report).await
}

fn runner(
    log: DynEventStore,
    views: DynViewStore,
    options: &Options,
) -> anyhow::Result<ProjectionRunner<OrderViewProjection>> {
    let batch_behind = usize::try_from(options.batch)?;
    let defaults = RunnerOptions::for_service("order-service");
    let options = RunnerOptions { batch_behind, batch: defaults.batch.min(batch_behind), ..defaults };
    Ok(ProjectionRunner::new(OrderViewProjection, log, views, Host::system(), options)?)
}

async fn run_to_the_end(
    name: &str,
    runner: &ProjectionRunner<OrderViewProjection>,
    reads: u32,
    report: &Report,
) -> anyhow::Result<Value> {
    let done = StopSignal::new();
    let reading = (reads > 0).then(|| tasks::spawn("reads", reads::read(runner.reader(), reads, done.clone())));
    let (began, before) = (tasks::instant(), Usage::now());
    let folding = runner.clone();
    let end = tasks::spawn("fold", async move { folding.catch_up().await }).await??;
    let (took, cpu) = (began.elapsed(), Usage::now().since(&before).cpu);
    done.cancel();
    let read = match reading {
        Some(reading) => Some(reading.await??),
        None => None,
    };
    let parked = runner.reader().lag().await?.parked_lanes;
    anyhow::ensure!(parked == 0, "{parked} orders have events that the view cannot apply");
    Ok(row(report, name, end.0, took, cpu, read))
}

/// Into an empty view, then into a candidate beside it.
async fn into_sqlite(log: &DynEventStore, options: &Options, report: &Report) -> anyhow::Result<(Value, Value)> {
    let views = sqlite_views(&report.dir().join("views.sqlite")).await?;
    let runner = runner(log.clone(), views, options)?;
    let first = run_to_the_end("runner, SQLite, from the journal", &runner, options.reads, report).await?;
    runner.managed().rebuild().await?;
    let beside = run_to_the_end("a candidate beside it", &runner, options.reads, report).await?;
    Ok((first, beside))
}

async fn sqlite_views(path: &Path) -> anyhow::Result<DynViewStore> {
    let database = Database::open(path, DatabaseOptions::REBUILDABLE).await?;
    Ok(Arc::new(SqliteViews::open(database).await?))
}

fn row(report: &Report, name: &str, events: u64, took: Duration, cpu: Duration, read: Option<reads::Outcome>) -> Value {
    let per_event = |span: Duration| span.as_secs_f64() * 1e6 / events.max(1) as f64;
    let rate = events as f64 / took.as_secs_f64();
    let mut line = format!("{name:<44} {rate:>11.0} {:>9.2} {:>14.2}", per_event(took), per_event(cpu));
    let mut told = json!({
        "events": events, "eventsPerSecond": rate, "microsPerEvent": per_event(took),
        "cpuMicrosPerEvent": per_event(cpu),
    });
    if let Some(read) = read {
        let of = &read.latencies;
        let (count, p50, p99) = (of.count(), of.micros(0.5), of.micros(0.99));
        line.push_str(&format!(" | {count:>9} {p50:>10} {p99:>10} {:>8}", read.failures));
        told["reads"] = json!({ "latency": of.json(), "failures": read.failures });
    }
    report.line(&line);
    told
}

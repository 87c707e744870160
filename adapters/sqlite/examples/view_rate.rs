//! How many events a second are folded into a view: in memory, and into SQLite; rows of orders, five events an order.
//!
//! `cargo run --release -p madrigal-sqlite --example view_rate -- [orders] [threads]`
#![expect(clippy::print_stdout, reason = "a measurement tells its result")]

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::{
    CorrelationId, EventId, EventType, Fault, Host, JsonBytes, LogEpoch, LogName, Metadata, Position, RecordedEvent,
    StreamName, StreamVersion, Timestamp, tasks,
};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};
use madrigal_projection::{
    ApplyError, Columns, DynViewStore, Interest, MemoryViews, Projection, ProjectionRunner, RunnerOptions,
};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteViews};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    product: String,
    name: String,
    quantity: u32,
    price: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    user: i64,
    status: String,
    lines: Vec<Line>,
    total: i64,
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct Created {
    user: i64,
    lines: Vec<Line>,
    total: i64,
}

#[derive(Deserialize)]
struct Changed {
    status: String,
}

struct Orders;

impl Projection for Orders {
    type Row = Order;

    fn name(&self) -> &'static str {
        "order-view"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["user_id", "status"]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Ok(Interest::own(event))
    }

    fn apply(&self, _: &str, row: Option<Order>, event: &RecordedEvent) -> Result<Option<Order>, ApplyError> {
        if event.event_type == *"OrderCreated" {
            let Created { user, lines, total } = event.decode()?;
            return Ok(Some(Order { user, status: "pending".to_owned(), lines, total, notes: Vec::new() }));
        }
        let mut order = row.ok_or_else(|| ApplyError::refused("no such order"))?;
        order.status = event.decode::<Changed>()?.status;
        Ok(Some(order))
    }

    fn columns(&self, row: &Order) -> Columns {
        Columns::none().with("user_id", row.user).with("status", row.status.as_str())
    }
}

/// A log that makes its events up as it is read, so that the log costs little and holds nothing: five events an order, the
/// first two of an order next to each other (as a saga writes them), the others among those of a thousand later orders.
struct MadeUp {
    name: LogName,
    epoch: LogEpoch,
    orders: u64,
    streams: Vec<StreamName>,
    data: [(EventType, JsonBytes); 5],
    correlation: CorrelationId,
    host: Host,
}

impl MadeUp {
    fn new(orders: u64) -> Result<Self, Box<dyn Error>> {
        let host = Host::system();
        let lines: Vec<_> = (0..3)
            .map(|line| json!({"product": format!("0198c5a0-77{line}"), "name": "A quite ordinary product", "quantity": 2, "price": 1_299}))
            .collect();
        let event = |event_type: &str, data: serde_json::Value| {
            let event_type = EventType::parse(event_type).ok_or("not a type")?;
            Ok::<_, Box<dyn Error>>((event_type, JsonBytes::of(&data)?))
        };
        let data = [
            event("OrderCreated", json!({"user": 42, "lines": lines, "total": 7_794}))?,
            event("OrderStatusChanged", json!({"status": "confirmed"}))?,
            event("PaymentProcessed", json!({"status": "paid"}))?,
            event("OrderShipped", json!({"status": "shipped"}))?,
            event("OrderDelivered", json!({"status": "delivered"}))?,
        ];
        let streams = (0..orders).map(|_| StreamName::new("order", host.uuid_v7())).collect::<Result<_, _>>()?;
        let (name, epoch) = (LogName::parse("orders").ok_or("not a name")?, LogEpoch::new(&host));
        Ok(Self { name, epoch, orders, streams, data, correlation: CorrelationId::new(&host), host })
    }

    fn event(&self, position: u64, now: Timestamp) -> RecordedEvent {
        let (turn, kind) = ((position - 1) / 5, (position - 1) % 5);
        let order = match kind {
            0 | 1 => turn,
            // Before there are so many, the later events are the order's own.
            later => turn.checked_sub((later - 1) * 1_000).unwrap_or(turn),
        };
        let (event_type, event_data) = &self.data[usize::try_from(kind).unwrap_or(0)];
        RecordedEvent {
            event_id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(position))),
            stream: self.streams[usize::try_from(order).unwrap_or(0)].clone(),
            event_type: event_type.clone(),
            schema_version: 1,
            event_data: event_data.clone(),
            metadata: Metadata {
                timestamp: now,
                version: StreamVersion(kind + 1),
                causation_id: None,
                correlation_id: Some(self.correlation.clone()),
                user_id: None,
                traceparent: None,
            },
            position: Position(position),
        }
    }
}

#[async_trait]
impl EventStore for MadeUp {
    fn log(&self) -> &LogName {
        &self.name
    }

    fn epoch(&self) -> LogEpoch {
        self.epoch
    }

    fn end(&self) -> Position {
        Position(self.orders * 5)
    }

    async fn append_many(&self, _: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        Err(Fault::permanent("made-up", "append", "read-only").into())
    }

    async fn read_stream(&self, _: &StreamName, _: StreamRead) -> Result<StreamSlice, Fault> {
        Err(Fault::permanent("made-up", "read-stream", "only the log is made up"))
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        let end = self.end();
        let through = end.0.min(after.0 + limit as u64);
        let now = self.host.now();
        let events = (after.0 + 1..=through).map(|position| self.event(position, now)).collect();
        Ok(LogRead { events, scanned_through: Position(through), end })
    }

    async fn wait_beyond(&self, _: Position, _: std::time::Duration) -> Result<Position, WaitError> {
        Err(WaitError::TimedOut { end: self.end() })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
async fn measure(name: &str, orders: u64, views: DynViewStore, options: RunnerOptions) -> Result<(), Box<dyn Error>> {
    let log: DynEventStore = Arc::new(MadeUp::new(orders)?);
    let runner = ProjectionRunner::new(Orders, log, views, Host::system(), options)?;
    let (begun, cpu_begun) = (tasks::instant(), cpu_seconds());
    let events = runner.catch_up().await?.0;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu_begun);
    let parked = runner.reader().lag().await?.parked_lanes;
    let (rate, cpu_rate) = (events as f64 / seconds, events as f64 / cpu);
    println!(
        "{name}: {events} events in {seconds:.2} s: {rate:.0} a second, {cpu_rate:.0} a CPU second, {parked} parked"
    );
    Ok(())
}

/// The CPU time of this process, all threads, on systems that tell it in `/proc`: on a busy machine the steadier figure.
/// The kernel counts it in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let number = |index, default| std::env::args().nth(index).map_or(Ok(default), |text| text.parse());
    let orders: u64 = number(1, 200_000)?;
    let threads = usize::try_from(number(2, 2)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        measure("memory", orders, Arc::new(MemoryViews::new()), RunnerOptions::default()).await?;
        for batch_behind in [1_000, 4_000, 10_000] {
            // Where the measurement was started, so that it is told which disk it is about.
            let path = std::env::current_dir()?.join(format!("view_rate_{batch_behind}.sqlite"));
            let database = Database::open(&path, DatabaseOptions::REBUILDABLE).await?;
            let views: DynViewStore = Arc::new(SqliteViews::open(database).await?);
            let options = RunnerOptions { batch_behind, ..RunnerOptions::default() };
            let measured = measure(&format!("sqlite, batches of {batch_behind}"), orders, views, options).await;
            for suffix in ["", "-wal", "-shm"] {
                drop(std::fs::remove_file(format!("{}{suffix}", path.display())));
            }
            measured?;
        }
        Ok(())
    })
}

//! What collecting costs: CPU per order placed in the shop (among its sagas' records), and per imported order of nine lines.
//!
//! ```text
//! cargo run --release -p madrigal-analytics-service --example collect_rate -- [ORDERS]
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use madrigal_analytics_service::{AnalyticsConfig, AnalyticsNeighbours, AnalyticsService};
use madrigal_bus::{JournalTopic, Outgoing, PollFrom, Start, TopicContract, TopicSource};
use madrigal_core::tasks::{self, Instant};
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, NewEvent, StreamName, Timestamp};
use madrigal_event_store::{DynEventStore, StreamAppend, open_log};
use madrigal_projection::Checkpoint;
use serde_json::{Value, json};

const TOLD: &[&str] = &["OrderCreated", "OrderImported", "PaymentProcessed", "OrderStatusChanged"];
/// Records of the saga that places an order.
const SAGA: usize = 10;
const USERS: u64 = 5_000;
const PRODUCTS: u64 = 10_000;
/// A day of two thousand orders, so that days and hours change.
const SECONDS_BETWEEN: i64 = 43;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let orders: u64 = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    measured("placed, two lines", orders, placed).await?;
    measured("imported, nine lines", orders, imported).await
}

type Write = fn(&Host, &CallContext, u64) -> Result<Vec<StreamAppend>, Box<dyn Error>>;

async fn measured(what: &str, orders: u64, write: Write) -> Result<(), Box<dyn Error>> {
    let (dir, host) = (tempfile::tempdir()?, Host::seeded(1));
    let log = open_log(dir.path().join("journal"), "order", &host).await?;
    let catalog = open_log(dir.path().join("catalog"), "catalog", &host).await?;
    let context = CallContext::new(&host);
    for from in (0..orders).step_by(50) {
        let mut appends = Vec::new();
        for order in from..orders.min(from + 50) {
            appends.extend(write(&host, &context, order)?);
        }
        log.append_many(appends).await?;
    }
    let topic = topic(&log, "orders");

    let begun = Cost::now();
    let mut from = PollFrom::Start(Start::Earliest);
    loop {
        let polled = topic.poll(from, 2_000, Duration::ZERO).await?;
        from = PollFrom::After(Checkpoint { epoch: polled.epoch, position: polled.scanned_through });
        if polled.scanned_through >= polled.end {
            break;
        }
    }
    let reading = begun.since();

    let neighbours = AnalyticsNeighbours { orders: topic, products: self::topic(&catalog, "products") };
    let service = AnalyticsService::open(AnalyticsConfig::in_dir(dir.path()), neighbours, host).await?;
    let begun = Cost::now();
    service.orders().catch_up().await?;
    let collecting = begun.since();

    let begun = Cost::now();
    let report = service.refresh().once().await?;
    let refreshing = begun.since();
    let each = |cost: &Cost| cost.cpu.as_secs_f64() * 1e6 / orders as f64;
    let rate = orders as f64 / collecting.wall.as_secs_f64();
    println!("{what}: {orders} orders");
    println!("  reading the topic alone  {:6.1} µs CPU an order", each(&reading));
    println!("  collecting, with reading {:6.1} µs CPU an order, {rate:.0} orders/s", each(&collecting));
    println!(
        "  recomputing everything   {:6.1} µs CPU an order; {} days, mended {}",
        each(&refreshing),
        report.days,
        report.mended
    );
    let size = std::fs::metadata(dir.path().join("analytics.sqlite"))?.len();
    println!("  file                     {:6.0} bytes an order", size as f64 / orders as f64);
    Ok(())
}

fn topic(log: &DynEventStore, name: &'static str) -> Arc<JournalTopic> {
    let contract = TopicContract::new(name, "/example", TOLD, |event| {
        Outgoing::about(event, event.event_type.as_str(), &event.event_data).map(Some)
    });
    Arc::new(JournalTopic::new(Arc::clone(log), contract))
}

fn placed(host: &Host, context: &CallContext, order: u64) -> Result<Vec<StreamAppend>, Box<dyn Error>> {
    let line = |n: u64| {
        let product = (order * 7 + n * 131) % PRODUCTS;
        json!({ "productId": format!("p-{product:05}"), "name": format!("Product number {product}"), "quantity": n + 1,
            "price": { "amount": 1_999, "currency": "EUR" } })
    };
    let summary =
        json!({ "itemCount": 3, "totalAmount": 5_997, "discountAmount": 0, "taxAmount": 480, "finalAmount": 6_477 });
    let id = host.uuid_v7().to_string();
    let sealed = "c2VhbGVk".repeat(30);
    let created = json!({ "orderId": id, "userId": order % USERS + 1, "customer": { "person": 1, "sealed": sealed },
        "items": [line(0), line(1)], "currency": "EUR", "summary": summary, "draft": false, "sagaId": id });
    let paid = json!({ "paymentId": "pay-1", "amount": { "amount": 6_477, "currency": "EUR" }, "lastFour": "4242" });
    let confirmed = json!({ "status": "confirmed", "note": "Payment received" });
    let record = json!({ "step": "reserve-inventory", "outcome": { "lines": [line(0), line(1)] } });
    let saga = (0..SAGA).map(|_| event(host, context, "SagaStepDone", &record)).collect::<Result<Vec<_>, _>>()?;
    let events = vec![
        event(host, context, "OrderCreated", &created)?,
        event(host, context, "PaymentProcessed", &paid)?,
        event(host, context, "OrderStatusChanged", &confirmed)?,
    ];
    Ok(vec![append("order", &id, events)?, append("saga", &id, saga)?])
}

fn imported(host: &Host, context: &CallContext, order: u64) -> Result<Vec<StreamAppend>, Box<dyn Error>> {
    let line = |n: u64| {
        let product = (order * 7 + n * n * 131) % PRODUCTS;
        json!({ "productId": format!("p-{product:05}"), "name": format!("Product number {product}"), "quantity": n + 1,
            "lineTotal": 199 })
    };
    let id = host.uuid_v7().to_string();
    let items: Vec<Value> = (0..9).map(line).collect();
    let ordered_at = Timestamp::from_micros((1_700_000_000 + order as i64 * SECONDS_BETWEEN) * 1_000_000);
    let summary =
        json!({ "itemCount": 45, "totalAmount": 1_791, "discountAmount": 0, "taxAmount": 0, "finalAmount": 1_791 });
    let data = json!({ "orderId": id, "userId": order % USERS + 1, "customer": { "person": 1, "sealed": "c2VhbGVk".repeat(30) },
        "items": items, "currency": "EUR", "summary": summary, "orderedAt": ordered_at, "importKey": "k" });
    Ok(vec![append("order", &id, vec![event(host, context, "OrderImported", &data)?])?])
}

fn append(category: &str, id: &str, events: Vec<NewEvent>) -> Result<StreamAppend, Box<dyn Error>> {
    Ok(StreamAppend { stream: StreamName::new(category, id)?, expected: ExpectedVersion::NoStream, events })
}

fn event(host: &Host, context: &CallContext, kind: &str, data: &Value) -> Result<NewEvent, Box<dyn Error>> {
    let kind = EventType::parse(kind).ok_or("not a type")?;
    Ok(NewEvent::fresh(host, kind, 1, JsonBytes::of(data)?, context))
}

/// CPU and time.
struct Cost {
    begun: Instant,
    cpu: Duration,
    wall: Duration,
}

impl Cost {
    fn now() -> Self {
        Self { begun: tasks::instant(), cpu: cpu(), wall: Duration::ZERO }
    }

    fn since(&self) -> Self {
        Self { begun: self.begun, cpu: cpu().saturating_sub(self.cpu), wall: self.begun.elapsed() }
    }
}

/// What this process used so far, to 10 ms: user and system time, the 14th and 15th fields of `/proc/self/stat`.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    Duration::from_millis(10 * ticks.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>())
}

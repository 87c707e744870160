//! A service whose topics are lists in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_analytics_service::{AnalyticsConfig, AnalyticsNeighbours, AnalyticsService};
use madrigal_bus::{Message, PollError, PollFrom, Polled, TopicSource};
use madrigal_core::{Host, JsonBytes, LogEpoch, LogName, Position, PositionToken, StreamVersion, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

/// A topic that tests write.
pub(crate) struct ListTopic {
    name: &'static str,
    epoch: LogEpoch,
    /// The most messages of one answer.
    chunk: usize,
    told: Mutex<Vec<Message>>,
    came: Notify,
}

impl ListTopic {
    pub(crate) fn new(name: &'static str, chunk: usize) -> Arc<Self> {
        let epoch = LogEpoch::new(&Host::seeded(7));
        Arc::new(Self { name, epoch, chunk, told: Mutex::default(), came: Notify::new() })
    }

    /// Tells a message; its position is the next.
    pub(crate) fn tell(&self, message: Message) -> Position {
        let mut told = self.told.lock().unwrap();
        let position = Position(told.len() as u64 + 1);
        told.push(Message { id: format!("{}-{position}", self.name), position, ..message });
        self.came.notify_waiters();
        position
    }

    pub(crate) fn tell_all(&self, messages: Vec<Message>) {
        for message in messages {
            self.tell(message);
        }
    }

    pub(crate) fn token(&self, log: &str, position: Position) -> PositionToken {
        PositionToken::of(LogName::parse(log).unwrap(), self.epoch, position)
    }

    fn end(&self) -> Position {
        Position(self.told.lock().unwrap().len() as u64)
    }
}

#[async_trait]
impl TopicSource for ListTopic {
    fn topic(&self) -> &str {
        self.name
    }

    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled, PollError> {
        let after = match from {
            PollFrom::Start(_) => 0,
            PollFrom::After(at) => usize::try_from(at.position.0).unwrap(),
        };
        let came = self.came.notified();
        if !wait.is_zero() && self.end().0 as usize <= after {
            came.await;
        }
        let told = self.told.lock().unwrap();
        let items: Vec<Message> = told.iter().skip(after).take(limit.min(self.chunk)).cloned().collect();
        let end = Position(told.len() as u64);
        let scanned_through = items.last().map_or(end.max(Position(after as u64)), |last| last.position);
        Ok(Polled { items, scanned_through, epoch: self.epoch, end })
    }
}

/// A service on lists, in a directory of its own.
pub(crate) struct Desk {
    pub(crate) orders: Arc<ListTopic>,
    pub(crate) products: Arc<ListTopic>,
    pub(crate) service: AnalyticsService,
    pub(crate) dir: TempDir,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::with_chunks(10_000).await
    }

    pub(crate) async fn with_chunks(chunk: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (orders, products) = (ListTopic::new("orders", chunk), ListTopic::new("products", chunk));
        let service = open(dir.path(), &orders, &products).await;
        Self { orders, products, service, dir }
    }

    /// The same files, opened again.
    pub(crate) async fn reopened(self) -> Self {
        let Self { orders, products, service, dir } = self;
        drop(service);
        let service = open(dir.path(), &orders, &products).await;
        Self { orders, products, service, dir }
    }

    pub(crate) async fn catch_up(&self) {
        self.service.orders().catch_up().await.unwrap();
        self.service.products().catch_up().await.unwrap();
    }

    /// Every row of every rollup, as text.
    pub(crate) async fn rollups(&self) -> BTreeMap<String, Vec<String>> {
        let dumped = self.service.database().read("dump", |connection| {
            let mut dump = BTreeMap::new();
            for (name, select) in [
                ("hourly", "SELECT * FROM hourly ORDER BY 1, 2"),
                ("daily", "SELECT * FROM daily ORDER BY 1, 2"),
                (
                    "product_days",
                    "SELECT d.day, p.product_id, d.currency, d.orders, d.units, d.revenue
                     FROM product_days AS d JOIN products AS p ON p.id = d.product ORDER BY 1, 2, 3",
                ),
                ("customer_days", "SELECT * FROM customer_days ORDER BY 1, 2, 3"),
                ("customers", "SELECT * FROM customers ORDER BY 1, 2"),
            ] {
                let mut select = connection.prepare(select)?;
                let columns = select.column_count();
                let rows = select.query_map([], |row| {
                    (0..columns).map(|column| Ok(format!("{:?}", row.get_ref(column)?))).collect::<Result<Vec<_>, _>>()
                })?;
                let rows = rows.map(|row| row.map(|row| row.join(" "))).collect::<Result<Vec<_>, _>>()?;
                dump.insert(name.to_owned(), rows);
            }
            Ok(dump)
        });
        dumped.await.unwrap()
    }
}

async fn open(dir: &std::path::Path, orders: &Arc<ListTopic>, products: &Arc<ListTopic>) -> AnalyticsService {
    let neighbours = AnalyticsNeighbours { orders: orders.clone(), products: products.clone() };
    AnalyticsService::open(AnalyticsConfig::in_dir(dir), neighbours, Host::system()).await.unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A message about an order, or a product.
pub(crate) fn message(kind: &str, key: &str, version: u64, time: Timestamp, data: &Value) -> Message {
    Message {
        id: String::new(),
        source: "/tests".to_owned(),
        kind: kind.to_owned(),
        subject: None,
        version: Some(StreamVersion(version)),
        time,
        data: JsonBytes::of(data).unwrap(),
        key: key.to_owned(),
        position: Position::START,
        correlation_id: None,
        causation_id: None,
        traceparent: None,
    }
}

pub(crate) fn summary(amount: i64) -> Value {
    json!({ "itemCount": 1, "totalAmount": amount, "discountAmount": 0, "taxAmount": 0, "finalAmount": amount })
}

pub(crate) fn item(product: &str, price: i64, quantity: u32, currency: &str) -> Value {
    let price = json!({ "amount": price, "currency": currency });
    json!({ "productId": product, "name": format!("The {product}"), "price": price, "quantity": quantity })
}

/// `OrderCreated` and what follows at once, as the shop appends it.
pub(crate) fn placed(
    order: &str,
    user: i64,
    time: Timestamp,
    currency: &str,
    items: &[(&str, i64, u32)],
) -> Vec<Message> {
    let total = items.iter().map(|(_, price, quantity)| price * i64::from(*quantity)).sum();
    let items: Vec<Value> = items.iter().map(|(id, price, quantity)| item(id, *price, *quantity, currency)).collect();
    let created = json!({
        "orderId": order, "userId": user, "customer": "sealed", "items": items, "currency": currency,
        "summary": summary(total), "draft": false, "sagaId": "s-1",
    });
    let paid = json!({ "paymentId": "p-1", "amount": { "amount": total, "currency": currency }, "lastFour": "4242" });
    vec![
        message("OrderCreated", order, 1, time, &created),
        message("PaymentProcessed", order, 2, time, &paid),
        moved(order, 3, time, "confirmed"),
    ]
}

pub(crate) fn moved(order: &str, version: u64, time: Timestamp, status: &str) -> Message {
    message("OrderStatusChanged", order, version, time, &json!({ "status": status, "note": "" }))
}

//! Whatever comes in whatever order, as long as each order's messages keep theirs: increments come to what recomputing comes
//! to, and to what the brief's query comes to over a plain list.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use madrigal_bus::Message;
use madrigal_core::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Desk, item, message, moved, placed, summary};

/// One order's life.
#[derive(Debug, Clone)]
struct Life {
    user: i64,
    currency: &'static str,
    /// Hours after the first, of its placing.
    hour: i64,
    /// How long before that a draft was begun; `None` where it was placed at once.
    drafted: Option<i64>,
    /// Whether the draft is placed at all.
    placed: bool,
    imported: bool,
    lines: Vec<(usize, i64, u32)>,
    end: usize,
}

const PRODUCTS: [&str; 3] = ["tea", "cup", "pot"];
const ENDS: [&[&str]; 4] = [&[], &["shipped"], &["shipped", "delivered"], &["cancelled"]];
/// Sunday, so that days before it have negative neighbours in no sense but the calendar's.
const FIRST: i64 = 1_795_300_000_000_000;

fn hour(hours: i64) -> Timestamp {
    Timestamp::from_micros(FIRST + hours * 3_600_000_000)
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let life = (
        1i64..5,
        prop_oneof![4 => Just("EUR"), 1 => Just("CHF")],
        0i64..60,
        prop::option::of(0i64..50),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
        prop::collection::vec((0usize..3, 1i64..1_000, 1u32..5), 1..4),
        0usize..4,
    );
    let life = life.prop_map(|(user, currency, hour, drafted, placed, imported, lines, end)| Life {
        user,
        currency,
        hour,
        drafted,
        placed,
        imported,
        lines,
        end,
    });
    prop::collection::vec(life, 1..14)
}

impl Life {
    fn lines(&self) -> Vec<(&'static str, i64, u32)> {
        self.lines.iter().map(|(product, price, quantity)| (PRODUCTS[*product], *price, *quantity)).collect()
    }

    fn total(&self) -> i64 {
        self.lines.iter().map(|(_, price, quantity)| price * i64::from(*quantity)).sum()
    }

    fn messages(&self, order: &str) -> Vec<Message> {
        let at = hour(self.hour);
        if self.imported {
            return vec![self.import(order)];
        }
        let Some(before) = self.drafted else {
            let mut messages = placed(order, self.user, at, self.currency, &self.lines());
            self.finish(order, &mut messages);
            return messages;
        };
        let begun = hour(self.hour - before);
        let created = json!({
            "orderId": order, "userId": self.user, "customer": "sealed", "items": [item("pot", 7, 1, self.currency)],
            "currency": self.currency, "summary": summary(7), "draft": true,
        });
        let added = json!({ "item": item("cup", 3, 2, self.currency), "summary": summary(13) });
        let removed = json!({ "productId": "pot", "summary": summary(6) });
        let mut messages = vec![
            message("OrderCreated", order, 1, begun, &created),
            message("OrderItemAdded", order, 2, begun, &added),
            message("OrderItemRemoved", order, 3, begun, &removed),
        ];
        if !self.placed {
            messages.push(moved(order, 4, at, if self.end == 3 { "cancelled" } else { "draft" }));
            return messages;
        }
        let items: Vec<Value> =
            self.lines().iter().map(|(id, price, quantity)| item(id, *price, *quantity, self.currency)).collect();
        let placed = json!({ "items": items, "summary": summary(self.total()), "customer": "x", "sagaId": "s" });
        messages.push(message("OrderPlaced", order, 4, at, &placed));
        messages.push(moved(order, 5, at, "confirmed"));
        self.finish(order, &mut messages);
        messages
    }

    fn finish(&self, order: &str, messages: &mut Vec<Message>) {
        for status in ENDS[self.end] {
            messages.push(moved(order, messages.len() as u64 + 1, hour(self.hour + 30), status));
        }
    }

    fn import(&self, order: &str) -> Message {
        let items: Vec<Value> = self
            .lines()
            .iter()
            .map(|(id, price, quantity)| {
                let amount = price * i64::from(*quantity);
                json!({ "productId": id, "name": id, "quantity": quantity, "lineTotal": amount })
            })
            .collect();
        let data = json!({
            "orderId": order, "userId": self.user, "customer": "sealed", "items": items, "currency": self.currency,
            "summary": summary(self.total()), "orderedAt": hour(self.hour),
        });
        // It came in long after: it counts on its own day.
        message("OrderImported", order, 1, hour(9_000), &data)
    }

    fn counts(&self) -> bool {
        self.imported || self.drafted.is_none() || self.placed
    }

    fn status(&self) -> &'static str {
        if self.imported { "delivered" } else { ENDS[self.end].last().copied().unwrap_or("confirmed") }
    }
}

/// The brief's query over a list: day and currency, then orders, revenue, distinct customers, completed, cancelled.
fn by_day(lives: &[Life]) -> Vec<String> {
    let mut days: BTreeMap<(i64, &str), Sums> = BTreeMap::new();
    for life in lives.iter().filter(|life| life.counts()) {
        let day = hour(life.hour).as_micros().div_euclid(86_400_000_000);
        let sums = days.entry((day, life.currency)).or_default();
        sums.orders += 1;
        sums.revenue += life.total();
        sums.customers.insert(life.user);
        sums.completed += i64::from(life.status() == "delivered");
        sums.cancelled += i64::from(life.status() == "cancelled");
    }
    let text = |((day, currency), sums): ((i64, &str), Sums)| {
        let Sums { orders, revenue, customers, completed, cancelled } = sums;
        format!("{day} {currency} {orders} {revenue} {} {completed} {cancelled}", customers.len())
    };
    days.into_iter().map(text).collect()
}

#[derive(Default)]
struct Sums {
    orders: i64,
    revenue: i64,
    customers: BTreeSet<i64>,
    completed: i64,
    cancelled: i64,
}

/// The messages of all orders, mixed as `picks` say, some told again right away or much later.
fn mixed(lives: &[Life], picks: &[u16]) -> Vec<Message> {
    let mut waiting: Vec<VecDeque<Message>> =
        lives.iter().enumerate().map(|(n, life)| life.messages(&format!("o-{n}")).into()).collect();
    let mut told: Vec<Message> = Vec::new();
    let mut picks = picks.iter().cycle().map(|pick| usize::from(*pick));
    while waiting.iter().any(|messages| !messages.is_empty()) {
        let pick = picks.next().unwrap();
        if pick % 5 == 0 && !told.is_empty() {
            let again = told[pick % told.len()].clone();
            told.push(again);
        }
        let open: Vec<usize> = (0..waiting.len()).filter(|n| !waiting[*n].is_empty()).collect();
        let message = waiting[open[pick % open.len()]].pop_front().unwrap();
        told.push(message);
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn increments_come_to_what_recomputing_comes_to(
        lives in lives(),
        picks in prop::collection::vec(0u16.., 1..60),
        chunk in 1usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mixed_up = Desk::with_chunks(chunk).await;
            mixed_up.orders.tell_all(mixed(&lives, &picks));
            mixed_up.catch_up().await;
            let in_order = Desk::open().await;
            for (n, life) in lives.iter().enumerate() {
                in_order.orders.tell_all(life.messages(&format!("o-{n}")));
            }
            in_order.catch_up().await;
            let rollups = mixed_up.rollups().await;
            assert_eq!(rollups, in_order.rollups().await, "the order of messages changes nothing");
            let report = mixed_up.service.refresh().once().await.unwrap();
            assert_eq!(report.mended, 0, "increments are what recomputing comes to");
            assert_eq!(rollups, mixed_up.rollups().await);

            let daily = mixed_up.service.database().read("daily", |connection| {
                let mut select = connection.prepare(
                    "SELECT day || ' ' || currency || ' ' || total_orders || ' ' || total_revenue || ' ' ||
                       unique_customers || ' ' || completed_orders || ' ' || cancelled_orders
                     FROM daily ORDER BY day, currency",
                )?;
                select.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()
            });
            assert_eq!(daily.await.unwrap(), by_day(&lives), "the brief's query");
        });
    }
}

//! A message that cannot be applied holds up its key and nobody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use madrigal_analytics_service::collectors::follow::{Lane, Stuck};
use madrigal_analytics_service::collectors::{Collector, Effect};
use madrigal_bus::ParkedFilter;
use madrigal_core::{Host, LogName};
use madrigal_sqlite::SqliteOffsets;
use madrigal_sqlite::sql::{self, Transaction};
use serde_json::json;

use crate::support::{Desk, ListTopic, at, message, moved, placed};

#[tokio::test]
async fn a_bad_message_parks_its_key_only_and_what_is_skipped_frees_it() {
    let desk = Desk::open().await;
    let time = at("2026-11-23T10:15:00Z");
    let mut bad = placed("o-bad", 1, time, "EUR", &[("tea", 300, 2)]);
    bad.insert(1, message("OrderGiftWrapped", "o-bad", 2, time, &json!({})));
    bad[2].version = Some(madrigal_core::StreamVersion(3));
    bad[3].version = Some(madrigal_core::StreamVersion(4));
    desk.orders.tell_all(bad);
    desk.orders.tell_all(placed("o-good", 2, time, "EUR", &[("tea", 300, 1)]));
    desk.catch_up().await;
    desk.orders.tell(moved("o-bad", 5, time, "shipped"));
    desk.orders.tell(moved("o-good", 4, time, "shipped"));
    desk.catch_up().await;

    let collector = desk.service.orders();
    let parked = collector.parked(ParkedFilter::default()).await.unwrap();
    let shown: Vec<_> = parked.iter().map(|event| (event.kind.as_str(), event.attempts)).collect();
    let behind = ("OrderStatusChanged", 0);
    assert_eq!(shown, [("OrderGiftWrapped", 1), ("PaymentProcessed", 0), behind, behind]);
    assert!(parked[0].cause.contains("OrderGiftWrapped"), "{}", parked[0].cause);
    assert!(collector.following().is_parked("o-bad") && !collector.following().is_parked("o-good"));
    assert_eq!(desk.rollups().await["hourly"].len(), 1);

    let report = collector.retry("o-bad").await.unwrap();
    assert_eq!((report.applied, report.waiting), (0, 4), "it still cannot be read");
    assert!(collector.retry("o-good").await.is_err(), "nothing of it is parked");
    let desk = desk.reopened().await;
    desk.catch_up().await;
    let collector = desk.service.orders();
    assert!(collector.following().is_parked("o-bad"), "a restart frees nothing");

    assert!(collector.skip("o-bad", " ").await.is_err(), "a skip needs a reason");
    let report = collector.skip("o-bad", "gifts are no figure").await.unwrap();
    assert_eq!((report.applied, report.waiting), (3, 0));
    assert_eq!(collector.following().parked_keys(), 0);
    desk.orders.tell(moved("o-bad", 6, time, "delivered"));
    desk.catch_up().await;
    let daily = &desk.rollups().await["daily"][0];
    // Day, currency, orders, revenue, customers, completed, cancelled, shipped.
    assert!(daily.contains("Integer(2) Integer(900) Integer(2) Integer(1) Integer(0) Integer(1)"), "{daily}");
    assert_eq!(desk.service.refresh().once().await.unwrap().mended, 0);
}

/// Refuses one kind of message until it is cured, and remembers what it applied.
#[derive(Default)]
struct Curable {
    cured: AtomicBool,
    applied: Mutex<Vec<(String, u64)>>,
}

impl Effect for Curable {
    fn apply(&self, _: &Transaction<'_>, lanes: &[Lane]) -> sql::Result<Vec<Stuck>> {
        let mut stuck = Vec::new();
        for (lane, of) in lanes.iter().enumerate() {
            for (place, message) in of.messages.iter().enumerate() {
                if message.kind == "Odd" && !self.cured.load(Ordering::SeqCst) {
                    stuck.push(Stuck { lane, message: place, cause: "not known yet".to_owned() });
                    break;
                }
                self.applied.lock().unwrap().push((of.key.clone(), message.version.unwrap().0));
            }
        }
        Ok(stuck)
    }

    fn undone(&self) {}

    fn longest_rest(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn a_retry_after_the_cure_keeps_the_order_within_the_key() {
    let desk = Desk::open().await;
    let (topic, effect) = (ListTopic::new("curable", 10_000), Arc::new(Curable::default()));
    let offsets = SqliteOffsets::open(desk.service.database().clone()).await.unwrap();
    let log = LogName::parse("order").unwrap();
    let collector = Collector::new(topic.clone(), log, effect.clone(), offsets, Host::system());
    let tell = |kind: &str, key: &str, version| {
        topic.tell(message(kind, key, version, at("2026-11-23T10:15:00Z"), &json!({})));
    };
    for (kind, key, version) in
        [("Plain", "a", 1), ("Odd", "a", 2), ("Plain", "b", 1), ("Plain", "a", 3), ("Odd", "a", 4), ("Plain", "b", 2)]
    {
        tell(kind, key, version);
    }
    collector.catch_up().await.unwrap();
    tell("Plain", "a", 5);
    collector.catch_up().await.unwrap();
    let of = |key: &str| -> Vec<u64> {
        let applied = effect.applied.lock().unwrap();
        applied.iter().filter(|(of, _)| of == key).map(|(_, version)| *version).collect()
    };
    assert_eq!((of("a"), of("b")), (vec![1], vec![1, 2]), "other keys go on");
    let vain = collector.retry("a").await.unwrap();
    assert_eq!((vain.applied, vain.waiting, vain.cause.as_deref()), (0, 4, Some("not known yet")));
    let tried: Vec<u32> =
        collector.parked(ParkedFilter::default()).await.unwrap().iter().map(|event| event.attempts).collect();
    assert_eq!(tried, [2, 0, 0, 0], "only the first was tried");
    effect.cured.store(true, Ordering::SeqCst);
    tell("Plain", "a", 6);
    collector.catch_up().await.unwrap();
    assert_eq!(of("a"), [1], "what comes before the retry waits behind the others");
    let report = collector.retry("a").await.unwrap();
    assert_eq!((report.applied, report.waiting), (5, 0));
    tell("Odd", "a", 7);
    collector.catch_up().await.unwrap();
    assert_eq!(of("a"), [1, 2, 3, 4, 5, 6, 7]);
}

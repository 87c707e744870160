//! A message that cannot be applied holds up its key and nobody else.

use madrigal_bus::ParkedFilter;
use serde_json::json;

use crate::support::{Desk, at, message, moved, placed};

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

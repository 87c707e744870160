//! What a shop tells about itself: `/metrics` and `/health`.

use std::collections::BTreeSet;

use madrigal_harness::{Customer, OneProcess};
use madrigal_telemetry::names;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_leaves_every_measure_of_the_stores_it_went_through() {
    let shop = OneProcess::start().await.unwrap();
    let customer = Customer::register(&shop.anonymous().unwrap(), "measured").await.unwrap();
    madrigal_harness::product(&shop.shop, "milk", 100, 10).await.unwrap();
    customer.must_place(&[("milk", 1)]).await.unwrap();
    let url = format!("http://{}", shop.address());
    let wanted = [
        names::DB_OPERATION_DURATION,
        names::JOURNAL_FSYNC_DURATION,
        names::HTTP_REQUEST_DURATION,
        names::DATA_SYNC_LATENCY,
        names::OUTBOX_PENDING,
        names::OUTBOX_OLDEST_AGE,
        names::PROJECTION_LAG_EVENTS,
        names::PROJECTION_LAG_SECONDS,
        names::SAGA_IN_FLIGHT,
        names::SAGA_OLDEST_AGE,
        names::PARKED_KEYS,
        names::HEALTH_CHECK,
        names::STORAGE_FREE,
    ];
    let client = reqwest::Client::new();
    client.get(format!("{url}/health")).send().await.unwrap();
    let mut text = String::new();
    // The services' background work begins at its own time.
    for _ in 0..100 {
        text = client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
        if wanted.iter().all(|name| text.contains(name)) {
            break;
        }
        madrigal_core::tasks::sleep(std::time::Duration::from_millis(100)).await;
    }
    let missing: Vec<&&str> = wanted.iter().filter(|name| !text.contains(&format!("# TYPE {name} "))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let names: BTreeSet<&str> = types.iter().filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(names.len(), types.len(), "a name has two types: {types:?}");
    assert!(text.contains(r#"database="user-service/users",operation="register",table="users""#), "{text}");
    assert!(text.contains(r#"journal_fsync_duration_seconds_count{journal="order-service/journal"}"#), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_has_the_five_checks() {
    let shop = OneProcess::start().await.unwrap();
    let url = format!("http://{}/health", shop.address());
    let report: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert!(report["timestamp"].is_string() && report["status"] == "healthy", "{report}");
    for name in ["database", "eventStore", "messageQueue"] {
        let check = &report["checks"][name];
        assert_eq!(check["status"], "healthy", "{name}: {report}");
        assert!(check["milliseconds"].is_u64() && check["detail"].is_string(), "{check}");
    }
}

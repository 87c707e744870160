//! Every copy built from nothing while the shop serves and is written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use madrigal::client::Shop;
use madrigal_core::tasks;
use madrigal_harness::{Customer, OneProcess, fresh_key};
use madrigal_sqlite::sql::Connection;
use reqwest::Method;
use serde_json::json;

use crate::checks::verdict;
use crate::world::{ROWS, filled, left_alone, paged, pairs};

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The tables of the copies that are told or collected, and not folded: file, statement that empties it.
const EMPTIED: [(&str, &str, &str); 4] = [
    ("users.key-value", "user-service/read-models.sqlite", "DELETE FROM key_values WHERE key GLOB 'user:*'"),
    ("users.index", "catalog-service/users-index.sqlite", "DELETE FROM users; DELETE FROM terms;"),
    ("users.analytics", "analytics-service/analytics.sqlite", "DELETE FROM users"),
    ("orders.analytics", "analytics-service/analytics.sqlite", "DELETE FROM orders"),
];

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tasks::within(PATIENCE, async {
        while !holds().await {
            tasks::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_some(), "{what}");
}

async fn rebuilt(shop: &Shop, copy: &str) {
    let path = format!("/v1/sync/copies/{copy}/rebuild");
    let begun = shop.post(&path, &json!({})).await.unwrap();
    assert_eq!(begun.status, 202, "{}", begun.problem());
    eventually(copy, async || {
        let rebuild = shop.get(&path).await.unwrap();
        // Rows that change each time they are looked at are the stream's and the monitor's.
        rebuild["state"] != "running"
    })
    .await;
}

/// A generation is built beside what serves, from nothing, and takes its place.
async fn switched(shop: &Shop, projection: &str) {
    let path = format!("/v1/projections/{projection}");
    let begun = shop.post(&format!("{path}/rebuild"), &json!({})).await.unwrap();
    assert_eq!(begun.status, 202, "{}", begun.problem());
    // Refused as long as it is behind.
    eventually(projection, async || {
        let compared = shop.post(&format!("{path}/compare"), &json!({})).await.unwrap();
        assert!([200, 409].contains(&compared.status.as_u16()), "{}", compared.problem());
        compared.body["verdict"] == "equal"
    })
    .await;
    let switched = shop.post(&format!("{path}/switch"), &json!({})).await.unwrap();
    assert_eq!(switched.status, 200, "{}", switched.problem());
}

/// Changes users, prices and stocks until `done`; how often.
async fn written(shop: Shop, customers: Vec<Customer>, done: Arc<AtomicBool>, served: Arc<AtomicU64>) {
    let mut round = 0u64;
    while !done.load(Ordering::SeqCst) {
        let customer = &customers[usize::try_from(round).unwrap() % customers.len()];
        let product = format!("product-{}", round % ROWS as u64);
        let profile = json!({ "profile": { "counter": round } });
        for (shop, path, patch) in [
            (&customer.shop, format!("/v1/users/{}", customer.id), profile),
            (&shop, format!("/v1/products/{product}"), json!({ "price": { "amount": 1_000 + round } })),
        ] {
            let version = shop.send(shop.request(Method::GET, &path)).await.unwrap().ok().unwrap()["version"].clone();
            let request = shop.request(Method::PATCH, &path).header("If-Match", format!("\"{version}\""));
            let request = request.header("Content-Type", "application/merge-patch+json").body(patch.to_string());
            let answer = shop.send(request).await.unwrap();
            // A page may be older than its product for a moment.
            assert!([200, 412].contains(&answer.status.as_u16()), "{path}: {}", answer.problem());
        }
        let answer = customer.place(&[(&product, 1)], "tok_visa", &fresh_key()).await.unwrap();
        assert!([201, 422, 409].contains(&answer.status.as_u16()), "{}", answer.problem());
        round += 1;
        served.store(round, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_copy_is_built_from_nothing_while_the_shop_is_written_to_and_ends_consistent() {
    let shop = OneProcess::start_configured(left_alone).await.unwrap();
    let rows = filled(&shop).await;
    let anonymous = shop.anonymous().unwrap();
    let mut customers = Vec::new();
    for number in 0..3 {
        customers.push(Customer::register(&anonymous, &format!("writer-{number}")).await.unwrap());
    }
    let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writing = written(shop.shop.clone(), customers, Arc::clone(&done), Arc::clone(&served));
    let writing = tasks::spawn("writing", writing);
    for (copy, file, statement) in EMPTIED {
        let connection = Connection::open(shop.data().join(file)).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch(statement).unwrap();
        let before = served.load(Ordering::SeqCst);
        rebuilt(&shop.shop, copy).await;
        eventually("the shop serves", async || served.load(Ordering::SeqCst) > before).await;
    }
    for projection in ["order-view", "products", "product-search"] {
        switched(&shop.shop, projection).await;
    }
    for copy in ["products.cache", "stock.cache"] {
        paged(&shop.shop, &rows.products).await;
        rebuilt(&shop.shop, copy).await;
    }
    done.store(true, Ordering::SeqCst);
    writing.await.unwrap();
    // Orders that were begun while their row was away are told once more, at rest.
    rebuilt(&shop.shop, "orders.analytics").await;
    let after = verdict(&shop.shop).await;
    assert_eq!(after["overallStatus"], "consistent", "{after:#}");
    assert_eq!(pairs(&after).len(), 11);
    let checked = |name: &str| crate::checks::pair(&after, name)["totalEntities"].as_u64().unwrap();
    assert_eq!(checked("users.key-value"), ROWS as u64 + 3);
}

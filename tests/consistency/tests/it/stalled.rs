//! Copies that stand still, and rows that are written all the time: lag is never divergence, and divergence never lag.

use std::sync::mpsc;
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_harness::{Customer, OneProcess, product};
use madrigal_sqlite::{Database, DatabaseOptions};
use reqwest::Method;
use serde_json::json;

use crate::checks::{check, pair, verdict};
use crate::world::left_alone;

/// Nobody else writes into the file of a copy while this is held.
struct Held {
    release: mpsc::Sender<()>,
    holding: tokio::task::JoinHandle<()>,
}

impl Held {
    async fn file(path: std::path::PathBuf) -> Self {
        let options = DatabaseOptions { readers: 1, cache_kib: 64, ..DatabaseOptions::REBUILDABLE };
        let database = Database::open(path, options).await.unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (held, holds) = tokio::sync::oneshot::channel();
        let holding = tasks::spawn("hold a file", async move {
            let held = database.write("hold", move |_| {
                let _ = held.send(());
                let _ = released.recv();
                Ok(())
            });
            held.await.unwrap();
        });
        holds.await.unwrap();
        Self { release, holding }
    }

    async fn release(self) {
        drop(self.release);
        self.holding.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_stands_still_is_unverified_and_becomes_consistent_by_itself() {
    let shop = OneProcess::start_configured(left_alone).await.unwrap();
    product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let customer = Customer::register(&shop.anonymous().unwrap(), "ottavia").await.unwrap();
    customer.must_place(&[("lute", 1)]).await.unwrap();
    let before = verdict(&shop.shop).await;
    assert_eq!(before["overallStatus"], "consistent", "{before:#}");
    let through = |report: &serde_json::Value| pair(report, "orders.analytics")["verifiedThrough"].clone();

    let held = Held::file(shop.data().join("analytics-service/analytics.sqlite")).await;
    for _ in 0..3 {
        customer.must_place(&[("lute", 1)]).await.unwrap();
    }
    let mut since = None;
    for deep in [false, true] {
        let report = check(&shop.shop, deep, Some("orders.analytics")).await;
        let stalled = pair(&report, "orders.analytics");
        assert_eq!((&stalled["verdict"], &stalled["inconsistentEntities"]), (&json!("unverified"), &json!(0)));
        assert_eq!(stalled["unverifiedEntities"], 3, "only what it lacks: {stalled:#}");
        assert_eq!(stalled["totalEntities"], 4);
        assert!(stalled["behindBy"].as_u64().unwrap() > 0, "{stalled:#}");
        let first = since.get_or_insert(stalled["behindSince"].clone());
        assert!(first.is_string() && *first == stalled["behindSince"], "since when stays: {stalled:#}");
        assert_eq!(through(&report), through(&before), "nothing later was verified: {stalled:#}");
    }
    held.release().await;
    let after = verdict(&shop.shop).await;
    assert_eq!(after["overallStatus"], "consistent", "{after:#}");
    assert_eq!(pair(&after, "orders.analytics")["totalEntities"], 4);
    assert!(pair(&after, "orders.analytics")["behindSince"].is_null());
    assert_ne!(through(&after), through(&before));
    let repairs = shop.shop.get("/v1/consistency/repairs").await.unwrap();
    assert_eq!(repairs["items"], json!([]), "nobody mended anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_diverges_is_found_while_it_and_others_are_written_all_the_time() {
    let shop = OneProcess::start_configured(left_alone).await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    let mut customers = Vec::new();
    for number in 0..6 {
        customers.push(Customer::register(&anonymous, &format!("customer-{number}")).await.unwrap());
    }
    verdict(&shop.shop).await;
    let damaged = format!("{:020}", customers[0].id);
    let body = json!({ "copy": "users.analytics", "key": damaged, "damage": "newer" });
    shop.shop.post("/v1/consistency/damage", &body).await.unwrap().ok().unwrap();
    let stop = StopSignal::new();
    let writing = customers.iter().map(|customer| async {
        let mut number = 0;
        while !stop.is_cancelled() {
            number += 1;
            let request = customer.shop.request(Method::PATCH, &format!("/v1/users/{}", customer.id));
            let request = request.header("If-Match", format!("\"{number}\""));
            let request = request.header("Content-Type", "application/merge-patch+json");
            let profile = json!({ "profile": { "counter": number } });
            customer.shop.send(request.body(profile.to_string())).await.unwrap().ok().unwrap();
        }
        number
    });
    let checking = async {
        for deep in [false, true].repeat(5) {
            let report = check(&shop.shop, deep, Some("users.analytics")).await;
            let rows = pair(&report, "users.analytics")["inconsistencies"].as_array().unwrap();
            let keys: Vec<&str> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
            assert_eq!(keys, [damaged.as_str()], "deep: {deep}: {report:#}");
            tasks::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
    };
    let (written, ()) = tokio::join!(join_all(writing), checking);
    assert!(written.iter().all(|changes| *changes > 1), "each was written while it was checked: {written:?}");
}

//! Asking the monitor.

use std::time::Duration;

use madrigal::client::Shop;
use madrigal_core::tasks;
use reqwest::Method;
use serde_json::{Value, json};

/// Nothing that happens in these shops takes a copy longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A check of everything, or of one pair, and its report.
pub(crate) async fn check(shop: &Shop, deep: bool, pair: Option<&str>) -> Value {
    let mut answer = shop.post("/v1/consistency/checks", &json!({ "deep": deep, "pair": pair })).await.unwrap();
    while answer.status == 202 {
        let id = answer.body["checkId"].as_str().unwrap().to_owned();
        tasks::sleep(Duration::from_millis(50)).await;
        answer = shop.send(shop.request(Method::GET, &format!("/v1/consistency/checks/{id}"))).await.unwrap();
    }
    assert_eq!(answer.status, 200, "{}", answer.problem());
    answer.body
}

/// Checks by content until no copy is behind any more: the verdict then counts.
pub(crate) async fn verdict(shop: &Shop) -> Value {
    let checked = tasks::within(PATIENCE, async {
        loop {
            let report = check(shop, true, None).await;
            let behind = report["checks"].as_array().unwrap().iter().any(|pair| pair["verdict"] == "unverified");
            if !behind {
                return report;
            }
        }
    });
    let Some(report) = checked.await else { panic!("a copy stays behind") };
    report
}

/// One pair of a report.
pub(crate) fn pair<'a>(report: &'a Value, name: &str) -> &'a Value {
    let found = report["checks"].as_array().unwrap().iter().find(|pair| pair["name"] == name);
    found.unwrap_or_else(|| panic!("no pair {name} in {report:#}"))
}

/// The names of the pairs that are not consistent.
pub(crate) fn not_consistent(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|pair| pair["verdict"] != "consistent").map(|pair| pair["name"].as_str().unwrap()).collect()
}

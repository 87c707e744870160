//! Changes of users reach every copy.

use std::collections::BTreeSet;

use futures::future::join_all;
use madrigal_harness::{Customer, OneProcess};
use reqwest::Method;
use serde_json::json;

use crate::checks::{not_consistent, pair, verdict};

const COPIES: [&str; 3] = ["users.key-value", "users.index", "users.analytics"];

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_in_every_copy_and_a_deleted_one_in_none() {
    let shop = OneProcess::start().await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    let (anna, bruno) = (Customer::register(&anonymous, "anna").await.unwrap(), "bruno");
    Customer::register(&anonymous, bruno).await.unwrap();
    let report = verdict(&shop.shop).await;
    assert_eq!(report["overallStatus"], "consistent", "{report:#}");
    for name in COPIES {
        assert_eq!(pair(&report, name)["totalEntities"], 2, "{name}");
    }
    let path = format!("/v1/users/{}", anna.id);
    let deleted = anna.shop.send(anna.shop.request(Method::DELETE, &path).header("If-Match", "\"1\"")).await.unwrap();
    assert_eq!(deleted.status, 204, "{}", deleted.problem());
    let report = verdict(&shop.shop).await;
    assert_eq!(not_consistent(&report), Vec::<&str>::new(), "{report:#}");
    for name in COPIES {
        assert_eq!(pair(&report, name)["totalEntities"], 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_changes_at_once_converge_in_every_copy_and_none_is_silently_lost() {
    let shop = OneProcess::start().await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let path = format!("/v1/users/{}", anna.id);
    let changes = (0..10).map(|counter| {
        let request = anna.shop.request(Method::PATCH, &path).header("If-Match", "\"1\"");
        let request =
            request.header("Prefer", "resolution=merge").header("Content-Type", "application/merge-patch+json");
        anna.shop.send(request.body(json!({ "profile": { "counter": counter } }).to_string()))
    });
    for answer in join_all(changes).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.problem());
    }
    let user = anna.shop.get(&path).await.unwrap();
    let losers = anna.shop.get(&format!("{path}/conflicts?limit=200")).await.unwrap();
    let losers = losers["items"].as_array().unwrap().iter().map(|conflict| conflict["loser"].as_i64().unwrap());
    let told: BTreeSet<i64> = losers.chain(user["profile"]["counter"].as_i64()).collect();
    assert_eq!(told, (0..10).collect(), "each is what stands or is recorded as what was not taken");
    let report = verdict(&shop.shop).await;
    assert_eq!(report["overallStatus"], "consistent", "{report:#}");
    assert_eq!(pair(&report, "users.key-value")["totalEntities"], 1);
}

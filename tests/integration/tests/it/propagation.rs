//! What happens to users comes into every copy of them.

use std::time::Duration;

use madrigal::client::Shop;
use madrigal_harness::{Customer, OneProcess};
use reqwest::Method;
use serde_json::{Value, json};

/// The copies of users.
pub(crate) const COPIES: [&str; 3] = ["users.key-value", "users.index", "users.analytics"];
/// How often a copy is asked before it is given up: thirty seconds on a machine that is busy.
const LOOKS: usize = 1_500;

/// Waits until the user's row is so in every copy.
pub(crate) async fn in_every_copy(operator: &Shop, user: i64, is_so: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut rows = Vec::new();
    for copy in COPIES {
        let mut looks = 0;
        let row = loop {
            let path = format!("/v1/sync/copies/{copy}/{user}");
            let answer = operator.send(operator.request(Method::GET, &path)).await.unwrap();
            if answer.status == 200 && is_so(&answer.body) {
                break answer.body;
            }
            looks += 1;
            assert!(looks < LOOKS, "{copy} never had it so: {}", answer.body);
            madrigal_core::tasks::sleep(Duration::from_millis(20)).await;
        };
        rows.push(row);
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_comes_into_every_copy_with_what_she_did_and_leaves_every_one() {
    let shop = OneProcess::start().await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let path = format!("/v1/users/{}", anna.id);
    for row in in_every_copy(&shop.shop, anna.id, |row| row["version"] == 1).await {
        assert_eq!(row["row"]["id"], json!(anna.id));
        // Figures need nobody's address.
        let expected = if row["copy"] == "users.analytics" { Value::Null } else { json!("anna@customers.example") };
        assert_eq!(row["row"]["email"], expected, "{row}");
        assert!(!row.to_string().contains("argon2"), "{row}");
    }
    let found = shop.shop.get("/v1/users/search?q=anna").await.unwrap();
    assert_eq!(found["items"][0]["id"], json!(anna.id), "{found}");

    let change = anna.shop.request(Method::PATCH, &path).header("If-Match", "\"1\"");
    let change = change.header("Content-Type", "application/merge-patch+json");
    let changed = anna.shop.send(change.body(json!({"profile": {"counter": 7}}).to_string())).await.unwrap();
    assert_eq!(changed.status, 200, "{}", changed.problem());
    in_every_copy(&shop.shop, anna.id, |row| row["version"] == 2 && row["deleted"] == false).await;
    let activity = |row: &Value| row["row"]["totalEvents"].as_u64().is_some_and(|total| total >= 2);
    let mut looks = 0;
    while !activity(&shop.shop.get(&format!("/v1/sync/copies/users.key-value/{}", anna.id)).await.unwrap()) {
        looks += 1;
        assert!(looks < LOOKS, "what she did was never counted");
        madrigal_core::tasks::sleep(Duration::from_millis(20)).await;
    }

    let erase = anna.shop.request(Method::DELETE, &path).header("If-Match", "\"2\"");
    assert_eq!(anna.shop.send(erase).await.unwrap().status, 204);
    for row in in_every_copy(&shop.shop, anna.id, |row| row["deleted"] == true).await {
        assert_eq!(row["row"], Value::Null);
    }
    let found = shop.shop.get("/v1/users/search?q=anna").await.unwrap();
    assert_eq!(found["items"], json!([]));
    let lag = shop.shop.get("/v1/sync/lag").await.unwrap();
    let names: Vec<&str> = lag["items"].as_array().unwrap().iter().filter_map(|item| item["copy"].as_str()).collect();
    assert_eq!(names, ["users.activity", "users.analytics", "users.index", "users.key-value"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_stays_deleted_in_every_copy_over_a_restart() {
    let shop = OneProcess::start().await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let bruno = Customer::register(&shop.anonymous().unwrap(), "bruno").await.unwrap();
    let erase = anna.shop.request(Method::DELETE, &format!("/v1/users/{}", anna.id)).header("If-Match", "\"1\"");
    assert_eq!(anna.shop.send(erase).await.unwrap().status, 204);
    let shop = shop.restart().await.unwrap();
    let change = shop.shop.request(Method::PATCH, &format!("/v1/users/{}", bruno.id)).header("If-Match", "\"1\"");
    let change = change.header("Content-Type", "application/merge-patch+json");
    assert_eq!(shop.shop.send(change.body(json!({"username": "berto"}).to_string())).await.unwrap().status, 200);
    in_every_copy(&shop.shop, bruno.id, |row| row["version"] == 2).await;
    for copy in COPIES {
        let mut looks = 0;
        loop {
            let path = format!("/v1/sync/copies/{copy}/{}", anna.id);
            let answer = shop.shop.send(shop.shop.request(Method::GET, &path)).await.unwrap();
            // Who went before a copy heard of her was never there.
            if answer.status == 404 || answer.body["deleted"] == true {
                break;
            }
            looks += 1;
            assert!(looks < LOOKS, "{copy}: {}", answer.body);
            madrigal_core::tasks::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_a_user_reads_it_in_every_copy_with_the_position_of_the_write() {
    let shop = OneProcess::start().await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let read = async |path: &str, position: &str| {
        let request = shop.shop.request(Method::GET, path).header("Madrigal-Position", position);
        shop.shop.send(request).await.unwrap()
    };
    let overview = format!("/v1/customers/{}/overview", anna.id);
    for version in 1..10 {
        let name = format!("berta-{version}");
        let change = anna.shop.request(Method::PATCH, &format!("/v1/users/{}", anna.id));
        let change = change.header("If-Match", format!("\"{version}\""));
        let change = change.header("Content-Type", "application/merge-patch+json");
        let changed = anna.shop.send(change.body(json!({"username": name}).to_string())).await.unwrap();
        let position = changed.position.unwrap();
        let found = read(&format!("/v1/users/search?q={name}"), &position).await;
        assert_eq!(found.body["items"][0]["id"], json!(anna.id), "{}", found.body);
        let profile = read(&format!("/v1/users/{}/profile", anna.id), &position).await;
        assert_eq!(profile.body["username"], json!(name), "{}", profile.body);
        let whole = read(&overview, &position).await;
        assert_eq!(whole.body["user"]["username"], json!(name), "{}", whole.body);
        assert!(whole.body["asOf"]["user-service"].is_string(), "{}", whole.body);
    }
}

//! What is accepted can be run, what cannot be run holds nobody up, and what nobody wants is taken out.

use http::StatusCode;
use madrigal_sqlite::{Database, DatabaseOptions};
use madrigal_telemetry::{Check, Status};
use serde_json::{Value, json};

use crate::routes::{Desk, brief};
use crate::shop::{Shop, caught_up};

/// A connector of user-service without transforms.
fn branch(tables: &str) -> Value {
    json!({"name": "users-of-the-branch", "config": {
        "connector.class": "madrigal.connector.sqlite.SqliteConnector", "database.service": "user-service",
        "table.include.list": tables, "topic.prefix": "branch"}})
}

/// Puts a declaration into the service's file as a program did that asked less.
async fn kept_by_an_older_program(shop: &Shop, name: &'static str, declared: &Value) {
    let file = Database::open(shop.sync_file(), DatabaseOptions::REBUILDABLE).await.unwrap();
    let (declared, at) = (declared.to_string(), shop.host.now().as_micros());
    let put = file.write("put", move |tx| {
        tx.execute("INSERT INTO connectors (name, declared, declared_at) VALUES (?1, ?2, ?3)", (name, declared, at))
    });
    put.await.unwrap();
}

fn connectors_check(checks: &[Check]) -> &Check {
    checks.iter().find(|check| check.name == "connectors").unwrap()
}

#[tokio::test]
async fn what_the_next_start_would_refuse_is_refused_when_it_is_declared() {
    let desk = Desk::open().await;
    let found = desk.refused(&branch("public.users")).await;
    let expected = ["public.users is not captured", "public.users comes under the topic branch.public.users"];
    assert_eq!(found.len(), 2, "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(&format!("/config/table.include.list {expected}")), "{found}");
    }
    let mut wrong = branch("public.nosuch,main.password_hashes,main.users");
    wrong["config"]["slot.name"] = json!("s");
    let found = desk.refused(&wrong).await;
    for expected in ["public.nosuch", "main.password_hashes", "main.users comes under", "/config/slot.name"] {
        assert!(found.iter().any(|found| found.contains(expected)), "{expected}: {found:?}");
    }
    assert_eq!(found.len(), 4, "all at once, each once: {found:?}");
    let mut other_rows = branch("main.users");
    for (key, value) in [("", "one"), (".one.regex", ".*"), (".one.replacement", "user_events")] {
        other_rows["config"][format!("transforms{key}")] = json!(value);
    }
    other_rows["config"]["transforms.one.type"] = json!("org.apache.kafka.connect.transforms.RegexRouter");
    assert!(desk.refused(&other_rows).await[0].contains("rows of another kind"));

    let mut postgres = brief();
    postgres["config"]["transforms.route.replacement"] = json!("all.$3");
    let found = desk.refused(&postgres).await;
    assert!(found.len() == 2 && found.iter().all(|found| found.contains("no processor handles")), "{found:?}");
    let (_, listed) = desk.get("/v1/sync/connectors").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "nothing was kept: {listed}");
    assert!(desk.shop.sync_with(Vec::new()).await.is_ok(), "the next start");
}

#[tokio::test]
async fn a_connector_of_an_older_program_that_cannot_run_stops_nobody_and_says_why() {
    let shop = Shop::open().await;
    shop.put(1, "one@example.com").await;
    drop(shop.sync().await);
    kept_by_an_older_program(&shop, "users-of-the-branch", &branch("public.users")).await;
    let second = json!({"name": "a-second", "config": {
        "connector.class": "madrigal.connector.sqlite.SqliteConnector", "database.service": "user-service",
        "table.include.list": "main.users", "topic.prefix": "users", "transforms": "route",
        "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.route.regex": ".*", "transforms.route.replacement": "users"}});
    kept_by_an_older_program(&shop, "a-second", &second).await;
    let unread = json!({"name": "unread", "config": {"connector.class": "gone", "database.password": "s3cret-dbz"}});
    kept_by_an_older_program(&shop, "unread", &unread).await;

    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.agree().await;
    let checks = sync.health().await;
    assert_eq!(connectors_check(&checks).status, Status::Degraded);
    assert_eq!(connectors_check(&checks).detail, "cannot be run: a-second, unread, users-of-the-branch");
    let desk = Desk::of(shop, &sync);
    let (_, listed) = desk.get("/v1/sync/connectors").await;
    let by_name = |name: &str| listed["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap();
    for (name, why) in [
        ("users-of-the-branch", "which no processor handles"),
        ("a-second", "main.users is captured by users-connector already"),
        ("unread", "\"gone\" is not known"),
    ] {
        let item = by_name(name);
        assert_eq!(item["state"], "failed", "{item}");
        assert!(item["detail"].as_str().unwrap().contains(why), "{item}");
    }
    assert_eq!((&by_name("unread")["class"], &by_name("users-connector")["detail"]), (&json!("gone"), &Value::Null));
    assert!(!listed.to_string().contains("s3cret-dbz"));
    for name in ["users-of-the-branch", "a-second", "unread"] {
        assert_eq!(desk.delete(&format!("/v1/sync/connectors/{name}")).await.0, StatusCode::NO_CONTENT, "{name}");
    }
    assert_eq!(connectors_check(&sync.health().await).status, Status::Healthy);
}

#[tokio::test]
async fn a_connector_is_taken_out_and_the_one_that_is_built_in_stays() {
    let desk = Desk::open().await;
    assert_eq!(desk.post("/v1/sync/connectors", &brief()).await.0, StatusCode::CREATED);
    assert_eq!(desk.delete("/v1/sync/connectors/postgres-connector").await, (StatusCode::NO_CONTENT, Value::Null));
    let (status, problem) = desk.delete("/v1/sync/connectors/postgres-connector").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not-found")));
    let (status, problem) = desk.delete("/v1/sync/connectors/users-connector").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("connector-built-in")));
    let (_, listed) = desk.get("/v1/sync/connectors").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let mut other = brief();
    other["config"]["database.dbname"] = json!("elsewhere");
    assert_eq!(desk.post("/v1/sync/connectors", &other).await.0, StatusCode::CREATED, "its name is free again");
}

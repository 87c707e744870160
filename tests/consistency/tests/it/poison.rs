//! What cannot be applied parks its key only: malformed, of a newer form, or refused by who should take it. Everybody else
//! goes on; it is shown; after the cure it is told in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use madrigal::client::Shop;
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, NewEvent, StreamName, tasks};
use madrigal_event_store::open_log;
use madrigal_harness::{Customer, OneProcess, product};
use madrigal_http::Role;
use madrigal_sqlite::{Database, DatabaseOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::checks::{check, not_consistent, verdict};

const COPIES: [&str; 3] = ["users.key-value", "users.index", "users.analytics"];
/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tasks::within(PATIENCE, async {
        while !is_so().await {
            tasks::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_some(), "never: {what}");
}

async fn version_in(shop: &Shop, copy: &str, user: i64) -> Option<u64> {
    let path = format!("/v1/sync/copies/{copy}/{user}");
    shop.send(shop.request(Method::GET, &path)).await.unwrap().body["version"].as_u64()
}

async fn everywhere(shop: &Shop, user: i64, version: u64) {
    for copy in COPIES {
        until(&format!("{copy} has {user} in version {version}"), async || {
            version_in(shop, copy, user).await == Some(version)
        })
        .await;
    }
}

/// How many changes are parked under each key.
async fn parked(shop: &Shop) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    for item in shop.get("/v1/sync/parked").await.unwrap()["items"].as_array().unwrap() {
        *keys.entry(item["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    keys
}

async fn rename(shop: &Shop, user: i64, version: u64) {
    let path = format!("/v1/users/{user}");
    let change = shop.request(Method::PATCH, &path).header("If-Match", format!("\"{version}\""));
    let answer = shop.send(change.json(&json!({ "profile": { "counter": version } }))).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.problem());
}

/// Writes into the users' database as another program would.
async fn sql(users: &Database, statement: &'static str, user: i64) {
    // The table's own checks are for programs that do not switch them off.
    let write = users.write("poison", move |tx| {
        tx.execute_batch("PRAGMA ignore_check_constraints = ON")?;
        tx.execute(statement, [user])
    });
    let changed = write.await.unwrap();
    assert_eq!(changed, 1, "{statement}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_cannot_be_copied_park_alone_and_are_told_in_order_after_the_cure() {
    let shop = OneProcess::start().await.unwrap();
    let operator = &shop.shop;
    let mut ids = Vec::new();
    for name in ["anna", "bruno", "carla", "dora"] {
        let customer = Customer::register(&shop.anonymous().unwrap(), name).await.unwrap();
        everywhere(operator, customer.id, 1).await;
        ids.push(customer.id);
    }
    let [malformed, refused, newer, fine] = ids[..] else { panic!("four were registered") };
    let users = Database::open(shop.data().join("user-service/users.sqlite"), DatabaseOptions::REBUILDABLE);
    let users = users.await.unwrap();
    sql(&users, "UPDATE users SET profile = 'no json' WHERE id = ?1", malformed).await;
    // Its form is right, and the copy of analytics cannot take it.
    sql(&users, "UPDATE users SET created_at = 'long ago' WHERE id = ?1", refused).await;
    let event = "INSERT INTO user_events (id, user_id, event_type, schema_version, event_data, metadata, created_at)
                 SELECT hex(randomblob(16)), user_id, event_type, 99, event_data, metadata, created_at
                 FROM user_events WHERE user_id = ?1 LIMIT 1";
    sql(&users, event, newer).await;
    let keys = [format!("users:{malformed}"), format!("users:{refused}"), format!("user_events:{newer}")];
    until("all three are parked", async || parked(operator).await.len() == 3).await;
    assert_eq!(parked(operator).await.into_keys().collect::<Vec<_>>(), {
        let mut sorted = keys.to_vec();
        sorted.sort();
        sorted
    });

    // Others flow; what belongs to a parked key waits behind it, though it could be told by itself.
    rename(operator, fine, 1).await;
    everywhere(operator, fine, 2).await;
    sql(&users, "UPDATE users SET username = 'annalater' WHERE id = ?1", malformed).await;
    sql(&users, "UPDATE users SET username = 'brunolater' WHERE id = ?1", refused).await;
    rename(operator, fine, 2).await;
    everywhere(operator, fine, 3).await;
    for copy in COPIES {
        assert_eq!(version_in(operator, copy, malformed).await, Some(1), "{copy}");
    }
    assert_eq!(version_in(operator, "users.analytics", refused).await, Some(1));
    until("the later changes wait, too", async || {
        let parked = parked(operator).await;
        parked[&keys[0]] == 2 && parked[&keys[1]] == 2
    })
    .await;
    let lag = operator.get("/v1/sync/lag").await.unwrap();
    let waiting = |copy: &str| {
        let items = lag["items"].as_array().unwrap().iter();
        items.filter(|item| item["copy"] == copy).map(|item| item["parkedKeys"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((waiting("users.analytics"), waiting("users.activity")), (2, 1), "{lag:#}");
    // The monitor names at most the rows that wait for somebody.
    let report = check(operator, true, None).await;
    for pair in report["checks"].as_array().unwrap() {
        // A row that the owner itself cannot read keeps its pairs from being verified, no others.
        let of_users = COPIES.iter().any(|copy| pair["name"] == *copy);
        assert!(of_users || pair["trouble"].is_null(), "{pair:#}");
        for row in pair["inconsistencies"].as_array().unwrap() {
            let user = row["key"].as_str().unwrap().parse::<i64>().unwrap();
            assert!([malformed, refused].contains(&user), "{row:#}");
        }
    }

    let retry = async |key: &str| {
        let path = format!("/v1/sync/parked/{key}/retry");
        operator.post(&path, &json!({})).await.unwrap().ok().unwrap()
    };
    for key in &keys {
        assert_eq!(retry(key).await["applied"], 0, "{key} is as it was");
    }
    sql(&users, "UPDATE users SET profile = '{\"firstName\":\"Anna\"}' WHERE id = ?1", malformed).await;
    sql(&users, "UPDATE users SET created_at = updated_at WHERE id = ?1", refused).await;
    sql(&users, "UPDATE user_events SET schema_version = 1 WHERE user_id = ?1 AND schema_version = 99", newer).await;
    for key in &keys {
        until(&format!("{key} is told"), async || {
            let answer = operator.post(&format!("/v1/sync/parked/{key}/retry"), &json!({})).await.unwrap();
            (answer.status.is_success() && answer.body["waiting"] == 0) || answer.status == 409
        })
        .await;
    }
    for (user, name) in [(malformed, "annalater"), (refused, "brunolater")] {
        let owner = operator.get(&format!("/v1/users/{user}")).await.unwrap();
        everywhere(operator, user, owner["version"].as_u64().unwrap()).await;
        let row = operator.get(&format!("/v1/sync/copies/users.index/{user}")).await.unwrap();
        assert_eq!(row["row"]["username"], name);
    }
    until("nothing is parked", async || parked(operator).await.is_empty()).await;
    let report = verdict(operator).await;
    assert_eq!(not_consistent(&report), Vec::<&str>::new(), "{report:#}");
}

/// Appends an event to an order's stream that this program cannot apply.
async fn spoil(data: &Path, order: &str, (kind, schema_version): (&str, u16), event: Value) {
    let host = Host::system();
    let log = open_log(data.join("order-service/journal"), "order", &host).await.unwrap();
    let stream = StreamName::new("order", order).unwrap();
    let kind = EventType::parse(kind).unwrap();
    let event = NewEvent::fresh(&host, kind, schema_version, JsonBytes::of(&event).unwrap(), &CallContext::new(&host));
    log.append(stream, ExpectedVersion::Any, vec![event]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_cannot_be_applied_park_alone_in_every_copy_and_are_shown() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(anna.must_place(&[("lute", 1)]).await.unwrap()["orderId"].as_str().unwrap().to_owned());
    }
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let [unknown, newer, malformed, fine] = &orders[..] else { panic!("four were placed") };
    let shop = shop
        .restart_after(async |data: &Path| {
            spoil(data, unknown, ("OrderGiftWrapped", 1), json!({ "ribbon": "red" })).await;
            spoil(data, newer, ("OrderStatusChanged", 99), json!({ "state": { "code": 7 } })).await;
            spoil(data, malformed, ("OrderStatusChanged", 1), json!({ "status": 7 })).await;
            Ok(())
        })
        .await
        .unwrap();
    let operator = &shop.shop;
    let anna = Customer { shop: operator.with_token(shop.token(&anna.id.to_string(), Role::Customer)), ..anna };
    until("the view parks them", async || operator.get("/v1/projections/order-view").await.unwrap()["parkedKeys"] == 3)
        .await;
    // Others flow: an older order goes on, a new one is placed, in the view, in analytics, by mail.
    let shipped = json!({ "carrier": "Staffetta", "trackingNumber": "1" });
    let shipped = operator.post(&format!("/v1/orders/{fine}/ship"), &shipped).await.unwrap();
    assert_eq!(shipped.status, 200, "{}", shipped.problem());
    let placed = anna.must_place(&[("lute", 1)]).await.unwrap()["orderId"].as_str().unwrap().to_owned();
    let seen = |order: &str| {
        let request = operator.request(Method::GET, &format!("/v1/orders/{order}"));
        request.header("Madrigal-Position", shipped.position.clone().unwrap())
    };
    assert_eq!(operator.send(seen(fine)).await.unwrap().body["currentStatus"], "shipped");
    until("its mail is written", async || {
        let path = format!("/v1/mails/{placed}.order-confirmation");
        operator.send(operator.request(Method::GET, &path)).await.unwrap().status == 200
    })
    .await;
    // Shown, each with its cause.
    let shown = operator.get("/v1/projections/order-view/parked").await.unwrap();
    for (order, cause) in [(unknown, "OrderGiftWrapped"), (newer, "version 99"), (malformed, "does not decode")] {
        let mut items = shown["items"].as_array().unwrap().iter();
        let item = items.find(|item| item["lane"].as_str().unwrap().ends_with(order.as_str()));
        assert!(item.is_some_and(|item| item["cause"].as_str().unwrap().contains(cause)), "{order}: {shown:#}");
    }
    // A topic tells the types that it declares: of the unknown one nobody hears. The newer one is told as what nobody may take
    // for what it knows; and whether the malformed one can be read is for who reads it.
    until("sync-service parks the newer one", async || {
        parked(operator).await.into_keys().collect::<Vec<_>>() == [format!("orders:{newer}")]
    })
    .await;
    until("analytics parks the newer and the malformed one", async || {
        let (_, metrics) = operator.send_for_text(operator.request(Method::GET, "/metrics")).await.unwrap();
        let metrics = String::from_utf8(metrics).unwrap();
        metrics
            .lines()
            .any(|line| line.starts_with("parked_keys{") && line.contains("analytics") && line.ends_with(" 2"))
    })
    .await;
    // The monitor names them, and no other. Books are kept over all orders: one that cannot be read leaves them open.
    let report = check(operator, true, None).await;
    for pair in report["checks"].as_array().unwrap() {
        let of_books = pair["name"].as_str().unwrap().starts_with("books.");
        assert!(of_books || pair["trouble"].is_null(), "{pair:#}");
        for row in pair["inconsistencies"].as_array().unwrap() {
            assert!(orders[..3].iter().any(|order| row["key"] == order.as_str()), "{row:#}");
        }
    }
    for order in &orders[..3] {
        let body = json!({ "key": format!("key/{order}") });
        let retried = operator.post("/v1/projections/order-view/parked/retry", &body).await.unwrap().ok().unwrap();
        assert_eq!((&retried["applied"], retried["waiting"].as_u64().unwrap() > 0), (&json!(0), true), "{retried}");
    }
}

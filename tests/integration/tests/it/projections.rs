//! Projections through the public API: rebuilt while orders go on, compared, switched to; parked keys; who may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use madrigal::client::{Answer, Shop};
use madrigal::compose::Wiring;
use madrigal_core::tasks;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};
use madrigal_sqlite::{Database, DatabaseOptions};
use reqwest::Method;
use serde_json::{Value, json};

const VIEW: &str = "/v1/projections/order-view";

async fn post(shop: &Shop, verb: &str, body: Value) -> Answer {
    shop.post(&format!("{VIEW}/{verb}"), &body).await.unwrap()
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.body["code"].as_str().unwrap_or_default())
}

async fn caught_up(shop: &Shop) -> Value {
    let waited = tasks::within(Duration::from_secs(60), async {
        loop {
            let shown = shop.get(VIEW).await.unwrap();
            if shown["candidate"]["state"] == "caught-up" {
                return shown;
            }
            tasks::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap()
}

/// Places orders one after the other until `done`, and reads each as fresh as its answer says; returns their ids.
async fn placing(customer: Customer, done: Arc<AtomicBool>) -> Vec<String> {
    let mut placed = Vec::new();
    while !done.load(Ordering::SeqCst) {
        let answer = customer.place(&[("lute", 1)], "tok_visa", &fresh_key()).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.problem());
        let id = answer.body["orderId"].as_str().unwrap().to_owned();
        let read = customer.shop.request(Method::GET, &format!("/v1/orders/{id}"));
        let read = customer.shop.send(read.header("Madrigal-Position", answer.position.unwrap())).await.unwrap();
        assert_eq!((read.status.as_u16(), &read.body["currentStatus"]), (200, &json!("confirmed")), "{}", read.body);
        placed.push(id);
    }
    placed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_view_is_rebuilt_compared_and_switched_to_while_orders_go_on() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 100_000).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    for _ in 0..20 {
        anna.must_place(&[("lute", 2)]).await.unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let buying = tasks::spawn("buying", placing(anna.clone(), Arc::clone(&done)));
    for generation in 2..=3 {
        let begun = post(&shop.shop, "rebuild", json!({})).await;
        assert_eq!((begun.status.as_u16(), &begun.body["candidate"]["generation"]), (202, &json!(generation)));
        assert_eq!(told(&post(&shop.shop, "rebuild", json!({})).await), (409, "projection-candidate-exists"));
        caught_up(&shop.shop).await;
        assert_eq!(told(&post(&shop.shop, "switch", json!({})).await), (409, "projection-not-compared"));
        let compared = post(&shop.shop, "compare", json!({})).await.ok().unwrap();
        assert_eq!(compared["verdict"], "equal", "{compared}");
        assert!(compared["rows"].as_u64().unwrap() >= 20 && compared["position"].as_u64().unwrap() > 0);
        let switched = post(&shop.shop, "switch", json!({})).await.ok().unwrap();
        assert_eq!((&switched["generation"], &switched["candidate"]), (&json!(generation), &Value::Null));
        assert_eq!(switched["previous"]["generation"], generation - 1);
    }
    done.store(true, Ordering::SeqCst);
    let placed = buying.await.unwrap();
    assert!(!placed.is_empty());
    let listed = anna.shop.get("/v1/orders?limit=200").await.unwrap();
    let listed: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|order| order["orderId"].as_str().unwrap()).collect();
    assert!(placed.iter().rev().take(100).all(|id| listed.contains(&id.as_str())), "an order is not in the list");
    assert_eq!(post(&shop.shop, "confirm", json!({})).await.status, 200);
    assert_eq!(told(&post(&shop.shop, "confirm", json!({})).await), (409, "projection-no-previous"));
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_goes_on_with_the_candidate() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 1_000).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    for _ in 0..10 {
        anna.must_place(&[("lute", 1)]).await.unwrap();
    }
    assert_eq!(post(&shop.shop, "rebuild", json!({})).await.status, 202);
    let shop = shop.restart().await.unwrap();
    let shown = caught_up(&shop.shop).await;
    assert_eq!((&shown["generation"], &shown["candidate"]["generation"]), (&json!(1), &json!(2)));
    assert_eq!(post(&shop.shop, "compare", json!({})).await.ok().unwrap()["verdict"], "equal");
    let shop = shop.restart().await.unwrap();
    let shown = caught_up(&shop.shop).await;
    assert_eq!(shown["candidate"]["compared"]["verdict"], "equal", "the comparison is kept with the candidate");
    assert_eq!(post(&shop.shop, "switch", json!({})).await.status, 200);
    let shop = shop.restart().await.unwrap();
    let shown = shop.shop.get(VIEW).await.unwrap();
    assert_eq!((&shown["generation"], &shown["previous"]["generation"]), (&json!(2), &json!(1)));
    let orders = shop.shop.get("/v1/orders?limit=50").await.unwrap();
    assert_eq!(orders["items"].as_array().unwrap().len(), 10);
    assert_eq!(post(&shop.shop, "rebuild", json!({})).await.status, 202);
    assert_eq!(post(&shop.shop, "discard", json!({})).await.ok().unwrap()["candidate"], Value::Null);
    assert_eq!(told(&post(&shop.shop, "discard", json!({})).await), (409, "projection-no-candidate"));
    assert_eq!(told(&post(&shop.shop, "compare", json!({})).await), (409, "projection-no-candidate"));
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}

/// An event of each of these orders waits in the view's parked list, as if it could not have been applied.
async fn park(shop: &OneProcess, orders: &[String]) {
    let database = Database::open(shop.data().join("order-service/views.sqlite"), DatabaseOptions::REBUILDABLE);
    let database = database.await.unwrap();
    for id in orders {
        let events = shop.shop.get(&format!("/v1/orders/{id}/events")).await.unwrap();
        let last = events["items"].as_array().unwrap().last().unwrap()["position"].as_i64().unwrap();
        let lane = format!("key/{id}");
        let insert = "INSERT INTO parked (scope, lane, position, id, kind, cause, attempts, first_at, last_at)
                      VALUES ('view:order-view/1', ?1, ?2, 'id', 'OrderOdd', 'it was odd', 1, 1, 1)";
        database.write("park", move |tx| tx.execute(insert, (lane, last)).map(drop)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_keys_are_shown_retried_and_skipped() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let mut orders = Vec::new();
    for _ in 0..2 {
        orders.push(anna.must_place(&[("lute", 1)]).await.unwrap()["orderId"].as_str().unwrap().to_owned());
    }
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    park(&shop, &orders).await;
    let shop = shop.restart().await.unwrap();
    let why = shop.shop.get(&format!("{VIEW}/why-stalled")).await;
    // The runner tells its lanes with its first step.
    let shown = tasks::within(Duration::from_secs(30), async {
        loop {
            let shown = shop.shop.get(VIEW).await.unwrap();
            if shown["parkedKeys"] == 2 {
                return shown;
            }
            tasks::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(shown.await.unwrap()["state"], "parked", "{why:?}");
    let why = shop.shop.get(&format!("{VIEW}/why-stalled")).await.unwrap();
    assert_eq!((&why["cause"], &why["name"]), (&json!("parked-keys"), &json!("order-view")));
    assert!(why["help"].as_str().unwrap().contains("retry"));
    let page = shop.shop.get(&format!("{VIEW}/parked?limit=1")).await.unwrap();
    assert_eq!(page["items"][0]["lane"], format!("key/{}", orders[0]));
    let next = page["next"].as_str().unwrap();
    let page = shop.shop.get(&format!("{VIEW}/parked?limit=1&cursor={next}")).await.unwrap();
    assert_eq!(page["items"][0]["lane"], format!("key/{}", orders[1]));

    let unknown = post(&shop.shop, "parked/retry", json!({ "key": "nobody" })).await;
    assert_eq!(told(&unknown), (409, "projection-nothing-parked"));
    let retried = post(&shop.shop, "parked/retry", json!({ "key": orders[0] })).await.ok().unwrap();
    assert_eq!((&retried["applied"], &retried["waiting"]), (&json!(1), &json!(0)));
    let skip = |reason: Value| json!({ "key": format!("key/{}", orders[1]), "reason": reason });
    for reason in [Value::Null, json!("   ")] {
        assert_eq!(told(&post(&shop.shop, "parked/skip", skip(reason)).await), (422, "invalid-body"));
    }
    assert_eq!(post(&shop.shop, "parked/skip", skip(json!("planted by a test"))).await.status, 200);
    let page = shop.shop.get(&format!("{VIEW}/parked")).await.unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert!(page["items"][0]["skipped"].as_str().unwrap().ends_with("tests: planted by a test"), "{page}");
    let shown = shop.shop.get(VIEW).await.unwrap();
    assert_eq!((&shown["state"], &shown["parkedKeys"]), (&json!("serving"), &json!(0)));
    assert_eq!(shop.shop.get(&format!("{VIEW}/why-stalled")).await.unwrap()["cause"], "nothing");
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_are_operators_only_and_a_service_that_is_down_is_named() {
    let shop = OneProcess::start_with(Wiring::round_trip().switchable()).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    for path in ["", "/order-view", "/order-view/parked", "/order-view/why-stalled"] {
        let path = format!("/v1/projections{path}");
        let get = |shop: &Shop| shop.request(Method::GET, &path);
        assert_eq!(anna.shop.send(get(&anna.shop)).await.unwrap().status, 403, "{path}");
        let nobody = shop.anonymous().unwrap();
        assert_eq!(nobody.send(get(&nobody)).await.unwrap().status, 401, "{path}");
    }
    for verb in ["rebuild", "compare", "switch", "discard", "confirm", "parked/retry", "parked/skip"] {
        let body = json!({ "key": "a", "reason": "b" });
        let body = if verb == "switch" { json!({}) } else { body };
        assert_eq!(post(&anna.shop, verb, body).await.status, 403, "{verb}");
    }
    let all = shop.shop.get("/v1/projections").await.unwrap();
    let names: Vec<&str> = all["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.contains(&"order-view") && names.contains(&"mail-list"), "{names:?}");
    assert_eq!(all["missing"], json!([]));

    shop.switches().each("notification-service", madrigal_http::Switch::down);
    let some = shop.shop.get("/v1/projections").await.unwrap();
    assert_eq!(some["missing"][0]["service"], "notification-service");
    assert_eq!(some["items"].as_array().unwrap().len(), names.len() - 1);
    let request = shop.shop.request(Method::GET, "/v1/projections/no-such-view");
    assert_eq!(shop.shop.send(request).await.unwrap().status, 503, "it may be one of the service that is down");
    shop.switches().each("notification-service", madrigal_http::Switch::up);
    let request = shop.shop.request(Method::GET, "/v1/projections/no-such-view");
    assert_eq!(shop.shop.send(request).await.unwrap().status, 404);
    let refused = post(&shop.shop, "switch", json!({ "acceptDifferences": true })).await;
    assert_eq!((told(&refused), &refused.body["errors"][0]["pointer"]), ((422, "invalid-body"), &json!("/reason")));
}

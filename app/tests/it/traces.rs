//! One trace from the gateway to the last copy, as a collector gets it; and a shop whose collector is broken.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use madrigal_harness::{Customer, fresh_key};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::collector::{Collector, Span, names, orphans};
use crate::load::prepare;
use crate::process::{Process, free_address, madrigal};
use crate::several::Several;

/// Everything that is done for an order, by whom. No name has an id in it.
const ORDER: [&str; 30] = [
    "gateway: POST /v1/orders",
    "order-service: call user.get-buyer",
    "user-service: answer user.get-buyer",
    "order-service: call catalog.quote-products",
    "catalog-service: answer catalog.quote-products",
    "order-service: saga place-order",
    "order-service: step reserve-inventory",
    "order-service: call catalog.reserve-stock",
    "catalog-service: answer catalog.reserve-stock",
    "order-service: step process-payment",
    "order-service: call payment.charge",
    "payment-service: answer payment.charge",
    "order-service: step create-order",
    "order-service: step confirm-reservation",
    "order-service: call catalog.confirm-reservation",
    "catalog-service: answer catalog.confirm-reservation",
    "order-service: step send-confirmation",
    "order-service: call notification.request-mail",
    "notification-service: answer notification.request-mail",
    "notification-service: handle mail",
    "notification-service: fold mail-list",
    "order-service: fold order-view",
    "order-service: fold order-sagas",
    "catalog-service: fold products",
    "catalog-service: fold open-reservations",
    "order-service: fold saga-summaries",
    "analytics-service: collect orders",
    "analytics-service: collect products",
    "sync-service: handle orders",
    "sync-service: handle products",
];

/// Everything that is done for a user who changes their profile.
const USER: [&str; 10] = [
    "gateway: PATCH /v1/users/{id}",
    "sync-service: capture users",
    "sync-service: tell users.key-value",
    "sync-service: tell users.index",
    "sync-service: tell users.analytics",
    "sync-service: tell users.activity",
    "sync-service: call copies.apply-rows",
    "user-service: answer copies.apply-rows",
    "catalog-service: answer copies.apply-rows",
    "analytics-service: answer copies.apply-rows",
];

/// All that is ever said beside the name.
const ATTRIBUTES: [&str; 10] = [
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "peer.service",
    "madrigal.saga.id",
    "madrigal.saga.attempt",
    "madrigal.events",
    "madrigal.messages",
    "madrigal.changes",
    "madrigal.rows",
];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The shop with a collector: in one process.
async fn up(data: &Path, collector: &Collector) -> Process {
    let address = free_address();
    let mut command = collector.of(madrigal(data));
    command.args(["up", "--listen", &address.to_string()]);
    Process::start(command, address).await
}

/// Sends a request, and tells the trace that its answer names, and the answer.
async fn traced(request: reqwest::RequestBuilder) -> (String, reqwest::Response) {
    let answer = request.send().await.unwrap();
    let traceparent = answer.headers()["traceparent"].to_str().unwrap().to_owned();
    (traceparent[3..35].to_owned(), answer)
}

fn place(customer: &Customer, token: &str) -> reqwest::RequestBuilder {
    let body = json!({ "items": [{ "productId": "lute", "quantity": 1 }], "paymentMethod": { "token": token } });
    customer.shop.request(Method::POST, "/v1/orders").json(&body).header("Idempotency-Key", fresh_key())
}

/// The links are whole, the names are declared ones, and nothing tells who it was.
fn is_sound(spans: &[Span], customer: &Customer) {
    assert!(orphans(spans).is_empty(), "{:?}", orphans(spans));
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_none()).collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    for span in spans {
        let odd: Vec<_> = span.attributes.keys().filter(|name| !ATTRIBUTES.contains(&name.as_str())).collect();
        assert!(odd.is_empty(), "{odd:?}");
        let said = format!("{} {:?}", span.name, span.attributes);
        assert!(!said.contains(&customer.username) && !said.contains('@') && !said.contains("tok_"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_one_trace_from_the_gateway_to_the_last_copy() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(StatusCode::OK).await;
    let process = up(data.path(), &collector).await;
    let shop = process.shop(data.path());
    let customer = prepare(&shop, 1).await.remove(0);
    let (trace, answer) = traced(place(&customer, "tok_visa").header("Prefer", "wait=30")).await;
    assert_eq!(answer.status(), 201);
    let order: serde_json::Value = answer.json().await.unwrap();
    let spans = collector.trace(&trace, &set(&ORDER)).await;
    is_sound(&spans, &customer);
    assert_eq!(names(&spans), set(&ORDER), "nothing else is done for an order");
    assert!(spans.iter().all(|span| !span.failed));
    let events = shop.get("/v1/logs/order-service/events?limit=100").await.unwrap();
    let of_order = events["items"].as_array().unwrap().iter().filter(|event| event["aggregateId"] == order["orderId"]);
    let traces: BTreeSet<String> =
        of_order.map(|event| event["metadata"]["traceparent"].as_str().unwrap()[3..35].to_owned()).collect();
    assert_eq!(traces, BTreeSet::from([trace]), "whoever reads the events finds the trace");

    // What is refused names its trace too, and the attempts that failed are seen in it.
    let (trace, answer) = traced(place(&customer, "tok_declined").header("Prefer", "wait=30")).await;
    assert!(answer.status().is_client_error());
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["traceId"], json!(trace));
    let undone = ["order-service: step process-payment", "order-service: undo reserve-inventory"];
    let spans = collector.trace(&trace, &set(&undone)).await;
    is_sound(&spans, &customer);
    let failed: BTreeSet<&str> = spans.iter().filter(|span| span.failed).map(|span| span.name.as_str()).collect();
    assert_eq!(failed, BTreeSet::from(["step process-payment"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_user_is_one_trace_to_every_copy_and_a_batch_is_linked_to_all_its_traces() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(StatusCode::OK).await;
    let process = up(data.path(), &collector).await;
    let shop = process.shop(data.path());
    let customer = prepare(&shop, 1).await.remove(0);
    let change = |number: usize| {
        let path = format!("/v1/users/{}", customer.id);
        let body = json!({ "profile": { format!("n{number}"): number } }).to_string();
        let request = shop.request(Method::PATCH, &path).header("Content-Type", "application/merge-patch+json");
        request.header("If-Match", "\"1\"").header("Prefer", "resolution=merge").body(body)
    };
    let (trace, answer) = traced(change(0)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    let spans = collector.trace(&trace, &set(&USER)).await;
    is_sound(&spans, &customer);

    // Changed by many at once: some batch tells several.
    let changing = (1..=64).map(|number| traced(change(number)));
    let traces: BTreeSet<String> =
        futures::future::join_all(changing).await.into_iter().map(|(trace, _)| trace).collect();
    // Other batches tell of what was made before. Each of the traces leads to the batch, and may come after it.
    let leads_back = |spans: &[Span], batch: &Span| {
        let back = |span: &&Span| span.links.contains(&batch.trace) && batch.links.contains(&span.trace);
        spans.iter().filter(back).count() == batch.links.len()
    };
    let is_shared = |span: &&Span| span.parent.is_none() && span.links.len() > 1;
    let of_these = |span: &&Span| span.links.iter().all(|link| traces.contains(link));
    let shared = |spans: &[Span]| spans.iter().filter(is_shared).filter(of_these).any(|batch| leads_back(spans, batch));
    collector.until(|spans| shared(spans)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_one_trace_across_processes() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(StatusCode::OK).await;
    let several = Several::plan(data.path());
    let (gateway, _services) = several.start_all(data.path(), |command| collector.of(command)).await;
    let shop = gateway.shop(data.path());
    let customer = prepare(&shop, 1).await.remove(0);
    let (trace, answer) = traced(place(&customer, "tok_visa").header("Prefer", "wait=30")).await;
    assert_eq!(answer.status(), 201);
    let mut wanted = set(&ORDER);
    wanted.extend(set(&["gateway: pass-on order-service", "order-service: POST /v1/orders"]));
    let spans = collector.trace(&trace, &wanted).await;
    is_sound(&spans, &customer);
    assert_eq!(names(&spans), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_collector_changes_nothing_for_customers_and_is_said_once() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(StatusCode::BAD_REQUEST).await;
    let address = free_address();
    let mut command = collector.of(madrigal(data.path()));
    // So few that some do not fit.
    command.env("OTEL_BSP_MAX_QUEUE_SIZE", "4").args(["up", "--listen", &address.to_string()]);
    let log = data.path().join("log");
    let mut process = Process::start_logging(command, address, File::create(&log).unwrap()).await;
    let shop = process.shop(data.path());
    let customer = prepare(&shop, 1).await.remove(0);
    for _ in 0..20 {
        customer.must_place(&[("lute", 1)]).await.unwrap();
    }
    let text = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
    for reason in ["queue-full", "not-taken"] {
        let line = format!("trace_spans_dropped_total{{reason=\"{reason}\"}} ");
        let count = text.lines().find_map(|known| known.strip_prefix(&line)).unwrap_or_else(|| panic!("{text}"));
        assert!(count.parse::<u64>().unwrap() > 0, "{reason} {count}");
    }
    assert_eq!(process.terminate(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("the collector takes no spans").count(), 1, "{log}");
}

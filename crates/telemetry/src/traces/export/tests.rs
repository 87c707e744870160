//! Against a collector of our own.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use madrigal_core::Timestamp;
use madrigal_core::spans::{SpanId, SpanKind, SpanSink, TraceContext, TraceId};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;

/// A collector that keeps what it gets, and answers as it is told.
struct Receiver {
    address: String,
    bodies: watch::Receiver<Vec<Value>>,
    /// The next answers, from the end; then all is well.
    answers: Arc<Mutex<Vec<StatusCode>>>,
}

type Kept = (Arc<watch::Sender<Vec<Value>>>, Arc<Mutex<Vec<StatusCode>>>);

async fn take(State((kept, answers)): State<Kept>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    assert_eq!(headers["x-key"], "of the collector");
    let status = answers.lock().unwrap().pop().unwrap_or(StatusCode::OK);
    if status == StatusCode::OK {
        kept.send_modify(|kept| kept.push(serde_json::from_slice(&body).unwrap()));
    }
    (status, r#"{"partialSuccess":{"rejectedSpans":"1"}}"#.to_owned())
}

async fn receiver(answers: Vec<StatusCode>) -> Receiver {
    let (kept, bodies) = watch::channel(Vec::new());
    let answers = Arc::new(Mutex::new(answers));
    let router = Router::new().route("/v1/traces", post(take)).with_state((Arc::new(kept), Arc::clone(&answers)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tasks::spawn("collector", async move { axum::serve(listener, router).await });
    Receiver { address, bodies, answers }
}

fn options(address: &str, queue: usize) -> TraceOptions {
    let read = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(address.to_owned()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("x-key=of%20the%20collector".to_owned()),
        "OTEL_BSP_SCHEDULE_DELAY" => Some("1".to_owned()),
        _ => None,
    };
    TraceOptions { queue, batch: 4, ..TraceOptions::read(read).unwrap().unwrap() }
}

fn span(host: &Host) -> EndedSpan {
    EndedSpan {
        context: TraceContext { trace: TraceId::new(host), span: SpanId::new(host), sampled: true },
        parent: None,
        service: "order-service",
        name: "saga place-order".to_owned(),
        kind: SpanKind::Internal,
        began: Timestamp::from_micros(1),
        took: Duration::ZERO,
        attributes: Vec::new(),
        links: Vec::new(),
        dropped_links: 0,
        failed: None,
    }
}

fn spans_of(body: &Value) -> usize {
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len()
}

#[tokio::test]
async fn spans_arrive_in_batches_and_the_last_when_it_is_stopped() {
    let host = Host::seeded(1);
    let collector = receiver(Vec::new()).await;
    let (queue, exporter) = pair(options(&collector.address, 100), host.clone()).unwrap();
    for _ in 0..6 {
        queue.ended(span(&host));
    }
    let stop = StopSignal::new();
    stop.cancel();
    exporter.run(stop).await;
    let sizes: Vec<usize> = collector.bodies.borrow().iter().map(spans_of).collect();
    assert_eq!(sizes, [4, 2]);
    assert_eq!(queue.dropped(), 2, "the collector rejected one of each batch");
}

#[tokio::test]
async fn a_batch_that_is_refused_for_now_is_sent_again_and_one_that_is_refused_is_dropped() {
    let host = Host::seeded(1);
    let (later, never) = (StatusCode::SERVICE_UNAVAILABLE, StatusCode::BAD_REQUEST);
    // The first batch is never taken, the second at the second attempt.
    let mut collector = receiver(vec![later, never]).await;
    let (queue, exporter) = pair(options(&collector.address, 100), host.clone()).unwrap();
    for _ in 0..8 {
        queue.ended(span(&host));
    }
    let stop = StopSignal::new();
    let running = tasks::spawn("exporter", exporter.run(stop.clone()));
    collector.bodies.wait_for(|bodies| !bodies.is_empty()).await.unwrap();
    assert!(collector.answers.lock().unwrap().is_empty());
    stop.cancel();
    running.await.unwrap();
    assert_eq!(collector.bodies.borrow().iter().map(spans_of).sum::<usize>(), 4);
    assert_eq!(queue.dropped(), 5, "four were refused, one rejected");
}

#[tokio::test]
async fn a_queue_that_is_full_drops_and_counts_and_never_waits() {
    let host = Host::seeded(1);
    let (queue, exporter) = pair(options("http://127.0.0.1:9", 3), host.clone()).unwrap();
    for _ in 0..10 {
        queue.ended(span(&host));
    }
    assert_eq!(queue.dropped(), 7);
    let stop = StopSignal::new();
    stop.cancel();
    // Nobody listens there: each batch is tried once.
    exporter.run(stop).await;
    assert_eq!(queue.dropped(), 10);
}

#[test]
fn what_a_collector_did_not_take_is_read_from_its_answer() {
    for (answer, expected) in [
        ("", 0),
        ("{}", 0),
        ("<html>", 0),
        (r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, 3),
        (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3),
        (r#"{"partialSuccess":{"errorMessage":"x"}}"#, 0),
    ] {
        assert_eq!(rejected(answer.as_bytes()), expected, "{answer}");
    }
}

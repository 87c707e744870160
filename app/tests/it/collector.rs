//! A collector of spans: takes OTLP over HTTP as the real ones do, and keeps what it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use madrigal_core::tasks;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a trace may take until it is whole; only a failing test waits so long.
const WHOLE: Duration = Duration::from_secs(60);

/// A span as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) failed: bool,
    /// The traces of its links.
    pub(crate) links: Vec<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// Listens on loopback, and answers every request alike.
pub(crate) struct Collector {
    address: String,
    spans: watch::Receiver<Vec<Span>>,
}

type Kept = (StatusCode, Arc<watch::Sender<Vec<Span>>>);

async fn take((status, kept): Kept, body: String) -> StatusCode {
    let request: Value = serde_json::from_str(&body).unwrap();
    kept.send_modify(|kept| kept.extend(read(&request)));
    status
}

impl Collector {
    pub(crate) async fn start(status: StatusCode) -> Self {
        let (kept, spans) = watch::channel(Vec::new());
        let kept: Kept = (status, Arc::new(kept));
        let answer = |State(kept): State<Kept>, body: String| take(kept, body);
        let router = Router::new().route("/v1/traces", post(answer)).with_state(kept);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tasks::spawn("collector", async move { axum::serve(listener, router).await });
        Self { address, spans }
    }

    /// Lets a process send its spans here, soon.
    pub(crate) fn of(&self, mut command: Command) -> Command {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.address).env("OTEL_BSP_SCHEDULE_DELAY", "20");
        command
    }

    /// The spans that came until `enough`.
    pub(crate) async fn until(&mut self, enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let came = tasks::within(WHOLE, self.spans.wait_for(|spans| enough(spans))).await;
        let came = came.map(|spans| spans.unwrap().clone());
        came.unwrap_or_else(|| panic!("not enough: {:#?}", names(&self.spans.borrow())))
    }

    /// The trace's spans, once it has spans of all these names and every parent has come.
    pub(crate) async fn trace(&mut self, id: &str, wanted: &BTreeSet<String>) -> Vec<Span> {
        let of_trace = |spans: &[Span]| spans.iter().filter(|span| span.trace == id).cloned().collect::<Vec<_>>();
        let spans = self.until(|spans| {
            let spans = of_trace(spans);
            names(&spans).is_superset(wanted) && orphans(&spans).is_empty()
        });
        of_trace(&spans.await)
    }
}

/// The names of spans, each with its service.
pub(crate) fn names(spans: &[Span]) -> BTreeSet<String> {
    spans.iter().map(|span| format!("{}: {}", span.service, span.name)).collect()
}

/// The spans whose parent has not come.
pub(crate) fn orphans(spans: &[Span]) -> Vec<&Span> {
    let known: BTreeSet<&String> = spans.iter().map(|span| &span.id).collect();
    spans.iter().filter(|span| span.parent.as_ref().is_some_and(|parent| !known.contains(parent))).collect()
}

fn read(request: &Value) -> Vec<Span> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut spans = Vec::new();
    for resource in list(&request["resourceSpans"]) {
        let service = attributes(&resource["resource"]["attributes"])["service.name"].clone();
        for span in list(&resource["scopeSpans"]).iter().flat_map(|scope| list(&scope["spans"])) {
            let text = |member: &str| span[member].as_str().unwrap().to_owned();
            let nanos = |member: &str| text(member).parse::<u64>().unwrap();
            assert!(nanos("startTimeUnixNano") <= nanos("endTimeUnixNano"));
            spans.push(Span {
                trace: text("traceId"),
                id: text("spanId"),
                parent: span["parentSpanId"].as_str().map(ToOwned::to_owned),
                service: service.clone(),
                name: text("name"),
                failed: span["status"]["code"] == 2,
                links: list(&span["links"]).iter().map(|link| link["traceId"].as_str().unwrap().to_owned()).collect(),
                attributes: attributes(&span["attributes"]),
            });
        }
    }
    spans
}

fn attributes(listed: &Value) -> BTreeMap<String, String> {
    let listed = listed.as_array().unwrap().iter();
    let text = |value: &Value| value["stringValue"].as_str().or(value["intValue"].as_str()).unwrap().to_owned();
    listed.map(|one| (one["key"].as_str().unwrap().to_owned(), text(&one["value"]))).collect()
}

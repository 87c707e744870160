//! The task that sends spans: batch by batch, one request at a time.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use madrigal_core::spans::EndedSpan;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, error_chain};
use serde::Deserialize;
use tokio::sync::mpsc::Receiver;

use super::options::TraceOptions;
use super::otlp::{self, Said};
use super::queue::{Dropped, Queue};
use crate::names;

/// How often a batch is sent before it is dropped: with the pauses some 15 s, in which newer spans wait in the queue.
const ATTEMPTS: u32 = 5;
/// The pause after a batch was not taken; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// Sends what the queue has.
pub(super) struct Exporter {
    waiting: Receiver<EndedSpan>,
    collector: Collector,
    batch: usize,
    delay: Duration,
    dropped: Dropped,
    trouble: Trouble,
}

struct Collector {
    client: reqwest::Client,
    endpoint: String,
    said: Said,
}

/// Why a batch was not taken.
struct Refusal {
    why: String,
    again: bool,
}

/// Whether the collector's trouble was told.
#[derive(Default)]
struct Trouble {
    /// What had been dropped when it began.
    since: Option<u64>,
}

/// A queue for spans, and what sends them.
pub(super) fn pair(options: TraceOptions, host: Host) -> Result<(Queue, Exporter), String> {
    let mut headers: HeaderMap = options.headers.into_iter().collect();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let client = reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(CONNECT_TIME)
        .timeout(options.timeout)
        .pool_max_idle_per_host(1)
        // Whoever answers elsewhere is not the collector that was named; its key must not follow.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())?;
    let prefix = options.service_prefix.map(|prefix| format!("{prefix}-")).unwrap_or_default();
    let collector = Collector {
        client,
        endpoint: options.endpoint.to_string(),
        said: Said { prefix, attributes: options.attributes },
    };
    let dropped = Dropped::default();
    let (queue, waiting) = Queue::new(host, options.sampler, options.queue, dropped.clone());
    let (batch, delay) = (options.batch, options.delay);
    Ok((queue, Exporter { waiting, collector, batch, delay, dropped, trouble: Trouble::default() }))
}

impl Exporter {
    /// Sends until `stop`, and then what is left, each batch once.
    pub(super) async fn run(mut self, stop: StopSignal) {
        loop {
            let batch = self.gather(&stop).await;
            if batch.is_empty() {
                return;
            }
            self.send(batch, &stop).await;
        }
    }

    /// The next batch: full, or as old as it may get. After `stop` what is left; nothing where nothing is.
    async fn gather(&mut self, stop: &StopSignal) -> Vec<EndedSpan> {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = self.waiting.recv_many(&mut batch, self.batch) => {}
        }
        let until = tasks::instant() + self.delay;
        while batch.len() < self.batch && !stop.is_cancelled() {
            let room = self.batch - batch.len();
            let more = self.waiting.recv_many(&mut batch, room);
            tokio::select! {
                () = stop.cancelled() => break,
                more = tasks::within(until.saturating_duration_since(tasks::instant()), more) => {
                    if more.is_none_or(|more| more == 0) {
                        break;
                    }
                }
            }
        }
        while batch.len() < self.batch {
            match self.waiting.try_recv() {
                Ok(span) => batch.push(span),
                Err(_) => break,
            }
        }
        batch
    }

    async fn send(&mut self, batch: Vec<EndedSpan>, stop: &StopSignal) {
        let body = match otlp::body(&self.collector.said, &batch) {
            Ok(body) => body,
            Err(error) => return self.give_up(batch.len(), "unwritable", &error.to_string()),
        };
        let spans = batch.len();
        drop(batch);
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.collector.post(body.clone()).await {
                Ok(rejected) => {
                    let taken = spans.saturating_sub(rejected);
                    metrics::counter!(names::TRACE_SPANS_SENT).increment(taken as u64);
                    self.dropped.add(rejected, "rejected");
                    return self.trouble.over(&self.dropped);
                }
                Err(refusal) => {
                    self.trouble.told(&refusal.why, &self.dropped);
                    if !refusal.again || attempt == ATTEMPTS || stop.is_cancelled() {
                        return self.give_up(spans, "not-taken", &refusal.why);
                    }
                }
            }
            tasks::sleep_or_stopped(pause, stop).await;
            pause *= 2;
        }
    }

    fn give_up(&mut self, spans: usize, reason: &'static str, why: &str) {
        self.trouble.told(why, &self.dropped);
        self.dropped.add(spans, reason);
    }
}

impl Collector {
    /// Sends a batch once; how many spans of it the collector rejected.
    async fn post(&self, body: Vec<u8>) -> Result<usize, Refusal> {
        // The address may hold a password.
        let failed = |error: reqwest::Error| Refusal { why: error_chain(&error.without_url()), again: true };
        let mut answer = self.client.post(&self.endpoint).body(body).send().await.map_err(failed)?;
        let status = answer.status();
        if !status.is_success() {
            let again = matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            );
            return Err(Refusal { why: format!("it answered {status}"), again });
        }
        let mut said = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await {
            if said.len() + piece.len() > MAX_ANSWER_BYTES {
                return Ok(0);
            }
            said.extend_from_slice(&piece);
        }
        Ok(rejected(&said))
    }
}

/// How many spans the answer says were not taken.
///
/// # Source
/// OTLP specification, *Partial success*; a 64-bit number of protobuf's JSON is a text, or a number.
fn rejected(answer: &[u8]) -> usize {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Answer {
        partial_success: Partial,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Partial {
        rejected_spans: serde_json::Value,
    }
    let answer: Answer = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = match answer.partial_success.rejected_spans {
        serde_json::Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    rejected.and_then(|rejected| usize::try_from(rejected).ok()).unwrap_or(0)
}

impl Trouble {
    /// Says once that the collector does not take spans.
    fn told(&mut self, why: &str, dropped: &Dropped) {
        if self.since.is_none() {
            self.since = Some(dropped.total());
            tracing::warn!(why, "the collector takes no spans: they are kept for a while, then dropped");
        }
    }

    /// Says once that it takes them again.
    fn over(&mut self, dropped: &Dropped) {
        if let Some(before) = self.since.take() {
            tracing::info!(dropped_spans = dropped.total().saturating_sub(before), "the collector takes spans again");
        }
    }
}

#[cfg(test)]
mod tests;

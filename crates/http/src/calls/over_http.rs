//! Calls over HTTP: both ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use madrigal_core::{CallContext, Fault, FaultRetry, tasks};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::answering::{Calls, timed_out};
use super::{MAX_CALL_BYTES, wire};
use crate::auth::{Caller, ServiceToken};
use crate::body;
use crate::edge::{CAUSATION_ID, CORRELATION_ID, Context, DEADLINE_MS, TRACEPARENT, USER};
use crate::path::Path;
use crate::problem::{self, Answered};

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long idle connections are kept; shorter than servers keep them, so that none is used while it is being closed.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// The most idle connections per neighbour.
const IDLE_CONNECTIONS: usize = 64;

/// What is encoded in `Madrigal-User`, beside everything that is not ASCII.
const USER_ENCODED: &AsciiSet = &CONTROLS.add(b'%');

pub(super) fn router(calls: Arc<Calls>) -> Router {
    let path = format!("/internal/calls/{}/{{name}}", calls.service());
    Router::new().route(&path, post(answer)).with_state(calls)
}

async fn answer(
    State(calls): State<Arc<Calls>>,
    caller: Caller,
    Context(context): Context,
    Path(name): Path<String>,
    request: Request,
) -> Answered<Response> {
    caller.require_service()?;
    let handler = Arc::clone(calls.named(&name).ok_or_else(|| problem::not_found(format!("call {name}")))?);
    let (body, _) = body::read_within(request, MAX_CALL_BYTES, handler.limit()).await?;
    match handler.answer_json(calls.service(), context, &body).await {
        Ok(answer) => Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer).into_response()),
        Err(fault) => Err(wire::to_problem(&fault)),
    }
}

/// The calling end.
pub(super) struct HttpTransport {
    service: &'static str,
    base: String,
    token: Arc<dyn ServiceToken>,
    client: Result<reqwest::Client, String>,
}

impl HttpTransport {
    pub(super) fn new(service: &'static str, mut base: String, token: Arc<dyn ServiceToken>) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .tcp_nodelay(true)
            // A neighbour that sends elsewhere is misconfigured; the token must not follow.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| error.to_string());
        base.truncate(base.trim_end_matches('/').len());
        base.push_str("/internal/calls/");
        base.push_str(service);
        Self { service, base, token, client }
    }

    pub(super) fn service(&self) -> &'static str {
        self.service
    }

    pub(super) async fn post(
        &self,
        name: &'static str,
        context: &CallContext,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<Bytes, Fault> {
        let client = self.client.as_ref().map_err(|error| Fault::permanent(self.service, name, error.clone()))?;
        let request = client
            .post(format!("{}/{name}", self.base))
            .headers(headers(context, limit))
            .bearer_auth(self.token.bearer())
            .body(body);
        let exchanged = tasks::within(limit, self.exchange(name, request)).await;
        exchanged.unwrap_or_else(|| Err(timed_out(self.service, name)))
    }

    async fn exchange(&self, name: &'static str, request: reqwest::RequestBuilder) -> Result<Bytes, Fault> {
        let mut response = request.send().await.map_err(|error| self.failed(name, error))?;
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut collected = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.failed(name, error))? {
            if collected.len() + piece.len() > MAX_CALL_BYTES {
                let text = format!("the answer has more than {MAX_CALL_BYTES} bytes");
                return Err(Fault::unknown(self.service, name, text).with_retry(FaultRetry::Never));
            }
            collected.extend_from_slice(&piece);
        }
        if status.is_success() {
            Ok(collected.freeze())
        } else {
            Err(wire::from_answer(self.service, name, status, after.map(Duration::from_secs), &collected))
        }
    }

    fn failed(&self, name: &'static str, error: reqwest::Error) -> Fault {
        // The address is configuration, which the fault's reader has; without it the text is the same everywhere.
        let error = error.without_url();
        if error.is_connect() {
            Fault::not_applied(self.service, name, error)
        } else if error.is_builder() {
            Fault::permanent(self.service, name, error)
        } else {
            Fault::unknown(self.service, name, error)
        }
    }
}

fn headers(context: &CallContext, limit: Duration) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A text that is no header value is left out: the call matters more than its trace.
    let mut tell = |name, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    tell(CORRELATION_ID, context.correlation_id.as_str());
    tell(DEADLINE_MS, &limit.as_millis().to_string());
    if let Some(cause) = context.causation_id {
        tell(CAUSATION_ID, &cause.to_string());
    }
    if let Some(user) = &context.user_id {
        // Names may hold any letter; headers may not.
        tell(USER, &utf8_percent_encode(user, USER_ENCODED).to_string());
    }
    if let Some(traceparent) = &context.traceparent {
        tell(TRACEPARENT, traceparent);
    }
    headers
}

//! The way from the gateway's own pages to the public API: through the router that clients get, never around it.
//!
//! A page asks with the bearer token of its session, so it can do nothing that the API would not allow its reader. Whether a
//! service is in this process or proxied makes no difference. Such a request passes the edge like any other: it is measured,
//! counted for the rate of the token's caller, and keeps the correlation, the trace and the peer of the request that it is
//! made for ([`Ask::on_behalf_of`]).

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use madrigal_core::tasks;
use madrigal_http::edge::{CORRELATION_ID, EdgeContext, TRACEPARENT};
use madrigal_http::headers::MADRIGAL_POSITION;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The longest answer that is read unless [`Ask::at_most`] says otherwise, in bytes: 4 MiB.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How long an answer may take unless [`Ask::within`] says otherwise.
pub const ANSWER_TIME: Duration = Duration::from_secs(35);

/// A client of the shop's public API inside the gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inside(Router);

impl Inside {
    /// A client of this router: the API with the edge's layers, without the pages that ask it (else they would hold
    /// themselves alive).
    pub fn new(api: Router) -> Self {
        Self(api)
    }

    /// A request yet to be sent. `path` is a path with its query, percent-encoded.
    pub fn ask(&self, method: Method, path: impl Into<String>) -> Ask {
        Ask {
            api: self.0.clone(),
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            peer: None,
            body: None,
            patience: ANSWER_TIME,
            most_bytes: MAX_ANSWER_BYTES,
        }
    }

    /// A `GET` yet to be sent.
    pub fn get(&self, path: impl Into<String>) -> Ask {
        self.ask(Method::GET, path)
    }

    /// A `POST` with a JSON body yet to be sent.
    pub fn post(&self, path: impl Into<String>, body: &Value) -> Ask {
        self.ask(Method::POST, path).json(body)
    }
}

/// A request that is being put together.
#[derive(Debug)]
#[must_use = "nothing is sent until `send`"]
pub struct Ask {
    api: Router,
    method: Method,
    path: String,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
    body: Option<Bytes>,
    patience: Duration,
    most_bytes: usize,
}

impl Ask {
    /// Asks as the holder of this token; without one as nobody.
    pub fn bearer(self, token: Option<&str>) -> Self {
        match token {
            Some(token) => self.header(AUTHORIZATION, &format!("Bearer {token}")),
            None => self,
        }
    }

    /// Keeps the correlation, the trace and the peer's address of the request that this one is made for.
    pub fn on_behalf_of(mut self, request: &EdgeContext) -> Self {
        self.peer = request.peer().map(|peer| SocketAddr::new(peer, 0));
        let call = request.call();
        let this = self.header(CORRELATION_ID, call.correlation_id.as_str());
        match &call.traceparent {
            Some(trace) => this.header(TRACEPARENT, trace),
            None => this,
        }
    }

    /// Sets a header; a text that cannot be a header's value is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Sends this JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(Bytes::from(body.to_string()));
        self
    }

    /// Waits so long at most for the whole answer.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Reads an answer of up to so many bytes.
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// [`Refused`]: the API's problem, or one of the same shape where no answer came that could be read.
    ///
    /// # Cancellation
    /// What was asked for may have been done.
    pub async fn send(self) -> Result<Told, Refused> {
        let patience = self.patience;
        tasks::within(patience, self.exchange()).await.unwrap_or_else(|| {
            let detail = format!(
                "No whole answer within {} s. A change may have been made all the same: ask for it again with the same key.",
                patience.as_secs()
            );
            Err(Refused::ours(StatusCode::GATEWAY_TIMEOUT, "upstream-unknown", &detail))
        })
    }

    async fn exchange(self) -> Result<Told, Refused> {
        let unusable = |_| Refused::ours(StatusCode::BAD_REQUEST, "invalid-path", "That is no path of the API.");
        let uri: Uri = self.path.parse().map_err(unusable)?;
        let mut request = Request::new(self.body.map_or_else(Body::empty, Body::from));
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = match self.api.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        read(response, self.most_bytes).await
    }
}

async fn read(response: Response, most_bytes: usize) -> Result<Told, Refused> {
    let (parts, body) = response.into_parts();
    let limited = Limited::new(body, most_bytes).collect().await;
    let broken = |error| {
        tracing::warn!(%error, "an answer inside the gateway could not be read to its end");
        Refused::ours(StatusCode::BAD_GATEWAY, "upstream-unknown", "The service's answer broke off or is too long.")
    };
    let bytes = limited.map_err(broken)?.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let told = Told { status: parts.status, headers: parts.headers, body, bytes };
    if told.status.is_client_error() || told.status.is_server_error() {
        return Err(Refused { status: told.status, headers: Box::new(told.headers), problem: told.body });
    }
    Ok(told)
}

/// An answer that is no error.
#[derive(Debug, Clone)]
pub struct Told {
    /// The status, below 400.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where there is none or it is not JSON.
    pub body: Value,
    /// The body as it came.
    pub bytes: Bytes,
}

impl Told {
    /// The body as a text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// A header's text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The position that has what was written.
    pub fn position(&self) -> Option<&str> {
        self.header(&MADRIGAL_POSITION)
    }
}

/// An error answer: a problem document, told by the API or made here in its shape.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The status, 400 or above.
    pub status: StatusCode,
    /// The headers, as in `Retry-After`.
    pub headers: Box<HeaderMap>,
    /// The whole document.
    pub problem: Value,
}

impl Refused {
    fn ours(status: StatusCode, code: &str, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let problem = json!({
            "type": format!("/docs/problems/{code}"), "title": title, "status": status.as_u16(), "detail": detail,
            "code": code, "retryable": status.is_server_error(),
        });
        Self { status, headers: Box::default(), problem }
    }

    /// The problem's code, as in `out-of-stock`.
    pub fn code(&self) -> &str {
        self.text("code")
    }

    /// The problem's title.
    pub fn title(&self) -> &str {
        self.text("title")
    }

    /// What is wrong this time; empty where the problem does not say.
    pub fn detail(&self) -> &str {
        self.text("detail")
    }

    /// The trace's id; empty where there is none.
    pub fn trace_id(&self) -> &str {
        self.text("traceId")
    }

    /// Wrong fields as (JSON pointer, detail).
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let errors = self.problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| Some((error["pointer"].as_str()?, error["detail"].as_str()?)))
    }

    fn text(&self, member: &str) -> &str {
        self.problem[member].as_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

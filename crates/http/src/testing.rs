//! Sending requests to a router without a socket, for tests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use madrigal_core::Host;
use serde_json::Value;
use tower::ServiceExt;

use crate::auth::{Role, TokenSigner};
use crate::edge::Edge;

/// A body for [`send`]: `()` for none, a [`Value`] (sent as `application/json`), or text and bytes as they are.
#[derive(Debug, Clone)]
pub enum TestBody {
    /// No body.
    None,
    /// JSON, with its media type.
    Json(Value),
    /// Bytes, without a media type.
    Raw(Vec<u8>),
}

impl From<()> for TestBody {
    fn from((): ()) -> Self {
        Self::None
    }
}

impl From<Value> for TestBody {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<&Value> for TestBody {
    fn from(value: &Value) -> Self {
        Self::Json(value.clone())
    }
}

impl From<&str> for TestBody {
    fn from(text: &str) -> Self {
        Self::Raw(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for TestBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Raw(bytes)
    }
}

/// Sends one request; the answer's body is JSON, or a text where it is not, or null where it is empty.
///
/// # Panics
/// Where `path` or a header is none: tests of odd ones use [`send_request`].
#[expect(clippy::expect_used, reason = "a test that sends nonsense by mistake should say so")]
pub async fn send(
    router: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<TestBody>,
) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("a path");
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        request.headers_mut().append(name, HeaderValue::from_str(value).expect("a header's value"));
    }
    match body.into() {
        TestBody::None => {}
        TestBody::Json(value) => {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().entry(CONTENT_TYPE).or_insert(json);
            *request.body_mut() = Body::from(value.to_string());
        }
        TestBody::Raw(bytes) => *request.body_mut() = Body::from(bytes),
    }
    send_request(router, request).await
}

/// Sends a request as it is.
pub async fn send_request(router: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let value = match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(_) if bytes.is_empty() => Value::Null,
        Err(_) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
    };
    (parts.status, parts.headers, value)
}

/// An edge with a key of its own and default limits, and the signer whose tokens it believes.
pub fn edge(host: &Host) -> (Edge, Arc<TokenSigner>) {
    let signer = Arc::new(TokenSigner::generate(host));
    (Edge::new(Arc::new(signer.verifier()), host.clone()), signer)
}

/// The value of an `Authorization` header for this caller, good for an hour.
pub fn bearer(signer: &TokenSigner, host: &Host, sub: &str, role: Role) -> String {
    format!("Bearer {}", signer.issue(host, sub, role, Duration::from_secs(3_600)).0)
}

/// The request with a token for this caller.
///
/// # Panics
/// Never: tokens are always header values.
#[expect(clippy::expect_used, reason = "a token is base64url and dots")]
pub fn authorized(mut request: Request<Body>, bearer: &str) -> Request<Body> {
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(bearer).expect("a header's value"));
    request
}

//! The headers of everything that a browser shows.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

/// For our own pages: nothing from elsewhere, nothing inline, in nobody's frame.
pub(crate) const STRICT: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// For the API's documentation: its program sets styles on elements and has its icons as data URLs.
pub(crate) const DOCUMENTATION: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Something that does not change while the process runs, with its entity tag.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    content_type: HeaderValue,
    policy: &'static str,
    tag: HeaderValue,
    bytes: Bytes,
}

impl Fixed {
    pub(crate) fn new(content_type: &'static str, policy: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self::of(HeaderValue::from_static(content_type), policy, bytes.into())
    }

    pub(crate) fn of(content_type: HeaderValue, policy: &'static str, bytes: Bytes) -> Self {
        let digest = Sha256::digest(&bytes);
        let text: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        // Hexadecimal digits in quotes are always a header value.
        let tag = HeaderValue::try_from(format!("\"{text}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { content_type, policy, tag, bytes }
    }

    /// The answer: 304 where the browser has it already. It always asks, so an upgrade is seen at once.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response {
        self.answer_as(StatusCode::OK, asked)
    }

    /// The answer with another status.
    pub(crate) fn answer_as(&self, status: StatusCode, asked: &HeaderMap) -> Response {
        let known = status == StatusCode::OK && asked.get(IF_NONE_MATCH) == Some(&self.tag);
        let mut response = Response::new(if known { Body::empty() } else { Body::from(self.bytes.clone()) });
        *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { status };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        headers.insert(ETAG, self.tag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        harden(headers, self.policy);
        response
    }
}

/// The headers that keep a page to itself.
pub(crate) fn harden(headers: &mut HeaderMap, policy: &'static str) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
}

//! Errors on their way out: whatever is not a problem document becomes one.

use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};

use crate::problem::{self, Problem};

/// The most that is read of an error text that somebody else wrote, in bytes.
const MAX_TEXT_BYTES: usize = 1_024;

/// The same answer, as a complete problem document if it is an error: with the request's path and trace.
///
/// Errors with a body of another kind than plain text (pages of the console) pass as they are.
pub(super) async fn complete(mut response: Response, path: &str, trace_id: Option<&str>) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return with_headers(problem.render(Some(path), trace_id), response.headers());
    }
    if response.status().as_u16() < 400 || !is_plain(response.headers()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let problem = match parts.status {
        StatusCode::NOT_FOUND => problem::unknown_path(),
        StatusCode::METHOD_NOT_ALLOWED => problem::method_not_allowed(parts.headers.get(ALLOW).cloned()),
        status if status.is_server_error() => {
            tracing::error!(status = status.as_u16(), path, "a handler answered an error that is no problem document");
            problem::internal()
        }
        status => {
            let text = Limited::new(body, MAX_TEXT_BYTES).collect().await.map(http_body_util::Collected::to_bytes);
            let text = text.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
            Problem::new(status, "bad-request", "The request cannot be answered").detail(text)
        }
    };
    with_headers(problem.render(Some(path), trace_id), &parts.headers)
}

fn is_plain(headers: &HeaderMap) -> bool {
    match headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) {
        None => true,
        Some(kind) => kind.starts_with(b"text/plain"),
    }
}

/// Headers that a handler set beside its problem stay, except those that describe the body.
fn with_headers(mut response: Response, set: &HeaderMap) -> Response {
    let headers = response.headers_mut();
    for (name, value) in set {
        if *name != http::header::CONTENT_LENGTH && !headers.contains_key(name) {
            headers.append(name, value.clone());
        }
    }
    response
}

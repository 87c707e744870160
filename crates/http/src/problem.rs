//! Problems: the one shape of every error answer (RFC 9457).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

mod ready;

pub use ready::*;

/// The media type of problems.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What handlers return: an answer, or the problem that is told instead.
pub type Answered<T> = Result<T, Problem>;

/// One thing that is wrong with a body: where (RFC 6901) and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The place in the body, as in `/items/0/quantity`; empty for the body itself.
    pub pointer: String,
    /// What is wrong there, for people.
    pub detail: String,
}

/// An error answer: `application/problem+json` with `type`, `title`, `status`, `detail`, `instance`, `code`, `errors`,
/// `traceId` and `retryable`.
///
/// `type` is `/docs/problems/<code>`, and `docs/problems/<code>.md` explains it. The edge adds `instance` (the path) and
/// `traceId`. Nothing in it may come from the inside of a [`madrigal_core::Fault`]: problems are read by customers.
#[derive(Clone)]
pub struct Problem(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retryable: bool,
    retry_after: Option<Duration>,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with a code in kebab case (a page `docs/problems/<code>.md`) and a title that is the same every time.
    ///
    /// It says `retryable` for 408, 429, 503 and 504 unless told otherwise.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        let retryable = matches!(status.as_u16(), 408 | 429 | 503 | 504);
        Self(Arc::new(Parts {
            status,
            code,
            title,
            detail: None,
            errors: Vec::new(),
            retryable,
            retry_after: None,
            members: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// Says what is wrong this time, for people.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.parts().detail = Some(detail.into());
        self
    }

    /// Adds one wrong field, by JSON pointer.
    #[must_use]
    pub fn error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.parts().errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Adds wrong fields.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.parts().errors.extend(errors);
        self
    }

    /// Says whether the same request may succeed later.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.parts().retryable = retryable;
        self
    }

    /// Says when to try again: `Retry-After` in whole seconds, at least one. The problem becomes retryable.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        let parts = self.parts();
        parts.retry_after = Some(after);
        parts.retryable = true;
        self
    }

    /// Adds a member of this problem's own, as in `currentVersion`.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: Value) -> Self {
        self.parts().members.push((key, value));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.parts().headers.push((name, value));
        self
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code, as in `invalid-body`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The wrong fields.
    pub fn field_errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The answer, with what only the edge knows.
    pub(crate) fn render(&self, instance: Option<&str>, trace_id: Option<&str>) -> Response {
        let document = Document { parts: &self.0, instance, trace_id };
        // A document of texts, numbers and values cannot fail to serialise.
        let bytes = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.0.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        for (name, value) in &self.0.headers {
            headers.append(name, value.clone());
        }
        response
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render(None, None);
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Problem");
        shown.field("status", &self.0.status.as_u16()).field("code", &self.0.code);
        if let Some(detail) = &self.0.detail {
            shown.field("detail", detail);
        }
        if !self.0.errors.is_empty() {
            shown.field("errors", &self.0.errors);
        }
        shown.finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.0.code, self.0.detail.as_deref().unwrap_or(self.0.title))
    }
}

impl std::error::Error for Problem {}

/// The document as it stands in other answers (a line of an import): without `instance` and `traceId`.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document { parts: &self.0, instance: None, trace_id: None }.serialize(serializer)
    }
}

struct Document<'a> {
    parts: &'a Parts,
    instance: Option<&'a str>,
    trace_id: Option<&'a str>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = self.parts;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/docs/problems/{}", parts.code))?;
        map.serialize_entry("title", parts.title)?;
        map.serialize_entry("status", &parts.status.as_u16())?;
        if let Some(detail) = &parts.detail {
            map.serialize_entry("detail", detail)?;
        }
        if let Some(instance) = self.instance {
            map.serialize_entry("instance", instance)?;
        }
        map.serialize_entry("code", parts.code)?;
        if !parts.errors.is_empty() {
            map.serialize_entry("errors", &parts.errors)?;
        }
        if let Some(trace_id) = self.trace_id {
            map.serialize_entry("traceId", trace_id)?;
        }
        map.serialize_entry("retryable", &parts.retryable)?;
        for (key, value) in &parts.members {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_ours() {
        let problem = Problem::new(StatusCode::CONFLICT, "out-of-stock", "Out of stock")
            .detail("Only 2 are left.")
            .error("/items/0/quantity", "at most 2")
            .retry_after(Duration::from_millis(1_200))
            .with("available", 2.into());
        let document = Document { parts: &problem.0, instance: Some("/v1/orders"), trace_id: Some("ab") };
        assert_eq!(
            serde_json::to_value(&document).unwrap(),
            serde_json::json!({
                "type": "/docs/problems/out-of-stock", "title": "Out of stock", "status": 409, "detail": "Only 2 are left.",
                "instance": "/v1/orders", "code": "out-of-stock",
                "errors": [{"pointer": "/items/0/quantity", "detail": "at most 2"}],
                "traceId": "ab", "retryable": true, "available": 2
            })
        );
        assert_eq!(problem.into_response().headers()[RETRY_AFTER], "2");
    }
}

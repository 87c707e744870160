//! Problems that every service has, each made in one way only.

use std::time::Duration;

use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use madrigal_core::{Fault, FaultCause, FaultOutcome, FaultRetry, StreamVersion};
use serde_json::json;

use super::{FieldError, Problem};
use crate::headers::etag;

/// 404: there is no such thing, or none that the caller may see. `what` reads as in "There is no {what}.": `order 7`.
pub fn not_found(what: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found").detail(format!("There is no {what}."))
}

/// 404: no route has this path.
pub fn unknown_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown-path", "No such path").detail("Nothing is served at this path.")
}

/// 405: the path exists, for other methods; `allow` lists them.
pub fn method_not_allowed(allow: Option<HeaderValue>) -> Problem {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed");
    match allow {
        Some(allow) if !allow.is_empty() => {
            let methods = allow.to_str().unwrap_or_default();
            problem.detail(format!("This path answers: {methods}.")).header(ALLOW, allow)
        }
        // axum does not say which, where another method's handler was merged in without them.
        _ => problem.detail("This path answers other methods only."),
    }
}

/// 401: no token, or one that does not count.
pub fn unauthorized(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not authenticated")
        .detail(detail.into())
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// 401: a token came, and it does not count.
pub fn invalid_token(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid-token", "The token is not valid")
        .detail(detail.into())
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
}

/// 403: the caller is known and may not do this.
pub fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed").detail(detail.into())
}

/// 400: the request cannot be understood, for a reason of its own `code`.
pub fn bad_request(code: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, title).detail(detail.into())
}

/// 400: the body is not JSON.
pub fn malformed_json(detail: impl Into<String>) -> Problem {
    bad_request("malformed-json", "The body is not JSON", detail)
}

/// 422: the body is JSON but not what is asked for; all its errors at once.
pub fn invalid_body(errors: Vec<FieldError>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "The body is not valid")
        .detail("See errors for every field that is wrong.")
        .errors(errors)
}

/// 400: the query string is not what is asked for.
pub fn invalid_query(errors: Vec<FieldError>) -> Problem {
    bad_request("invalid-query", "The query is not valid", "See errors for what is wrong in the query.").errors(errors)
}

/// 400: the path's variable parts are not what is asked for.
pub fn invalid_path(detail: impl Into<String>) -> Problem {
    bad_request("invalid-path", "The path is not valid", detail)
}

/// 400: a header is not what is asked for.
pub fn invalid_header(name: &'static str, detail: impl Into<String>) -> Problem {
    bad_request("invalid-header", "A header is not valid", format!("{name}: {}", detail.into()))
}

/// 400: the cursor was not made by this list.
pub fn bad_cursor() -> Problem {
    bad_request("bad-cursor", "The cursor is not valid", "Send back the text of next unchanged, to the same list.")
}

/// 413: the body is longer than `limit` bytes.
pub fn body_too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large")
        .detail(format!("At most {limit} bytes are accepted here."))
        .with("limitBytes", limit.into())
}

/// 415: the body has another media type than `expected`.
pub fn unsupported_media_type(expected: &'static str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
        .detail(format!("Send Content-Type: {expected}."))
}

/// 408: the body did not arrive in time.
pub fn body_too_slow(limit: Duration) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body took too long")
        .detail(format!("The body must arrive within {} seconds.", limit.as_secs()))
}

/// 409: what is asked for cannot be done in the present state, for a reason of its own `code`.
pub fn conflict(code: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, title).detail(detail.into())
}

/// 412: the thing has another version than the one in `If-Match`; its current one is in the answer.
pub fn version_mismatch(current: StreamVersion) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "version-mismatch", "It was changed by somebody else")
        .detail(format!("The current version is {current}. Read it again and decide again."))
        .with("currentVersion", current.0.into())
        .header(http::header::ETAG, etag(current))
}

/// 428: a change without `If-Match`.
pub fn if_match_required() -> Problem {
    Problem::new(StatusCode::PRECONDITION_REQUIRED, "if-match-required", "If-Match is required")
        .detail("Send If-Match with the ETag of the version that this change is based on.")
}

/// 422: the key was used before with another body.
pub fn idempotency_key_reused() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The Idempotency-Key was used before")
        .detail("The same key came with another body. Use a new key for a new request.")
}

/// 429: too many requests of one caller.
pub fn too_many_requests(after: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
        .detail("This caller sends faster than is allowed. Nothing was done.")
        .retry_after(after)
}

/// 503: too many requests at once, of all callers.
pub fn overloaded() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too busy")
        .detail("Too many requests are being answered at the moment. Nothing was done.")
        .retry_after(Duration::from_secs(1))
}

/// 503: the view that would answer has not yet seen the position that the request names.
pub fn not_yet_visible(lag_events: u64) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-yet-visible", "Not visible yet")
        .detail(format!("The view is {lag_events} events behind the position that was asked for."))
        .with("lagEvents", lag_events.into())
        .retry_after(Duration::from_secs(1))
}

/// 412: the position token belongs to a history that was replaced by a restore.
pub fn other_epoch() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "other-epoch", "The position belongs to another history")
        .detail("The data was restored since. Forget the Madrigal-Position and read again.")
}

/// 500: a mistake in the program. The cause goes to the log, never into the answer.
pub fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is broken here")
        .detail("It was logged under the traceId of this answer.")
}

/// 503 with `Retry-After` where trying again may help, else 500; logs the fault with its causes, once. Where the disk is
/// full or read-only the problem says so, and nothing is logged here: the store has said it once for all requests.
///
/// Where the effect is unknown the problem says so (`outcome`: `unknown`), so that the client repeats with the same
/// Idempotency-Key instead of assuming that nothing happened.
pub fn from_fault(fault: &Fault) -> Problem {
    let after = match fault.retry {
        FaultRetry::Never => {
            tracing::error!(engine = fault.engine, operation = fault.operation, cause = %fault.chain(), "answered 500");
            return with_outcome(internal(), fault.outcome);
        }
        FaultRetry::Now => Duration::from_secs(1),
        FaultRetry::After(after) => after,
    };
    let (problem, known) = match fault.cause {
        FaultCause::StorageFull => (
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage-full", "No room to store it"),
            "The disk is full; what is there can be read. ",
        ),
        FaultCause::StorageReadOnly => (
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage-read-only", "Nothing is stored now"),
            "The disk is read-only; what is there can be read. ",
        ),
        FaultCause::Other => (
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable", "Not available at the moment"),
            "",
        ),
    };
    if fault.cause.is_storage() {
        tracing::debug!(engine = fault.engine, operation = fault.operation, cause = %fault.chain(), "answered 503");
    } else {
        tracing::warn!(engine = fault.engine, operation = fault.operation, cause = %fault.chain(), "answered 503");
    }
    let problem = problem.retry_after(after);
    let problem = match fault.outcome {
        FaultOutcome::NotApplied => problem.detail(format!("{known}Nothing was changed. Try again.")),
        FaultOutcome::Unknown => problem.detail(
            "It is not known whether the request had its effect. Repeat it with the same Idempotency-Key, or read.",
        ),
    };
    with_outcome(problem, fault.outcome)
}

fn with_outcome(problem: Problem, outcome: FaultOutcome) -> Problem {
    problem.with("outcome", json!(crate::calls::wire::outcome_word(outcome)))
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        from_fault(&fault)
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn a_full_or_read_only_disk_is_a_problem_of_its_own_with_the_time_to_try_again() {
        let refused = |cause| {
            let fault = Fault::not_applied("journal", "append", "no room in /data/secret").with_cause(cause);
            from_fault(&fault.with_retry(FaultRetry::After(Duration::from_secs(3))))
        };
        let full = refused(FaultCause::StorageFull);
        assert_eq!((full.status(), full.code()), (StatusCode::SERVICE_UNAVAILABLE, "storage-full"));
        assert!(!full.to_string().contains("secret"));
        assert_eq!(full.into_response().headers()[http::header::RETRY_AFTER], "3");
        assert_eq!(refused(FaultCause::StorageReadOnly).code(), "storage-read-only");
    }

    #[test]
    fn a_fault_never_shows_its_causes_to_a_customer() {
        let fault = Fault::unknown("sqlite", "commit", std::io::Error::other("disk /data/secret is full"));
        let problem = from_fault(&fault);
        assert_eq!((problem.status(), problem.code()), (StatusCode::SERVICE_UNAVAILABLE, "temporarily-unavailable"));
        assert!(!format!("{problem:?}{problem}").contains("secret"));
        let fault = Fault::permanent("sqlite", "open", std::io::Error::other("corrupt"));
        assert_eq!(from_fault(&fault).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}

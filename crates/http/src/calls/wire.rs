//! Faults on the wire: the members `outcome`, `retry`, `retryAfterMs`, `cause` and `storage` of a problem document.

use std::time::Duration;

use http::StatusCode;
use madrigal_core::{Fault, FaultCause, FaultOutcome, FaultRetry};
use serde::Deserialize;
use serde_json::json;

use crate::problem::Problem;

/// `not-applied` or `unknown`.
pub(crate) fn outcome_word(outcome: FaultOutcome) -> &'static str {
    match outcome {
        FaultOutcome::NotApplied => "not-applied",
        FaultOutcome::Unknown => "unknown",
    }
}

/// The fault as a problem document for another service: unlike a customer's it names the cause, and it is not logged here,
/// because the caller handles it.
pub(super) fn to_problem(fault: &Fault) -> Problem {
    let (status, retry) = match fault.retry {
        FaultRetry::Never => (StatusCode::INTERNAL_SERVER_ERROR, "never"),
        FaultRetry::Now => (StatusCode::SERVICE_UNAVAILABLE, "now"),
        FaultRetry::After(_) => (StatusCode::SERVICE_UNAVAILABLE, "after"),
    };
    let problem = Problem::new(status, "call-failed", "The call failed")
        .retryable(fault.retry != FaultRetry::Never)
        .with("outcome", json!(outcome_word(fault.outcome)))
        .with("retry", json!(retry))
        .with("cause", json!(fault.source.to_string()));
    let problem = match fault.cause.word() {
        Some(word) => problem.with("storage", json!(word)),
        None => problem,
    };
    match fault.retry {
        FaultRetry::After(after) => {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            problem.with("retryAfterMs", json!(millis)).retry_after(after)
        }
        _ => problem,
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(default)]
    code: String,
    detail: Option<String>,
    outcome: Option<String>,
    retry: Option<String>,
    retry_after_ms: Option<u64>,
    cause: Option<String>,
    storage: Option<String>,
}

/// The fault behind an error answer of a service.
pub(super) fn from_answer(
    service: &'static str,
    name: &'static str,
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
) -> Fault {
    let told: Told = serde_json::from_slice(body).unwrap_or_default();
    let retry = match (told.retry.as_deref(), told.retry_after_ms) {
        (Some("never"), _) => FaultRetry::Never,
        (Some("after"), Some(millis)) => FaultRetry::After(Duration::from_millis(millis)),
        (Some(_), _) => FaultRetry::Now,
        (None, _) => unsaid_retry(status, retry_after),
    };
    let outcome = match told.outcome.as_deref() {
        Some("not-applied") => FaultOutcome::NotApplied,
        Some(_) => FaultOutcome::Unknown,
        // Whoever refuses with a 4xx, or because it is too busy, has not called the handler.
        None if status.is_client_error() || told.code == "overloaded" => FaultOutcome::NotApplied,
        None => FaultOutcome::Unknown,
    };
    let source = told.cause.unwrap_or_else(|| {
        let said = told.detail.unwrap_or_default();
        format!("{} {} {said}", status.as_u16(), told.code).trim_end().to_owned()
    });
    let cause = told.storage.as_deref().and_then(FaultCause::parse).unwrap_or_default();
    Fault { engine: service, operation: name, retry, outcome, cause, source: source.into() }
}

fn unsaid_retry(status: StatusCode, retry_after: Option<Duration>) -> FaultRetry {
    match (status.as_u16(), retry_after) {
        (408 | 429 | 502..=504, Some(after)) => FaultRetry::After(after),
        (408 | 429 | 502..=504, None) => FaultRetry::After(Duration::from_secs(1)),
        _ => FaultRetry::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_to_the_calling_service_as_such() {
        let fault = Fault::not_applied("journal", "append", "no room").with_cause(FaultCause::StorageFull);
        let problem = serde_json::to_vec(&to_problem(&fault)).unwrap();
        let told = from_answer("catalog-service", "x", StatusCode::SERVICE_UNAVAILABLE, None, &problem);
        assert_eq!((told.cause, told.outcome), (FaultCause::StorageFull, FaultOutcome::NotApplied));
        let told = from_answer("catalog-service", "x", StatusCode::SERVICE_UNAVAILABLE, None, b"{}");
        assert_eq!(told.cause, FaultCause::Other);
    }

    #[test]
    fn an_answer_that_does_not_say_is_judged_by_its_status() {
        let of = |status: u16, body: &str| {
            let fault =
                from_answer("catalog-service", "x", StatusCode::from_u16(status).unwrap(), None, body.as_bytes());
            (fault.outcome, fault.retry)
        };
        let second = FaultRetry::After(Duration::from_secs(1));
        assert_eq!(of(401, "{}"), (FaultOutcome::NotApplied, FaultRetry::Never));
        assert_eq!(of(404, "<html>"), (FaultOutcome::NotApplied, FaultRetry::Never));
        assert_eq!(of(429, "{}"), (FaultOutcome::NotApplied, second));
        assert_eq!(of(503, r#"{"code":"overloaded"}"#), (FaultOutcome::NotApplied, second));
        assert_eq!(of(503, ""), (FaultOutcome::Unknown, second));
        assert_eq!(of(500, r#"{"code":"internal"}"#), (FaultOutcome::Unknown, FaultRetry::Never));
        assert_eq!(of(500, r#"{"outcome":"not-applied","retry":"now"}"#), (FaultOutcome::NotApplied, FaultRetry::Now));
    }
}

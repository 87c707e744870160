//! What a client is told when a service did not answer, by what is known about the effect.

use std::error::Error;
use std::time::Duration;

use http::{Method, StatusCode};
use madrigal_core::error_chain;
use madrigal_http::Problem;

const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// No connection: nothing was done.
pub(super) fn not_connected(service: &'static str, error: &(dyn Error + 'static)) -> Problem {
    tracing::warn!(service, cause = %error_chain(error), "no connection to the service");
    unavailable(service)
        .detail(format!("The {service} cannot be reached at the moment. Nothing was done."))
        .with("outcome", "not-applied".into())
}

/// The connection broke after the request was begun to be sent.
pub(super) fn cut(service: &'static str, method: &Method, error: &(dyn Error + 'static)) -> Problem {
    tracing::warn!(service, %method, cause = %error_chain(error), "the service was cut off in the middle of a request");
    undecided(service, method, &format!("The connection to the {service} broke before it had answered."))
}

/// No answer in time.
pub(super) fn too_slow(service: &'static str, method: &Method, patience: Duration) -> Problem {
    tracing::warn!(service, %method, patience_s = patience.as_secs(), "the service did not answer in time");
    undecided(service, method, &format!("The {service} did not answer within {} seconds.", patience.as_secs()))
}

fn undecided(service: &'static str, method: &Method, what: &str) -> Problem {
    if method.is_safe() {
        return unavailable(service)
            .detail(format!("{what} Reading changes nothing: try again."))
            .with("outcome", "not-applied".into());
    }
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "upstream-unknown", "The outcome is unknown")
        .detail(format!(
            "{what} It is not known whether the request had its effect. Repeat it with the same Idempotency-Key: what was done \
             is answered, and not done again. Where there is no key, read before you repeat."
        ))
        .with("service", service.into())
        .with("outcome", "unknown".into())
        .retry_after(AGAIN_AFTER)
}

fn unavailable(service: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "upstream-unavailable", "A service is not available")
        .with("service", service.into())
        .retry_after(AGAIN_AFTER)
}

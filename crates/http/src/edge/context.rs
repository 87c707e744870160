//! Headers that carry a call's context.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use madrigal_core::{CallContext, CorrelationId, Host, tasks};
use percent_encoding::percent_decode_str;

use crate::auth::{Presented, Role};

/// `X-Correlation-Id`: the request that set everything in motion; taken from anybody, and told in every answer.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// `traceparent` (W3C); taken from anybody, and told in every answer.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `Madrigal-Causation-Id`: the message that caused this call; taken from services.
pub const CAUSATION_ID: HeaderName = HeaderName::from_static("madrigal-causation-id");
/// `Madrigal-User`: on whose behalf a service calls, percent-encoded; taken from services.
pub const USER: HeaderName = HeaderName::from_static("madrigal-user");
/// `Madrigal-Deadline-Ms`: for how many more milliseconds the caller waits; taken from services.
pub const DEADLINE_MS: HeaderName = HeaderName::from_static("madrigal-deadline-ms");

/// The longest `Madrigal-User` that is taken.
const MAX_USER_BYTES: usize = 1_024;

/// The text of a header.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn call_context(
    headers: &HeaderMap,
    presented: &Presented,
    traceparent: Arc<str>,
    host: &Host,
) -> CallContext {
    let text = |name: &HeaderName| text(headers, name);
    let correlation_id = text(&CORRELATION_ID).and_then(CorrelationId::parse);
    let mut context = CallContext {
        correlation_id: correlation_id.unwrap_or_else(|| CorrelationId::new(host)),
        causation_id: None,
        user_id: None,
        traceparent: Some(traceparent),
        deadline: None,
    };
    if let Presented::Valid(claims) = presented {
        if claims.role == Role::Service {
            context.causation_id = text(&CAUSATION_ID).and_then(|id| id.parse().ok());
            context.user_id = text(&USER).filter(|user| user.len() <= MAX_USER_BYTES).and_then(decoded);
            let millis = text(&DEADLINE_MS).and_then(|millis| millis.parse::<u32>().ok());
            context.deadline = millis.map(|millis| tasks::instant() + Duration::from_millis(millis.into()));
        } else {
            context.user_id = Some(claims.actor().into());
        }
    }
    context
}

fn decoded(user: &str) -> Option<Arc<str>> {
    percent_decode_str(user).decode_utf8().ok().map(|user| user.into())
}

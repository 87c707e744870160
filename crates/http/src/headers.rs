//! Headers with a meaning of their own: keys, versions, positions, preferences.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use madrigal_core::{PositionToken, StreamVersion};

use crate::problem::{self, Problem};

/// `Idempotency-Key`.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Madrigal-Position`: how far the logs must be seen (request), or how far a write reached (answer).
pub const MADRIGAL_POSITION: HeaderName = HeaderName::from_static("madrigal-position");
/// `Madrigal-Lag`: how many events the view that answered is behind, on reads without a position.
pub const MADRIGAL_LAG: HeaderName = HeaderName::from_static("madrigal-lag");
/// `Prefer` (RFC 7240).
pub const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long a request waits for its outcome where it does not say.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(5);
/// The longest that a request may wait.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// The key that makes a repeated request one request: 1 to 255 visible ASCII characters.
///
/// # Errors
/// 400 `idempotency-key-required` where it is missing, 400 `invalid-header` where it is given twice or has other characters.
///
/// # Source
/// draft-ietf-httpapi-idempotency-key-header, without the quotes of structured fields (they count as part of the key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

/// The key that makes a repeated request one request, where the client sent one.
///
/// # Errors
/// 400 `invalid-header`, as [`IdempotencyKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionalIdempotencyKey(pub Option<String>);

/// The version that a change is based on: one strong entity tag, as [`etag`] makes them.
///
/// # Errors
/// 428 `if-match-required` where it is missing, 400 `invalid-header` for anything but `"<number>"` (lists, `*` and weak tags
/// included: a change is based on one version).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub StreamVersion);

/// The position that an answer must have seen, where the client sent one.
///
/// # Errors
/// 400 `invalid-header` for a text that is no position token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPosition(pub Option<PositionToken>);

/// How long the client waits for the outcome (`Prefer: wait=N`, seconds; 5 where it does not say, at most 30), and whether
/// it rather does not wait (`Prefer: respond-async`). What is not understood is passed over, as RFC 7240 asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreferWait(pub Duration, pub bool);

/// The entity tag of a version: `"7"`.
pub fn etag(version: StreamVersion) -> HeaderValue {
    // Digits and quotes are always a header value.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The header that tells a client how far its write reached.
pub fn position_header(token: &PositionToken) -> (HeaderName, HeaderValue) {
    // The text of a token is base64url.
    let value = HeaderValue::try_from(token.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
    (MADRIGAL_POSITION, value)
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        idempotency_key(&parts.headers)?.map(Self).ok_or_else(|| {
            problem::bad_request(
                "idempotency-key-required",
                "Idempotency-Key is required",
                "Send an Idempotency-Key of your own making, and the same one when you repeat the request.",
            )
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OptionalIdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        idempotency_key(&parts.headers).map(Self)
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let key = single(headers, &IDEMPOTENCY_KEY, "Idempotency-Key")?;
    let fits = |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match key {
        Some(key) if fits(key) => Ok(Some(key.to_owned())),
        Some(_) => Err(problem::invalid_header("Idempotency-Key", "1 to 255 visible ASCII characters")),
        None => Ok(None),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let tag = single(&parts.headers, &IF_MATCH, "If-Match")?.ok_or_else(problem::if_match_required)?;
        let digits = tag.trim().strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        // u64's own parser would take a plus sign.
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let version = digits.and_then(|digits| digits.parse().ok());
        version
            .map(|version| Self(StreamVersion(version)))
            .ok_or_else(|| problem::invalid_header("If-Match", "one entity tag as it came in ETag, such as \"7\""))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SeenPosition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let text = single(&parts.headers, &MADRIGAL_POSITION, "Madrigal-Position")?;
        let token = text.map(|text| text.parse::<PositionToken>()).transpose();
        token.map(Self).map_err(|error| problem::invalid_header("Madrigal-Position", error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PreferWait {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let (mut wait, mut at_once) = (DEFAULT_WAIT, false);
        let values = parts.headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split([',', ';'])).map(str::trim) {
            if preference.eq_ignore_ascii_case("respond-async") {
                at_once = true;
            } else if let Some((name, seconds)) = preference.split_once('=')
                && name.trim().eq_ignore_ascii_case("wait")
                && let Ok(seconds) = seconds.trim().trim_matches('"').parse::<u32>()
            {
                wait = Duration::from_secs(seconds.into()).min(MAX_WAIT);
            }
        }
        Ok(Self(wait, at_once))
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName, shown: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(problem::invalid_header(shown, "given more than once"));
    }
    value.to_str().map(Some).map_err(|_| problem::invalid_header(shown, "has other characters than visible ASCII"))
}

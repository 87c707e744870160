//! Bodies, checked strictly: media type, size, time, syntax, and then everything that the type's schema says.

use std::time::Duration;

use axum::body::Body as Raw;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt;
use madrigal_core::{Fingerprint, tasks};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::edge::{EdgeContext, Limits};
use crate::problem::{self, FieldError, Problem};

mod canonical;
mod parse;
mod place;
mod schema;
mod validate;

use place::{Findings, Place};

/// A JSON body of type `T`, and the fingerprint of its contents (the same however they are written).
///
/// `T` describes itself: `#[derive(Deserialize, ToSchema)]`, `#[serde(deny_unknown_fields, rename_all = "camelCase")]` and
/// utoipa's constraints (`minimum`, `maximum`, `min_length`, `max_length`, `max_items`, `pattern`, …). Everything that its
/// schema says is checked, and all errors (at most 50) are told at once with their JSON pointers. Beyond the schema: unknown
/// fields, repeated members and NUL characters are refused, and texts without `max_length` have at most 10,000 characters.
///
/// # Errors
/// 415 for another media type, 413 above [`Limits::body_bytes`], 408 after [`Limits::body_time`], 400 `malformed-json` with
/// line and column, 422 `invalid-body` with `errors`.
#[derive(Debug)]
pub struct Body<T>(pub T, pub Fingerprint);

/// A JSON merge patch (RFC 7396): an object, as `application/merge-patch+json` or `application/json`, and its fingerprint.
///
/// Which fields may be patched, and with what, is for the handler: [`checked`] validates an object that it made of them.
///
/// # Errors
/// As [`Body`]; 422 where it is no object.
#[derive(Debug)]
pub struct MergePatch(pub Map<String, Value>, pub Fingerprint);

impl<T, S> FromRequest<S> for Body<T>
where
    T: DeserializeOwned + ToSchema + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        media_type(request.headers(), &["application/json"])?;
        let (bytes, _) = read(request).await?;
        let (value, findings) = syntax(&bytes)?;
        let fingerprint = canonical::fingerprint(&value);
        checked_with(&value, findings).map(|body| Self(body, fingerprint)).map_err(problem::invalid_body)
    }
}

impl<S: Send + Sync> FromRequest<S> for MergePatch {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        media_type(request.headers(), &["application/merge-patch+json", "application/json"])?;
        let (bytes, _) = read(request).await?;
        let (value, mut findings) = syntax(&bytes)?;
        let fingerprint = canonical::fingerprint(&value);
        match value {
            Value::Object(members) if findings.is_empty() => Ok(Self(members, fingerprint)),
            Value::Object(_) => Err(problem::invalid_body(findings.into_errors())),
            _ => {
                findings.add(&Place::Root, "expected an object");
                Err(problem::invalid_body(findings.into_errors()))
            }
        }
    }
}

/// The value as a `T`, checked as [`Body`] checks: for lines of an import, and for what a merge patch made.
///
/// # Errors
/// Everything that is wrong, at most 50 errors.
pub fn checked<T: DeserializeOwned + ToSchema + 'static>(value: &Value) -> Result<T, Vec<FieldError>> {
    checked_with(value, Findings::default())
}

/// The text as a `T`, checked as [`Body`] checks: for lines of an import.
///
/// # Errors
/// 400 `malformed-json` or 422 `invalid-body`, as a [`Problem`].
pub fn parsed<T: DeserializeOwned + ToSchema + 'static>(text: &[u8]) -> Result<T, Problem> {
    let (value, findings) = syntax(text)?;
    checked_with(&value, findings).map_err(problem::invalid_body)
}

/// The fingerprint that [`Body`] would give this value.
pub fn fingerprint(value: &Value) -> Fingerprint {
    canonical::fingerprint(value)
}

fn checked_with<T>(value: &Value, mut findings: Findings) -> Result<T, Vec<FieldError>>
where
    T: DeserializeOwned + ToSchema + 'static,
{
    validate::validate(&schema::of::<T>(), value, &mut findings);
    if !findings.is_empty() {
        return Err(findings.into_errors());
    }
    T::deserialize(value).map_err(|_| {
        // The type refuses what its schema allows: find out where, which is slower.
        let (pointer, detail) = match serde_path_to_error::deserialize::<_, T>(value) {
            Ok(_) => (String::new(), "not valid".to_owned()),
            Err(error) => (pointer(error.path()), error.inner().to_string()),
        };
        vec![FieldError { pointer, detail }]
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            // The variant of an enum is no member of the document.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn syntax(bytes: &[u8]) -> Result<(Value, Findings), Problem> {
    let mut findings = Findings::default();
    let value = parse::parse(bytes, &mut findings).map_err(|error| problem::malformed_json(error.to_string()))?;
    Ok((value, findings))
}

pub(crate) fn media_type(headers: &HeaderMap, accepted: &[&'static str]) -> Result<(), Problem> {
    let refused = || problem::unsupported_media_type(accepted[0]);
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refused());
    };
    let mut parts = value.to_str().map_err(|_| refused())?.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    if !accepted.iter().any(|accepted| essence.eq_ignore_ascii_case(accepted)) {
        return Err(refused());
    }
    for parameter in parts.map(str::trim).filter(|parameter| !parameter.is_empty()) {
        // Other parameters mean nothing for JSON; another charset would be another text.
        if let Some((name, charset)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("charset")
            && !charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        {
            return Err(refused());
        }
    }
    Ok(())
}

/// Reads a whole body within the limits that the edge set (the defaults where there is none).
///
/// # Errors
/// 413 above [`Limits::body_bytes`], 408 after [`Limits::body_time`], 400 where the connection breaks inside the body.
///
/// # Cancellation
/// Safe; what was read is lost.
pub async fn read(request: Request) -> Result<(Bytes, HeaderMap), Problem> {
    let limits = EdgeContext::of(request.extensions()).map_or_else(Limits::default, |context| context.limits().clone());
    read_within(request, limits.body_bytes, limits.body_time).await
}

/// Reads a whole body of at most `most` bytes within `limit`.
///
/// # Errors
/// As [`read`].
///
/// # Cancellation
/// Safe; what was read is lost.
pub async fn read_within(request: Request, most: usize, limit: Duration) -> Result<(Bytes, HeaderMap), Problem> {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > most as u64) {
        // A client that asked first reads the answer before it sends anything; every other one is sending already.
        if !parts.headers.contains_key(EXPECT) {
            tasks::within(limit, drain(body)).await;
        }
        return Err(problem::body_too_large(most));
    }
    match tasks::within(limit, collect(body, most)).await {
        Some(collected) => collected.map(|bytes| (bytes, parts.headers)),
        None => Err(problem::body_too_slow(limit)),
    }
}

/// How much of a body that is too large is read and dropped, so that its sender comes to reading the answer.
const DRAINED_BYTES: usize = 64 << 20;

/// Closing a connection with unread data resets it, and the sender loses the answer that says why.
async fn drain(mut body: Raw) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > DRAINED_BYTES {
            return;
        }
    }
}

async fn collect(mut body: Raw, most: usize) -> Result<Bytes, Problem> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            problem::bad_request(
                "incomplete-body",
                "The body did not arrive whole",
                "The connection broke inside the body.",
            )
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > most {
            drain(body).await;
            return Err(problem::body_too_large(most));
        }
        match first.take() {
            // Most bodies come in one piece, which is handed on as it is.
            None if rest.is_empty() => first = Some(data),
            Some(piece) => {
                rest.extend_from_slice(&piece);
                rest.extend_from_slice(&data);
            }
            None => rest.extend_from_slice(&data),
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

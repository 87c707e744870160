//! `Prefer: resolution=merge`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use madrigal_http::headers::PREFER;

/// `Preference-Applied` (RFC 7240).
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// What it says where a client's wish to merge was followed.
pub(super) const MERGE: HeaderValue = HeaderValue::from_static("resolution=merge");

/// Whether the client wants a change that comes too late to be merged. What is not understood is passed over, as RFC 7240
/// asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PreferMerge(pub(super) bool);

impl<S: Send + Sync> FromRequestParts<S> for PreferMerge {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let merge = values.flat_map(|value| value.split([',', ';'])).any(|preference| {
            preference.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("resolution")
                    && value.trim().trim_matches('"').eq_ignore_ascii_case("merge")
            })
        });
        Ok(Self(merge))
    }
}

//! What recomputing the sums found.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use madrigal_core::Timestamp;
use madrigal_http::openapi::Refusals;
use madrigal_http::{Answered, Caller};
use serde::Serialize;
use utoipa::ToSchema;

use crate::aggregators::refresh::standing::Difference;
use crate::aggregators::{Refresh, RefreshReport};

/// What recomputing the sums from the orders found since this process started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecomputationDocument {
    /// How long after one time the next begins.
    #[schema(example = 3_600)]
    every_seconds: u64,
    /// When everything was last recomputed, to the end; none yet in the first hour of a process.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What came of that.
    last: Option<RefreshReport>,
    /// When it broke off, if it has not come to its end since: it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<Timestamp>,
    /// How many rows were mended since the process started.
    mended: u64,
    /// Which: the newest 20, the newest first. Until `at`, figures that are made of them were wrong.
    differences: Vec<Difference>,
}

pub(super) fn router(refresh: Refresh) -> Router {
    Router::new().route("/v1/analytics/recomputation", get(recomputation)).with_state(refresh)
}

/// Tells what recomputing the sums from the orders found, which is done every hour: a row that differs is mended, counted
/// and listed here.
#[utoipa::path(get, path = "/v1/analytics/recomputation", tag = "analytics", operation_id = "getRecomputation",
    responses((status = 200, body = RecomputationDocument), Refusals), security(("bearer" = [])))]
pub(super) async fn recomputation(
    State(refresh): State<Refresh>,
    caller: Caller,
) -> Answered<Json<RecomputationDocument>> {
    caller.require_operator_or_service()?;
    let standing = refresh.standing();
    Ok(Json(RecomputationDocument {
        every_seconds: refresh.every().as_secs(),
        ended_at: standing.last.map(|(at, _)| at),
        last: standing.last.map(|(_, report)| report),
        failed_at: standing.failed_at,
        mended: standing.mended,
        differences: standing.differences.into(),
    }))
}

//! Rebuilding a copy, and how far that is.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{StatusCode, header};
use madrigal_core::Timestamp;
use madrigal_http::openapi::Refusals;
use madrigal_http::{Answered, Caller, Path, problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rebuilds::{Rebuild, RebuildState, Rebuilds};

/// The routes; they go beside the others.
pub(crate) fn router(rebuilds: Rebuilds) -> Router {
    Router::new().route("/v1/sync/copies/{copy}/rebuild", post(rebuild_copy).get(get_copy_rebuild)).with_state(rebuilds)
}

/// The rebuild of a copy that was asked for last.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RebuildDocument {
    /// The copy.
    copy: String,
    /// `running`, `done`, or `failed` where some rows could not be told.
    state: &'static str,
    /// Who asked for it.
    by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    /// When it ended; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Which time it goes through all rows: rows that change meanwhile are looked at again.
    pass: u32,
    /// Rows of the owner that were gone through, this time.
    rows: u64,
    /// Rows that were put into the copy.
    written: u64,
    /// Rows that were taken away, since the owner does not have them.
    removed: u64,
    /// Rows that could not be told, this time.
    left: u64,
    /// What holds it up, or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl From<Rebuild> for RebuildDocument {
    fn from(rebuild: Rebuild) -> Self {
        Self {
            copy: rebuild.copy,
            state: match rebuild.state {
                RebuildState::Running => "running",
                RebuildState::Done => "done",
                RebuildState::Failed => "failed",
            },
            by: rebuild.by,
            began_at: rebuild.began_at,
            ended_at: rebuild.ended_at,
            pass: rebuild.pass,
            rows: rebuild.retold.rows,
            written: rebuild.retold.written,
            removed: rebuild.retold.removed,
            left: rebuild.retold.left,
            cause: rebuild.cause,
        }
    }
}

/// Tells a copy every row of its owner once more, and takes away what the owner does not have. Readers are served meanwhile;
/// after a restart it goes on. One that runs already goes on.
#[utoipa::path(post, path = "/v1/sync/copies/{copy}/rebuild", tag = "sync", operation_id = "rebuildCopy",
    params(("copy" = String, Path, description = "The copy, as in `users.key-value`.")),
    responses((status = 202, description = "It runs; `Location` says how far it is.", body = RebuildDocument), Refusals),
    security(("bearer" = [])))]
pub(super) async fn rebuild_copy(
    State(rebuilds): State<Rebuilds>,
    caller: Caller,
    Path(copy): Path<String>,
) -> Answered<Response> {
    caller.require_operator()?;
    let begun = rebuilds.begin(&copy, &caller.actor()).await.map_err(|fault| problem::from_fault(&fault))?;
    let begun = begun.ok_or_else(|| problem::not_found(format!("copy {copy}")))?;
    let location = format!("/v1/sync/copies/{copy}/rebuild");
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(RebuildDocument::from(begun))).into_response())
}

/// How far the rebuild of a copy is, the one that was asked for last.
#[utoipa::path(get, path = "/v1/sync/copies/{copy}/rebuild", tag = "sync", operation_id = "getCopyRebuild",
    params(("copy" = String, Path, description = "The copy, as in `users.key-value`.")),
    responses((status = 200, body = RebuildDocument), Refusals), security(("bearer" = [])))]
pub(super) async fn get_copy_rebuild(
    State(rebuilds): State<Rebuilds>,
    caller: Caller,
    Path(copy): Path<String>,
) -> Answered<Json<RebuildDocument>> {
    caller.require_operator()?;
    let found = rebuilds.of(&copy).await.map_err(|fault| problem::from_fault(&fault))?;
    let found = found.ok_or_else(|| problem::not_found(format!("rebuild of copy {copy}")))?;
    Ok(Json(found.into()))
}

//! The routes about copies: for operators.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use madrigal_consistency::{Damage, Planted};
use madrigal_core::tasks;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, Caller, FieldError, Path, Query};
use serde::Deserialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use super::Monitor;
use super::report::{Inconsistency, Report, inconsistencies};
use super::sweeps::CheckAsked;

/// How long a request waits for its check before it is answered with 202.
const WAIT: Duration = Duration::from_secs(10);
/// The longest reason of a repair, in characters.
const MAX_REASON: usize = 500;
/// Entries of the record in one answer.
const RECORD: usize = 200;

pub(super) fn router(monitor: Monitor) -> Router {
    Router::new()
        .route("/v1/consistency/checks", post(check))
        .route("/v1/consistency/checks/{checkId}", get(get_check))
        .route("/v1/consistency/report", get(get_report))
        .route("/v1/consistency/divergences", get(list_divergences))
        .route("/v1/consistency/divergences/{id}/repair", post(repair))
        .route("/v1/consistency/repairs", get(list_repairs))
        .route("/v1/consistency/damage", post(damage))
        .with_state(monitor)
}

/// The OpenAPI description of these routes.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(check, get_check, get_report, list_divergences, repair, list_repairs, damage),
    tags((name = "consistency", description = "Whether copies say what their owners say"))
)]
pub(super) struct ConsistencyApi;

/// What is to be checked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CheckBody {
    /// Contents too, not versions only.
    #[serde(default)]
    deep: bool,
    /// One pair or book only, as in `orders.view` or `books.money`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z.-]+$")]
    pair: Option<String>,
    /// Rows that diverge are repaired (at most 500), and everything is looked at once more.
    #[serde(default)]
    repair: bool,
}

/// Checks all pairs, or one. Where that takes longer than ten seconds, the answer is 202 and the check is asked for again.
#[utoipa::path(post, path = "/v1/consistency/checks", tag = "consistency", operation_id = "checkConsistency", request_body = CheckBody,
    responses(
        (status = 200, description = "The report", body = Report),
        (status = 202, description = "Under way; `Location` is where its report will be"),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator"), (status = 404, description = "No such pair"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
async fn check(State(monitor): State<Monitor>, caller: Caller, Body(body, _): Body<CheckBody>) -> Answered<Response> {
    caller.require_operator()?;
    let known = |name: &str| super::pairs::PAIRS.iter().any(|pair| pair.name == name) || super::books::is_book(name);
    if body.pair.as_deref().is_some_and(|name| !known(name)) {
        return Err(problem::not_found("such pair"));
    }
    let repair_as = body.repair.then(|| caller.actor());
    let id = monitor.begin_check(CheckAsked { deep: body.deep, pair: body.pair, repair_as });
    Ok(match tasks::within(WAIT, monitor.parts.running.done(&id)).await {
        Some(Some(report)) => Json(report).into_response(),
        // Not done, or (after twenty further checks) forgotten.
        Some(None) | None => under_way(&id),
    })
}

/// A check that was asked for: its report, or that it is under way.
#[utoipa::path(get, path = "/v1/consistency/checks/{checkId}", tag = "consistency", operation_id = "getConsistencyCheck",
    params(("checkId" = String, Path, description = "The check, as in `Location`")),
    responses(
        (status = 200, description = "The report", body = Report), (status = 202, description = "Under way"),
        (status = 400, description = "Unknown parameter"), (status = 401, description = "No valid token"), (status = 403, description = "Not an operator"),
        (status = 404, description = "No such check (any more)")),
    security(("bearer" = [])))]
async fn get_check(
    State(monitor): State<Monitor>,
    caller: Caller,
    Path(id): Path<String>,
    Query(()): Query<()>,
) -> Answered<Response> {
    caller.require_operator()?;
    match monitor.parts.running.of(&id) {
        Some(Some(report)) => Ok(Json(report).into_response()),
        Some(None) => Ok(under_way(&id)),
        None => Err(problem::not_found("such check")),
    }
}

fn under_way(id: &str) -> Response {
    let location = format!("/v1/consistency/checks/{id}");
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(json!({ "checkId": id, "state": "running" })))
        .into_response()
}

/// What was last found, over all pairs.
#[utoipa::path(get, path = "/v1/consistency/report", tag = "consistency", operation_id = "getConsistencyReport",
    responses(
        (status = 200, description = "The report", body = Report), (status = 400, description = "Unknown parameter"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator")),
    security(("bearer" = [])))]
async fn get_report(State(monitor): State<Monitor>, caller: Caller, Query(()): Query<()>) -> Answered<Json<Report>> {
    caller.require_operator()?;
    Ok(Json(monitor.report()))
}

/// Rows that diverge, of all pairs.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(super) struct Divergences {
    /// At most 1,000 of each pair.
    items: Vec<Inconsistency>,
}

/// Rows that diverge, with both rows side by side.
#[utoipa::path(get, path = "/v1/consistency/divergences", tag = "consistency", operation_id = "listDivergences",
    responses(
        (status = 200, description = "All that are known", body = Divergences),
        (status = 400, description = "Unknown parameter"), (status = 401, description = "No valid token"), (status = 403, description = "Not an operator")),
    security(("bearer" = [])))]
async fn list_divergences(
    State(monitor): State<Monitor>,
    caller: Caller,
    Query(()): Query<()>,
) -> Answered<Json<Divergences>> {
    caller.require_operator()?;
    let states = monitor.parts.states.all();
    Ok(Json(Divergences { items: states.iter().flat_map(inconsistencies).collect() }))
}

/// How a row is repaired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RepairBody {
    /// Whether it is done; otherwise the answer says what would be.
    #[serde(default)]
    apply: bool,
    /// Why, for the record of repairs.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Looks at a row that diverges once more, and writes its owner's row into the copy if `apply` is true.
#[utoipa::path(post, path = "/v1/consistency/divergences/{id}/repair", tag = "consistency", operation_id = "repairDivergence", request_body = RepairBody,
    params(("id" = String, Path, description = "The row, as listed")),
    responses(
        (status = 200, description = "What was, or would be, done: `outcome`, with both rows"),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator"), (status = 404, description = "No such row (any more)"),
        (status = 409, description = "It is of a book (`book-not-repairable`): a person must look into it"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
async fn repair(
    State(monitor): State<Monitor>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body, _): Body<RepairBody>,
) -> Answered<Response> {
    caller.require_operator()?;
    if body.reason.as_deref().is_some_and(|reason| reason.trim().is_empty() || reason.chars().count() > MAX_REASON) {
        let detail = format!("a reason has 1 to {MAX_REASON} characters");
        return Err(problem::invalid_body(vec![FieldError { pointer: "/reason".to_owned(), detail }]));
    }
    let found = monitor.parts.states.divergence(&id);
    let (declared, divergence) = found.ok_or_else(|| problem::not_found("such row that diverges"))?;
    if super::books::is_book(declared.name) {
        let detail = format!(
            "{} is a book: it tells what does not balance between services, and there is no copy to write. Nothing was \
             changed. Look into {} by its story.",
            declared.name, divergence.key
        );
        return Err(problem::conflict("book-not-repairable", "A book is not repaired", detail));
    }
    let entry = monitor.repair_because(declared, divergence, body.apply, &caller.actor(), body.reason).await;
    Ok(Json(entry.map_err(|fault| problem::from_fault(&fault))?).into_response())
}

/// The record of repairs, newest first.
#[utoipa::path(get, path = "/v1/consistency/repairs", tag = "consistency", operation_id = "listRepairs",
    responses(
        (status = 200, description = "`items`, at most 200"), (status = 400, description = "Unknown parameter"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
async fn list_repairs(
    State(monitor): State<Monitor>,
    caller: Caller,
    Query(()): Query<()>,
) -> Answered<Json<serde_json::Value>> {
    caller.require_operator()?;
    let items = monitor.repairs(RECORD).await.map_err(|fault| problem::from_fault(&fault))?;
    Ok(Json(json!({ "items": items })))
}

/// What is done to a row of a copy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DamageBody {
    /// The copy, as in `orders.view`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z.-]+$")]
    copy: String,
    /// The row.
    #[schema(min_length = 1, max_length = 200)]
    key: String,
    /// How.
    damage: DamageKind,
}

/// A kind of damage.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DamageKind {
    /// Another content under the same version.
    Change,
    /// The row is taken away.
    Delete,
    /// A row that the owner does not have.
    Add,
    /// The row under an older version.
    Older,
    /// The row under a version that the owner has not reached.
    Newer,
}

/// Damages a row of a copy behind everybody's back, to see whether that is found. Refused unless the shop was started so
/// that it may be damaged.
#[utoipa::path(post, path = "/v1/consistency/damage", tag = "consistency", operation_id = "damageCopy", request_body = DamageBody,
    responses(
        (status = 200, description = "It is done"),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator, or not in this shop"),
        (status = 404, description = "No such copy, or no such row to damage"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
async fn damage(State(monitor): State<Monitor>, caller: Caller, Body(body, _): Body<DamageBody>) -> Answered<Response> {
    caller.require_operator()?;
    let damage = match body.damage {
        DamageKind::Change => Damage::Change,
        DamageKind::Delete => Damage::Delete,
        DamageKind::Add => Damage::Add,
        DamageKind::Older => Damage::Older,
        DamageKind::Newer => Damage::Newer,
    };
    let declared = super::pairs::PAIRS.iter().find(|pair| pair.copy == body.copy);
    let name = declared.map(|declared| declared.name).ok_or_else(|| problem::not_found("such copy"))?;
    let planted = monitor.plant(name, &body.key, damage).await.map_err(|fault| problem::from_fault(&fault))?;
    match planted {
        None => Err(problem::not_found("such copy")),
        Some(Planted::NoSuchRow) => Err(problem::not_found("row to damage so")),
        Some(Planted::Refused { why }) => Err(problem::forbidden(why)),
        Some(Planted::Done) => Ok(Json(json!({ "copy": body.copy, "key": body.key, "done": true })).into_response()),
    }
}

//! `/v1/projections`: the projections of all services, seen and moved on by operators.
//!
//! Every service with projections answers the same calls; the list asks all of them, a verb goes to the one that has the
//! projection. A service that does not answer is named in `missing`, the others' projections are listed all the same.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use madrigal_contracts::projections::{Operated, ProjectionVerb};
use madrigal_core::Position;
use madrigal_http::edge::Context;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, Caller, FieldError, Neighbour, Path, Query};
use madrigal_projection::{Comparison, LaneReport, ParkedIn, ProjectionStatus, WhyStalled};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

mod ask;
mod shapes;

use self::ask::Keepers;
use self::shapes::{ComparisonShape, LaneShape, ParkedShape, ProjectionList, ProjectionShape, WhyShape};

type Asked = State<Arc<Keepers>>;

/// The description of these routes.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(
        list_projections,
        show_projection,
        rebuild_projection,
        compare_projection,
        switch_projection,
        discard_candidate,
        confirm_switch,
        list_parked,
        retry_parked,
        skip_parked,
        why_stalled
    ),
    tags((name = "projections", description = "Views and indexes: their lag, rebuilding, what is parked"))
)]
pub struct ProjectionsApi;

pub(crate) fn router(keepers: Vec<Neighbour>) -> Router {
    Router::new()
        .route("/v1/projections", get(list_projections))
        .route("/v1/projections/{name}", get(show_projection))
        .route("/v1/projections/{name}/rebuild", post(rebuild_projection))
        .route("/v1/projections/{name}/compare", post(compare_projection))
        .route("/v1/projections/{name}/switch", post(switch_projection))
        .route("/v1/projections/{name}/discard", post(discard_candidate))
        .route("/v1/projections/{name}/confirm", post(confirm_switch))
        .route("/v1/projections/{name}/parked", get(list_parked))
        .route("/v1/projections/{name}/parked/retry", post(retry_parked))
        .route("/v1/projections/{name}/parked/skip", post(skip_parked))
        .route("/v1/projections/{name}/why-stalled", get(why_stalled))
        .with_state(Arc::new(Keepers::new(keepers)))
}

/// All projections of all services, in the order of their names.
#[derive(Debug, Serialize)]
struct Listed {
    items: Vec<ProjectionStatus>,
    missing: Vec<ask::Missing>,
}

/// Lists the projections of all services.
#[utoipa::path(get, path = "/v1/projections", tag = "projections",
    responses((status = 200, description = "As far as the services answer", body = ProjectionList), Refusals),
    security(("bearer" = [])))]
async fn list_projections(State(keepers): Asked, caller: Caller, Context(context): Context) -> Answered<Json<Listed>> {
    caller.require_operator()?;
    let (items, missing) = keepers.list(&context).await;
    Ok(Json(Listed { items, missing }))
}

/// One projection.
#[utoipa::path(get, path = "/v1/projections/{name}", tag = "projections",
    params(("name" = String, Path, description = "The projection, as in `order-view`", max_length = 48)),
    responses((status = 200, description = "How it fares", body = ProjectionShape), Refusals),
    security(("bearer" = [])))]
async fn show_projection(
    keepers: Asked,
    caller: Caller,
    context: Context,
    name: Path<String>,
) -> Answered<Json<ProjectionStatus>> {
    done(keepers, &caller, context, name, ProjectionVerb::Show).await
}

/// Builds the projection anew from its log, beside what serves.
#[utoipa::path(post, path = "/v1/projections/{name}/rebuild", tag = "projections",
    params(("name" = String, Path, max_length = 48)),
    responses((status = 202, description = "A candidate is being built", body = ProjectionShape), Refusals),
    security(("bearer" = [])))]
async fn rebuild_projection(
    keepers: Asked,
    caller: Caller,
    context: Context,
    name: Path<String>,
) -> Answered<(StatusCode, Json<ProjectionStatus>)> {
    Ok((StatusCode::ACCEPTED, done(keepers, &caller, context, name, ProjectionVerb::Rebuild).await?))
}

/// Compares every row and column of the candidate with what serves, both as of one position.
///
/// Takes as long as reading both: some seconds for a hundred thousand rows.
#[utoipa::path(post, path = "/v1/projections/{name}/compare", tag = "projections",
    params(("name" = String, Path, max_length = 48)),
    responses((status = 200, description = "What differs; at most 20 rows are shown", body = ComparisonShape), Refusals),
    security(("bearer" = [])))]
async fn compare_projection(
    State(keepers): Asked,
    caller: Caller,
    Context(context): Context,
    Path(name): Path<String>,
) -> Answered<Json<Comparison>> {
    caller.require_operator()?;
    match keepers.operate(&context, name, ProjectionVerb::Compare).await? {
        Operated::Compared(comparison) => Ok(Json(comparison)),
        _ => Err(problem::internal()),
    }
}

/// Whether differences are meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SwitchBody {
    /// Switches although rows differ; needs a reason.
    #[serde(default)]
    accept_differences: bool,
    /// Why that is right.
    #[schema(min_length = 1, max_length = 400)]
    reason: Option<String>,
}

/// Lets the candidate serve, at once. Refused while keys of it are parked, while it is behind, and where it was not compared
/// or differs.
#[utoipa::path(post, path = "/v1/projections/{name}/switch", tag = "projections", request_body = SwitchBody,
    params(("name" = String, Path, max_length = 48)),
    responses((status = 200, description = "It serves", body = ProjectionShape), Refusals),
    security(("bearer" = [])))]
async fn switch_projection(
    keepers: Asked,
    caller: Caller,
    context: Context,
    name: Path<String>,
    Body(body, _): Body<SwitchBody>,
) -> Answered<Json<ProjectionStatus>> {
    let reason = body.reason.map(|reason| checked(&reason)).transpose()?;
    let accept = match (body.accept_differences, reason) {
        (false, _) => None,
        (true, Some(reason)) => Some(format!("{}: {reason}", caller.actor())),
        (true, None) => return Err(invalid("/reason", "is required to accept differences")),
    };
    done(keepers, &caller, context, name, ProjectionVerb::Switch { accept }).await
}

/// Drops the candidate.
#[utoipa::path(post, path = "/v1/projections/{name}/discard", tag = "projections",
    params(("name" = String, Path, max_length = 48)),
    responses((status = 200, description = "It is gone", body = ProjectionShape), Refusals),
    security(("bearer" = [])))]
async fn discard_candidate(
    keepers: Asked,
    caller: Caller,
    context: Context,
    name: Path<String>,
) -> Answered<Json<ProjectionStatus>> {
    done(keepers, &caller, context, name, ProjectionVerb::Discard).await
}

/// Drops what served before the switch.
#[utoipa::path(post, path = "/v1/projections/{name}/confirm", tag = "projections",
    params(("name" = String, Path, max_length = 48)),
    responses((status = 200, description = "It is gone", body = ProjectionShape), Refusals),
    security(("bearer" = [])))]
async fn confirm_switch(
    keepers: Asked,
    caller: Caller,
    context: Context,
    name: Path<String>,
) -> Answered<Json<ProjectionStatus>> {
    done(keepers, &caller, context, name, ProjectionVerb::Confirm).await
}

/// Which parked events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ParkedQuery {
    /// The `next` of the page before: a position.
    #[param(pattern = "^[0-9]{1,19}$")]
    cursor: Option<String>,
    /// 1 to 200; 50 unless stated.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Parked events, in the order of their log.
#[derive(Debug, Serialize)]
struct ParkedPage {
    items: Vec<ParkedIn>,
    next: Option<String>,
}

/// Lists what is parked, skipped events included, of what serves and of a candidate.
#[utoipa::path(get, path = "/v1/projections/{name}/parked", tag = "projections",
    params(("name" = String, Path, max_length = 48), ParkedQuery),
    responses((status = 200, description = "`items` and `next`", body = ParkedShape), Refusals),
    security(("bearer" = [])))]
async fn list_parked(
    State(keepers): Asked,
    caller: Caller,
    Context(context): Context,
    Path(name): Path<String>,
    Query(query): Query<ParkedQuery>,
) -> Answered<Json<ParkedPage>> {
    caller.require_operator()?;
    let limit = page_limit(query.limit, 50, 200)?;
    let after = query.cursor.map_or(Ok(0), |cursor| cursor.parse::<u64>()).map_err(|_| problem::bad_cursor())?;
    let verb = ProjectionVerb::Parked { after: Position(after), limit };
    match keepers.operate(&context, name, verb).await? {
        Operated::Parked(items) => {
            let full = items.len() >= limit;
            let next = items.last().filter(|_| full).map(|last| last.event.position.0.to_string());
            Ok(Json(ParkedPage { items, next }))
        }
        _ => Err(problem::internal()),
    }
}

/// A key with parked events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyBody {
    /// A key, or the `lane` of a parked event, as in `key/…` or `stream/…`.
    #[schema(min_length = 1, max_length = 500)]
    key: String,
    /// Why; required to skip.
    #[schema(min_length = 1, max_length = 400)]
    reason: Option<String>,
}

/// Tries a key's parked events again, in order, until one fails.
#[utoipa::path(post, path = "/v1/projections/{name}/parked/retry", tag = "projections", request_body = KeyBody,
    params(("name" = String, Path, max_length = 48)),
    responses((status = 200, description = "How many were applied, how many wait", body = LaneShape), Refusals),
    security(("bearer" = [])))]
async fn retry_parked(
    keepers: Asked,
    caller: Caller,
    context: Context,
    name: Path<String>,
    Body(body, _): Body<KeyBody>,
) -> Answered<Json<LaneReport>> {
    lane(keepers, &caller, context, name, ProjectionVerb::Retry { key: body.key }).await
}

/// Leaves out a key's first parked event, for a reason that stays listed, and tries the others.
#[utoipa::path(post, path = "/v1/projections/{name}/parked/skip", tag = "projections", request_body = KeyBody,
    params(("name" = String, Path, max_length = 48)),
    responses((status = 200, description = "How many were applied, how many wait", body = LaneShape), Refusals),
    security(("bearer" = [])))]
async fn skip_parked(
    keepers: Asked,
    caller: Caller,
    context: Context,
    name: Path<String>,
    Body(body, _): Body<KeyBody>,
) -> Answered<Json<LaneReport>> {
    let reason = body.reason.ok_or_else(|| invalid("/reason", "is required to skip"))?;
    let reason = format!("{}: {}", caller.actor(), checked(&reason)?);
    lane(keepers, &caller, context, name, ProjectionVerb::Skip { key: body.key, reason }).await
}

/// Says what holds a projection up, and what to do.
#[utoipa::path(get, path = "/v1/projections/{name}/why-stalled", tag = "projections",
    params(("name" = String, Path, max_length = 48)),
    responses((status = 200, description = "`cause` is `nothing` where nothing does", body = WhyShape), Refusals),
    security(("bearer" = [])))]
async fn why_stalled(
    State(keepers): Asked,
    caller: Caller,
    Context(context): Context,
    Path(name): Path<String>,
) -> Answered<Json<WhyStalled>> {
    caller.require_operator()?;
    match keepers.operate(&context, name, ProjectionVerb::WhyStalled).await? {
        Operated::Why(why) => Ok(Json(why)),
        _ => Err(problem::internal()),
    }
}

async fn done(
    State(keepers): Asked,
    caller: &Caller,
    Context(context): Context,
    Path(name): Path<String>,
    verb: ProjectionVerb,
) -> Answered<Json<ProjectionStatus>> {
    caller.require_operator()?;
    match keepers.operate(&context, name, verb).await? {
        Operated::Done(status) => Ok(Json(*status)),
        _ => Err(problem::internal()),
    }
}

async fn lane(
    State(keepers): Asked,
    caller: &Caller,
    Context(context): Context,
    Path(name): Path<String>,
    verb: ProjectionVerb,
) -> Answered<Json<LaneReport>> {
    caller.require_operator()?;
    match keepers.operate(&context, name, verb).await? {
        Operated::Lane(report) => Ok(Json(report)),
        _ => Err(problem::internal()),
    }
}

/// Blanks alone are no reason.
fn checked(reason: &str) -> Answered<String> {
    let reason = reason.trim();
    if reason.is_empty() { Err(invalid("/reason", "has 1 to 400 characters")) } else { Ok(reason.to_owned()) }
}

fn invalid(pointer: &str, detail: &str) -> madrigal_http::Problem {
    problem::invalid_body(vec![FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }])
}

//! The public routes, for operators: connectors, how far copies are, what is parked, a row of a copy.

pub(crate) mod rebuilds;
mod shapes;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::StatusCode;
use madrigal_contracts::parked::{
    CauseBody, DEFAULT_PAGE, MAX_PAGE, ParkedDocument, ParkedQuery, SettledDocument, SkipBody, not_settled, retry_cause,
};
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::{Answered, Body, Caller, FieldError, Page, Path, Problem, Query, problem};
use serde_json::Value;
use utoipa::OpenApi;

use self::shapes::{ConnectorBody, ConnectorDocument, CopyRowDocument, LagDocument};
use crate::connectors::{ConnectorDefinition, Declared, Known, Misfit, RegisterError};
use crate::queries::{Faring, Queries};
use crate::service::BUILT_IN_CONNECTOR;

/// The routes; the edge's layers come from outside.
pub(crate) fn router(queries: Queries) -> Router {
    Router::new()
        .route("/v1/sync/connectors", get(list_connectors).post(register_connector))
        .route("/v1/sync/connectors/{name}", delete(remove_connector))
        .route("/v1/sync/lag", get(lag))
        .route("/v1/sync/parked", get(list_parked))
        .route("/v1/sync/parked/retry", post(retry_parked_cause))
        .route("/v1/sync/parked/{id}/retry", post(retry_parked))
        .route("/v1/sync/parked/{id}/skip", post(skip_parked))
        .route("/v1/sync/copies/{copy}/{key}", get(copied_row))
        .with_state(queries)
}

/// The routes' documentation.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(list_connectors, register_connector, remove_connector, lag, list_parked, retry_parked_cause, retry_parked, skip_parked,
        copied_row,
        rebuilds::rebuild_copy, rebuilds::get_copy_rebuild),
    tags((name = "sync", description = "Connectors, and how far copies are."))
)]
pub(crate) struct SyncApi;

/// Lists connectors, by name. Never a password.
#[utoipa::path(get, path = "/v1/sync/connectors", tag = "sync", operation_id = "listConnectors",
    responses((status = 200, body = Page<ConnectorDocument>), Refusals), security(("bearer" = [])))]
async fn list_connectors(
    State(queries): State<Queries>,
    caller: Caller,
    Query(()): Query<()>,
) -> Answered<Json<Page<ConnectorDocument>>> {
    caller.require_operator()?;
    let items = queries.connectors().await?.iter().map(ConnectorDocument::new).collect();
    Ok(Json(Page { items, next: None }))
}

/// Declares a connector, in the JSON that Debezium takes. Everything that a start asks of it is asked now. One that this
/// program cannot run is kept and says so in `detail`. The same declaration again changes nothing.
#[utoipa::path(post, path = "/v1/sync/connectors", tag = "sync", operation_id = "declareConnector", request_body = ConnectorBody,
    responses((status = 201, description = "It is kept.", body = ConnectorDocument),
        (status = 200, description = "It was there.", body = ConnectorDocument),
        (status = 409, description = "Another one has its name, or captures its tables.", content_type = "application/problem+json"),
        Refusals), security(("bearer" = [])))]
async fn register_connector(
    State(queries): State<Queries>,
    caller: Caller,
    Body(ConnectorBody(declared), _): Body<ConnectorBody>,
) -> Answered<Response> {
    caller.require_operator()?;
    let definition =
        ConnectorDefinition::read_for(&Value::Object(declared), queries.transformers()).map_err(|misfits| {
            let error = |misfit: Misfit| FieldError { pointer: misfit.pointer, detail: misfit.detail };
            problem::invalid_body(misfits.into_iter().map(error).collect())
        })?;
    let known = queries.connectors().await?;
    if !known.iter().any(|one| one.known.name == definition.name) {
        refuse_captured_tables(&definition, &known)?;
    }
    let (new, now) = queries.register(&definition).await.map_err(not_registered)?;
    let known = queries.connectors().await?.into_iter().find(|one| one.known.name == definition.name);
    let one = known.unwrap_or_else(|| {
        let known = Known { name: definition.name.clone(), declared: Declared::Read(definition), declared_at: now };
        Faring { known, misfits: Vec::new(), progress: None }
    });
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ConnectorDocument::new(&one))).into_response())
}

/// Takes a connector out. One that runs goes on until the next start; the one that is built in stays.
#[utoipa::path(delete, path = "/v1/sync/connectors/{name}", tag = "sync", operation_id = "removeConnector",
    params(("name" = String, Path, description = "The connector.")),
    responses((status = 204, description = "It is out."),
        (status = 409, description = "It is the one that is built in.", content_type = "application/problem+json"),
        Refusals), security(("bearer" = [])))]
async fn remove_connector(
    State(queries): State<Queries>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answered<StatusCode> {
    caller.require_operator()?;
    if name == BUILT_IN_CONNECTOR {
        let detail = format!("{name} is there from the first start: by it users come into every copy.");
        return Err(problem::conflict("connector-built-in", "The connector is built in", detail));
    }
    if !queries.remove(&name).await? {
        return Err(problem::not_found(format!("connector {name}")));
    }
    tracing::info!(connector = name, "a connector was taken out");
    Ok(StatusCode::NO_CONTENT)
}

/// Tells how far every copy is behind its owner, and every topic that is followed. A copy whose keeper does not say so within
/// 1.5 s is `silent`: how far it is is not known then.
#[utoipa::path(get, path = "/v1/sync/lag", tag = "sync", operation_id = "getSyncLag",
    responses((status = 200, body = Page<LagDocument>), Refusals), security(("bearer" = [])))]
async fn lag(
    State(queries): State<Queries>,
    caller: Caller,
    Query(()): Query<()>,
) -> Answered<Json<Page<LagDocument>>> {
    caller.require_operator_or_service()?;
    let items = queries.lag().await.into_iter().map(LagDocument::from).collect();
    Ok(Json(Page { items, next: None }))
}

/// Lists parked changes, the oldest first; without the rows' values.
#[utoipa::path(get, path = "/v1/sync/parked", tag = "sync", operation_id = "listParkedChanges", params(ParkedQuery),
    responses((status = 200, body = Page<ParkedDocument>), Refusals), security(("bearer" = [])))]
async fn list_parked(
    State(queries): State<Queries>,
    caller: Caller,
    Query(query): Query<ParkedQuery>,
) -> Answered<Json<Page<ParkedDocument>>> {
    caller.require_operator_or_service()?;
    let limit = page_limit(query.limit, DEFAULT_PAGE, MAX_PAGE)?;
    Ok(Json(Page { items: queries.parked(limit).await?, next: None }))
}

/// Tells the copies the rows of all keys that are parked for one cause, key by key; ends where a key cannot be tried at all.
#[utoipa::path(post, path = "/v1/sync/parked/retry", tag = "sync", operation_id = "retryParkedCause", request_body = CauseBody,
    responses((status = 200, description = "Each key that was tried, at most 100.", body = Page<SettledDocument>), Refusals),
    security(("bearer" = [])))]
async fn retry_parked_cause(
    State(queries): State<Queries>,
    caller: Caller,
    Body(body, _): Body<CauseBody>,
) -> Answered<Json<Page<SettledDocument>>> {
    caller.require_operator()?;
    let parked = queries.parked(MAX_PAGE as usize).await?;
    let retry = |id: String| {
        let queries = queries.clone();
        async move { queries.settle(&id, None).await }
    };
    let items = retry_cause(&parked, &body.cause, retry).await?;
    Ok(Json(Page { items, next: None }))
}

/// Tells the copies a parked key's rows as their owner has them now.
#[utoipa::path(post, path = "/v1/sync/parked/{id}/retry", tag = "sync", operation_id = "retryParkedChange",
    params(("id" = String, Path, description = "Topic and key, as in `users:7`.")),
    responses((status = 200, body = SettledDocument),
        (status = 409, description = "Nothing is parked under it.", content_type = "application/problem+json"),
        Refusals), security(("bearer" = [])))]
async fn retry_parked(
    State(queries): State<Queries>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answered<Json<SettledDocument>> {
    caller.require_operator()?;
    let report = queries.settle(&id, None).await.map_err(not_settled)?;
    Ok(Json(SettledDocument::new(id, report)))
}

/// Leaves out a parked key's first change, for a reason that stays listed, and retries the others.
#[utoipa::path(post, path = "/v1/sync/parked/{id}/skip", tag = "sync", operation_id = "skipParkedChange", request_body = SkipBody,
    params(("id" = String, Path, description = "Topic and key, as in `users:7`.")),
    responses((status = 200, body = SettledDocument),
        (status = 409, description = "Nothing is parked under it.", content_type = "application/problem+json"),
        Refusals), security(("bearer" = [])))]
async fn skip_parked(
    State(queries): State<Queries>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body, _): Body<SkipBody>,
) -> Answered<Json<SettledDocument>> {
    caller.require_operator()?;
    let report = queries.settle(&id, Some(&body.reason)).await.map_err(not_settled)?;
    Ok(Json(SettledDocument::new(id, report)))
}

/// Shows a row of a copy as it is stored there, a tombstone too.
#[utoipa::path(get, path = "/v1/sync/copies/{copy}/{key}", tag = "sync", operation_id = "getCopiedRow",
    params(("copy" = String, Path, description = "The copy, as in `users.key-value`."),
        ("key" = String, Path, description = "The row's key at its owner.")),
    responses((status = 200, body = CopyRowDocument), Refusals), security(("bearer" = [])))]
async fn copied_row(
    State(queries): State<Queries>,
    caller: Caller,
    Path((copy, key)): Path<(String, String)>,
) -> Answered<Json<CopyRowDocument>> {
    caller.require_operator()?;
    let found = queries.row(&copy, &key).await?.ok_or_else(|| problem::not_found(format!("copy {copy}")))?;
    let row = found.ok_or_else(|| problem::not_found("such row in this copy"))?;
    Ok(Json(CopyRowDocument::new(copy, row)))
}

/// Two captures of one table would tell the same copies twice.
fn refuse_captured_tables(definition: &ConnectorDefinition, known: &[Faring]) -> Answered<()> {
    let running = known.iter().filter(|one| one.misfits.is_empty()).filter_map(|one| one.known.definition());
    for other in running.filter(|other| other.source == definition.source) {
        if let Some(table) = definition.tables.iter().find(|table| other.tables.contains(table)) {
            let detail = format!("{table} is captured by {} already.", other.name);
            return Err(problem::conflict("connector-exists", "There is such a connector", detail));
        }
    }
    Ok(())
}

fn not_registered(error: RegisterError) -> Problem {
    match error {
        RegisterError::Exists(_) => {
            problem::conflict("connector-exists", "There is such a connector", format!("{error}, declared otherwise."))
        }
        RegisterError::TooMany => {
            problem::invalid_body(vec![FieldError { pointer: String::new(), detail: error.to_string() }])
        }
        RegisterError::Fault(fault) => problem::from_fault(&fault),
    }
}

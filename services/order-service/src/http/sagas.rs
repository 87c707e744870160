//! Sagas: seen by operators (and one's own by customers), moved on by operators.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use madrigal_core::PersonId;
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, Caller, FieldError, Path, Problem, Query, SeenPosition};
use madrigal_saga::{OperateError, SagaFilter, SagaId, SagaPage, SagaState, SagaStory, Verb};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::bodies::VerbBody;
use super::{Api, Shared, problems};
use crate::queries::WAIT_FOR_VIEW;

/// Which sagas.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SagasQuery {
    /// As in `running`, `compensating`, `paused`, `stuck`, `parked`, `completed`, `compensated`.
    #[param(
        pattern = "^(running|compensating|paused|stuck|parked|completed|compensated|compensatedByHand|abandoned)$"
    )]
    state: Option<String>,
    /// The definition's name, as in `place-order`.
    definition: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless stated.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists sagas: all for operators, their own for customers.
#[utoipa::path(get, path = "/v1/sagas", tag = "sagas", params(SagasQuery),
    responses(
        (status = 200, description = "`items` and `next`"),
        (status = 400, description = "Invalid query or cursor"), (status = 401, description = "No valid token"),
        (status = 412, description = "The position is of another history"), (status = 503, description = "Not visible yet")),
    security(("bearer" = [])))]
pub(super) async fn list_sagas(
    State(api): Shared,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<SagasQuery>,
) -> Answered<Json<SagaPage>> {
    let state = match query.state.as_deref().map(parse_state) {
        Some(None) => {
            let detail = "is no state of sagas".to_owned();
            return Err(problem::invalid_query(vec![FieldError { pointer: "/state".to_owned(), detail }]));
        }
        Some(known) => known,
        None => None,
    };
    let limit = page_limit(query.limit, 50, 200)?;
    if query.cursor.as_ref().is_some_and(|cursor| cursor.parse::<SagaId>().is_err()) {
        return Err(problem::bad_cursor());
    }
    if let Some(token) = seen {
        api.directory.wait_for(&token, WAIT_FOR_VIEW).await.map_err(problems::of_not_yet)?;
    }
    let filter = SagaFilter { state, definition: query.definition, owner: caller.user_id() };
    let page = api.engine.list(&filter, query.cursor.as_deref(), limit).await;
    page.map(Json).map_err(|fault| problem::from_fault(&fault))
}

/// One saga with its steps and attempts.
#[utoipa::path(get, path = "/v1/sagas/{sagaId}", tag = "sagas", params(("sagaId" = String, Path)),
    responses(
        (status = 200, description = "The saga's story"),
        (status = 401, description = "No valid token"), (status = 404, description = "No such saga of the caller's"),
        (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn get_saga(State(api): Shared, caller: Caller, Path(id): Path<String>) -> Answered<Json<SagaStory>> {
    let id = parse_id(&id)?;
    let story = story(&api, &id).await?;
    if caller.may_act_for(story.owner.unwrap_or(PersonId(0))).is_err() {
        return Err(problem::not_found("such saga"));
    }
    Ok(Json(story))
}

/// What can be done with a saga.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "describes the path; parse_verb reads it")]
enum VerbName {
    Pause,
    Resume,
    Retry,
    Skip,
    Compensate,
    MarkUndone,
    Abandon,
}

/// Moves a saga on by an operator's verb: `pause`, `resume`, `retry`, `skip`, `compensate`, `mark-undone`, `abandon`.
/// A customer may `compensate` a saga of their own as long as it is not committed.
#[utoipa::path(post, path = "/v1/sagas/{sagaId}/{verb}", tag = "sagas", request_body = VerbBody,
    params(("sagaId" = String, Path), ("verb" = inline(VerbName), Path, description = "What to do")),
    responses(
        (status = 200, description = "The saga's story after it"),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator"), (status = 404, description = "No such saga, or no such verb"),
        (status = 409, description = "The saga's state does not allow it"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn operate_saga(
    State(api): Shared,
    caller: Caller,
    Path((id, verb)): Path<(String, String)>,
    Body(body, _): Body<VerbBody>,
) -> Answered<Json<SagaStory>> {
    let id = parse_id(&id)?;
    let before = story(&api, &id).await?;
    let own = caller.user_id().is_some() && caller.user_id() == before.owner;
    let who = caller.actor();
    if own && verb == "compensate" {
        api.engine.cancel(&id, &who).await.map_err(refused)?;
    } else {
        caller.require_operator()?;
        let why = body.reason.clone();
        let verb = parse_verb(&verb, body)?;
        api.engine.operate(&id, verb, &who, &why).await.map_err(refused)?;
    }
    Ok(Json(story(&api, &id).await?))
}

async fn story(api: &Api, id: &SagaId) -> Answered<SagaStory> {
    let story = api.engine.show(id).await.map_err(|fault| problem::from_fault(&fault))?;
    story.ok_or_else(|| problem::not_found("such saga"))
}

fn parse_id(text: &str) -> Answered<SagaId> {
    text.parse().map_err(|_| problem::not_found("such saga"))
}

fn parse_state(text: &str) -> Option<SagaState> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

fn parse_verb(name: &str, body: VerbBody) -> Answered<Verb> {
    let missing = |field: &str| {
        let error = FieldError { pointer: format!("/{field}"), detail: format!("is required for {name}") };
        problem::invalid_body(vec![error])
    };
    Ok(match name {
        "pause" => Verb::Pause,
        "resume" => Verb::Resume,
        "retry" => Verb::RetryNow,
        "compensate" => Verb::Compensate,
        "abandon" => Verb::Abandon,
        "skip" => Verb::Skip {
            step: body.step.ok_or_else(|| missing("step"))?,
            output: Value::Object(body.output.ok_or_else(|| missing("output"))?),
        },
        "mark-undone" => Verb::MarkUndone {
            step: body.step.ok_or_else(|| missing("step"))?,
            evidence: body.evidence.ok_or_else(|| missing("evidence"))?,
        },
        _ => return Err(problem::not_found(format!("verb {name}"))),
    })
}

fn refused(error: OperateError) -> Problem {
    match error {
        OperateError::NoSuchSaga => problem::not_found("such saga"),
        OperateError::NoSuchStep { step } => problem::not_found(format!("step {step} in this saga")),
        OperateError::Text { field } => {
            let error = FieldError { pointer: format!("/{field}"), detail: "has 1 to 1,000 characters".to_owned() };
            problem::invalid_body(vec![error])
        }
        OperateError::Fault(fault) => problem::from_fault(&fault),
        other => Problem::new(StatusCode::CONFLICT, "saga-state", "The saga's state does not allow that")
            .detail(other.to_string()),
    }
}

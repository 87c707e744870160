//! `/v1/users/{id}/conflicts`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use madrigal_core::PersonId;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::{Answered, Body, Caller, Context, Cursor, IfMatch, Page, Path, Query, etag, problem};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::positions::reaching;
use super::refusals::no_such;
use crate::commands::{self, ChangeError, ChooseError, ChooseValue};
use crate::models::{Choice, User, UserConflict};
use crate::queries;
use crate::state::ServiceState;

/// Page size where the request does not say, and the largest.
const PAGE: (u32, u32) = (50, 200);

/// Which conflicts.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct WhichConflicts {
    /// Only those that nobody settled.
    pub(super) open: Option<bool>,
    /// Where the page begins: `next` of the page before.
    #[param(max_length = 2048)]
    pub(super) cursor: Option<String>,
    /// How many at most: 1 to 200, 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
}

/// Which of the two values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ChooseBody {
    /// `loser`: the value that was not taken becomes the field's. `standing`: what stands goes on standing.
    pub(super) choice: Choice,
}

/// Lists the values that merges of a user's changes did not take, oldest first.
#[utoipa::path(
    get, path = "/v1/users/{id}/conflicts", tag = "users", operation_id = "listUserConflicts",
    params(("id" = i64, Path, description = "The user"), WhichConflicts),
    responses((status = 200, description = "A page of conflicts", body = Page<UserConflict>), Refusals)
)]
pub(super) async fn list(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path(id): Path<PersonId>,
    Query(which): Query<WhichConflicts>,
) -> Answered<Json<Page<UserConflict>>> {
    caller.may_act_for(id)?;
    let limit = page_limit(which.limit, PAGE.0, PAGE.1)?;
    let after = Cursor::<i64>::key(which.cursor.as_deref())?.unwrap_or(0);
    let found = queries::conflicts_of(&state, id, after, which.open.unwrap_or(false), limit + 1).await?;
    let found = found.ok_or_else(|| no_such(&caller))?;
    Ok(Json(Page::of(found, limit, |last| last.conflict_id)))
}

/// Chooses one of the two values of a conflict, which settles it. Choosing the same again changes nothing.
#[utoipa::path(
    post, path = "/v1/users/{id}/conflicts/{conflictId}/choose", tag = "users", operation_id = "chooseUserConflict",
    params(
        ("id" = i64, Path, description = "The user"),
        ("conflictId" = i64, Path, description = "The conflict"),
        ("If-Match" = String, Header, description = "The ETag of the user's version that the choice is based on"),
    ),
    request_body = ChooseBody,
    responses((status = 200, description = "The user as it is now", body = User,
        headers(("ETag" = String), ("Madrigal-Position" = String))), Refusals)
)]
pub(super) async fn choose(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    Path((user, conflict)): Path<(PersonId, i64)>,
    IfMatch(expected): IfMatch,
    Context(context): Context,
    Body(ChooseBody { choice }, _): Body<ChooseBody>,
) -> Answered<Response> {
    caller.may_act_for(user)?;
    let user = match commands::choose(&state, ChooseValue { user, conflict, choice, expected }, context).await {
        Ok(user) => user,
        Err(ChooseError::Change(ChangeError::Unknown)) => return Err(no_such(&caller)),
        Err(ChooseError::NoSuchConflict) => return Err(problem::not_found("such conflict")),
        Err(ChooseError::Settled) => {
            return Err(problem::conflict(
                "conflict-settled",
                "The conflict is settled",
                "Somebody chose the other value already. Change the field itself instead.",
            ));
        }
        Err(ChooseError::Change(error)) => return Err(error.into()),
    };
    Ok(reaching(&state, ([(ETAG, etag(user.version))], Json(user)).into_response()).await)
}

//! Searching users, for operators: served by the catalogue's copy, the index `users`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use madrigal_contracts::copies::fresh;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Caller, Cursor, FieldError, Page, Query, SeenPosition};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::users_index::UsersIndex;

/// The longest search, in characters.
const MAX_CHARS: usize = 200;

/// The route of the index, without the edge's layers.
pub(crate) fn router(index: UsersIndex) -> Router {
    Router::new().route("/v1/users/search", get(search_users)).with_state(index)
}

/// Whom to find.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UserSearch {
    /// Beginnings of words of the user name, the address, the first or last name; case and accents do not matter. All of
    /// them must be found.
    #[param(min_length = 1, max_length = 200)]
    q: String,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless stated.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Finds users by name or address, in the order of their numbers. Operators only. A copy: `lastSyncAt` says how old each is;
/// with the `Madrigal-Position` of a write it has at least that.
#[utoipa::path(get, path = "/v1/users/search", tag = "users", params(UserSearch),
    responses((status = 200, description = "`items` (users) and `next`", body = Object), Refusals),
    security(("bearer" = [])))]
pub(super) async fn search_users(
    State(index): State<UsersIndex>,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<UserSearch>,
) -> Answered<Response> {
    caller.require_operator()?;
    let limit = page_limit(query.limit, 50, 200)?;
    if query.q.trim().is_empty() || query.q.chars().count() > MAX_CHARS {
        let detail = format!("has 1 to {MAX_CHARS} characters");
        return Err(problem::invalid_query(vec![FieldError { pointer: "/q".to_owned(), detail }]));
    }
    let after: Option<i64> = Cursor::key(query.cursor.as_deref())?;
    if let Some(seen) = &seen {
        fresh::has_seen(index.keeper(), seen).await?;
    }
    let found = index.search(&query.q, after.unwrap_or(0), limit).await.map_err(|fault| problem::from_fault(&fault))?;
    let next = found.next.map(|last| Cursor(last).to_text());
    Ok(Json(Page { items: found.items, next }).into_response())
}

#[cfg(test)]
mod tests;

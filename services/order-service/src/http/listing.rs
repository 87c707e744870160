//! Reading orders.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::ETAG;
use madrigal_core::{PersonId, StreamVersion};
use madrigal_http::Caller;
use madrigal_http::headers::{MADRIGAL_LAG, SeenPosition, etag};
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Cursor, FieldError, Page, Path, Query};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::{Api, Shared, problems};
use crate::events::OrderStatus;
use crate::queries::{OrderAnswer, OrderFilter};

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only this user's; operators and services only, or one's own.
    user_id: Option<i64>,
    /// `draft`, `confirmed`, `shipped`, `delivered` or `cancelled`.
    #[param(pattern = "^(draft|confirmed|shipped|delivered|cancelled)$")]
    status: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless stated.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Which orders of a user.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OfUserQuery {
    /// `draft`, `confirmed`, `shipped`, `delivered` or `cancelled`.
    #[param(pattern = "^(draft|confirmed|shipped|delivered|cancelled)$")]
    status: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless stated.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists orders, newest first: one's own, or for operators all.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", params(ListQuery),
    responses(
        (status = 200, description = "`items` and `next`"),
        (status = 400, description = "Invalid query or cursor"), (status = 401, description = "No valid token"),
        (status = 403, description = "Somebody else's orders"),
        (status = 412, description = "The position is of another history"), (status = 503, description = "Not visible yet")),
    security(("bearer" = [])))]
pub(super) async fn list_orders(
    State(api): Shared,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<ListQuery>,
) -> Answered<Response> {
    let user_id = match (query.user_id.map(PersonId), caller.user_id()) {
        (Some(user_id), _) => {
            caller.may_act_for(user_id)?;
            Some(user_id)
        }
        (None, own) => own,
    };
    list(&api, seen.as_ref(), user_id, query).await
}

/// Lists the orders of one user, newest first.
#[utoipa::path(get, path = "/v1/users/{userId}/orders", tag = "orders", params(("userId" = i64, Path), OfUserQuery),
    responses(
        (status = 200, description = "`items` and `next`"),
        (status = 400, description = "Invalid path, query or cursor"), (status = 401, description = "No valid token"),
        (status = 403, description = "Somebody else's orders"),
        (status = 412, description = "The position is of another history"), (status = 503, description = "Not visible yet")),
    security(("bearer" = [])))]
pub(super) async fn list_orders_of_user(
    State(api): Shared,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Path(user_id): Path<i64>,
    Query(OfUserQuery { status, cursor, limit }): Query<OfUserQuery>,
) -> Answered<Response> {
    caller.may_act_for(PersonId(user_id))?;
    let query = ListQuery { user_id: Some(user_id), status, cursor, limit };
    list(&api, seen.as_ref(), Some(PersonId(user_id)), query).await
}

async fn list(
    api: &Api,
    seen: Option<&madrigal_core::PositionToken>,
    user_id: Option<PersonId>,
    query: ListQuery,
) -> Answered<Response> {
    let status = match query.status.as_deref().map(OrderStatus::parse) {
        Some(None) => {
            let detail = "is none of draft, confirmed, shipped, delivered, cancelled".to_owned();
            return Err(problem::invalid_query(vec![FieldError { pointer: "/status".to_owned(), detail }]));
        }
        Some(known) => known,
        None => None,
    };
    let limit = page_limit(query.limit, 50, 200)?;
    let after: Option<String> = Cursor::key(query.cursor.as_deref())?;
    let lag = fresh(api, seen).await?;
    let filter = OrderFilter { user_id, status, after, limit: limit + 1 };
    let fault = |fault| problem::from_fault(&fault);
    let rows = api.queries.list(filter).await.map_err(fault)?;
    let page = Page::of(rows, limit, |row| row.order_id.clone());
    let (rows, next) = (page.items, page.next);
    let items: Vec<OrderAnswer> = api.queries.answers(rows).await.map_err(fault)?;
    Ok(with_lag(Json(Page { items, next }).into_response(), lag))
}

/// One order, from the view: as fresh as the position that comes with the request.
#[utoipa::path(get, path = "/v1/orders/{orderId}", tag = "orders", params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "The order", body = OrderAnswer),
        (status = 400, description = "Malformed position"), (status = 401, description = "No valid token"),
        (status = 404, description = "No such order of the caller's"),
        (status = 412, description = "The position is of another history"), (status = 503, description = "Not visible yet")),
    security(("bearer" = [])))]
pub(super) async fn get_order(
    State(api): Shared,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Path(order_id): Path<String>,
) -> Answered<Response> {
    let lag = fresh(&api, seen.as_ref()).await?;
    let row = api.queries.row(&order_id).await.map_err(|fault| problem::from_fault(&fault))?;
    let row = row.filter(|row| caller.may_act_for(row.user_id).is_ok());
    let row = row.ok_or_else(|| problem::not_found("such order"))?;
    let tag = etag(row.version);
    let order = api.queries.answer(row).await.map_err(|fault| problem::from_fault(&fault))?;
    Ok(with_lag(([(ETAG, tag)], Json(order)).into_response(), lag))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// 1 to 1000; 200 unless stated.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

/// The events of an order, from the store itself, personal fields opened.
#[utoipa::path(get, path = "/v1/orders/{orderId}/events", tag = "orders", params(("orderId" = String, Path), EventsQuery),
    responses(
        (status = 200, description = "`items` and `next`"),
        (status = 400, description = "Invalid query or cursor"), (status = 401, description = "No valid token"),
        (status = 404, description = "No such order of the caller's"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn get_order_events(
    State(api): Shared,
    caller: Caller,
    Path(order_id): Path<String>,
    Query(query): Query<EventsQuery>,
) -> Answered<Json<Page<Value>>> {
    let order = api.changes.load(&order_id).await.map_err(problems::of_change)?;
    if caller.may_act_for(order.user_id).is_err() {
        return Err(problem::not_found("such order"));
    }
    let limit = page_limit(query.limit, 200, 1_000)?;
    let after: Option<u64> = Cursor::key(query.cursor.as_deref())?;
    let (items, next) = api
        .queries
        .events(&order_id, StreamVersion(after.unwrap_or(0)), limit)
        .await
        .map_err(|fault| problem::from_fault(&fault))?;
    Ok(Json(Page { items, next: next.map(|version| Cursor(version.0).to_text()) }))
}

/// Waits for what the caller has seen; without a position, says how far behind the answer may be.
async fn fresh(api: &Api, seen: Option<&madrigal_core::PositionToken>) -> Answered<Option<u64>> {
    match seen {
        Some(token) => {
            api.queries.wait_for(token).await.map_err(problems::of_not_yet)?;
            Ok(None)
        }
        None => Ok(Some(api.queries.lag_events())),
    }
}

fn with_lag(mut response: Response, lag: Option<u64>) -> Response {
    if let Some(lag) = lag {
        response.headers_mut().insert(MADRIGAL_LAG, HeaderValue::from(lag));
    }
    response
}

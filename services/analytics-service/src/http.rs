//! The public routes: figures for operators (and services).

mod parked;
mod recomputed;
mod shapes;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderValue;
use madrigal_contracts::copies;
use madrigal_core::{Currency, PositionToken};
use madrigal_http::headers::MADRIGAL_LAG;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::{Answered, Caller, FieldError, Problem, Query, SeenPosition, problem};
use serde::Serialize;
use utoipa::OpenApi;

pub(crate) use self::parked::Parking;
use self::shapes::{CustomersQuery, DaysQuery, Listed, ProductsQuery, SeriesQuery};
use crate::aggregators::Refresh;
use crate::collectors::NotYet;
use crate::dashboards::period::day_text;
use crate::dashboards::series::{AnalyticsRow, DAILY, HOURLY};
use crate::dashboards::{Board, Lengths, Period, PeriodError, TopCustomer, TopProduct};
use crate::queries::Figures;

const TOP: u32 = 10;
const MOST_TOP: u32 = 100;

/// The routes; the edge's layers come from outside.
pub(crate) fn router(figures: Figures, parking: Parking, refresh: Refresh) -> Router {
    Router::new()
        .route("/v1/analytics/orders/daily", get(daily))
        .route("/v1/analytics/orders/hourly", get(hourly))
        .route("/v1/analytics/products/top", get(top_products))
        .route("/v1/analytics/customers/top", get(top_customers))
        .route("/v1/analytics/dashboard", get(dashboard))
        .with_state(figures)
        .merge(parked::router(parking))
        .merge(recomputed::router(refresh))
}

/// The routes' documentation.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(
        daily,
        hourly,
        top_products,
        top_customers,
        dashboard,
        recomputed::recomputation,
        parked::list_parked_messages,
        parked::retry_parked_message,
        parked::retry_parked_messages,
        parked::skip_parked_message
    ),
    tags((name = "analytics", description = "Figures about orders, for operators, and what could not be read for them."))
)]
pub struct AnalyticsApi;

/// Orders by day: the brief's `order_analytics`. One row for each day and currency that has orders, at most 366 days (92 in
/// another zone than UTC).
#[utoipa::path(get, path = "/v1/analytics/orders/daily", operation_id = "orders_by_day", tag = "analytics",
    params(SeriesQuery), responses((status = 200, body = Listed<AnalyticsRow>), Refusals), security(("bearer" = [])))]
async fn daily(
    State(figures): State<Figures>,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<SeriesQuery>,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    let period = period(&figures, &query.from, &query.to, query.tz.as_deref(), DAILY)?;
    let lag = fresh(&figures, seen.as_ref()).await?;
    Ok(listed(period, figures.daily(period).await?, lag))
}

/// Orders by hour, at most 31 days.
#[utoipa::path(get, path = "/v1/analytics/orders/hourly", operation_id = "orders_by_hour", tag = "analytics",
    params(SeriesQuery), responses((status = 200, body = Listed<AnalyticsRow>), Refusals), security(("bearer" = [])))]
async fn hourly(
    State(figures): State<Figures>,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<SeriesQuery>,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    let period = period(&figures, &query.from, &query.to, query.tz.as_deref(), HOURLY)?;
    let lag = fresh(&figures, seen.as_ref()).await?;
    Ok(listed(period, figures.hourly(period).await?, lag))
}

/// Products on top in each currency, over at most 366 days of UTC; cancelled orders are not counted.
#[utoipa::path(get, path = "/v1/analytics/products/top", operation_id = "top_products", tag = "analytics",
    params(ProductsQuery), responses((status = 200, body = Listed<TopProduct>), Refusals), security(("bearer" = [])))]
async fn top_products(
    State(figures): State<Figures>,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<ProductsQuery>,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    let period = period(&figures, &query.from, &query.to, None, DAILY);
    let (period, currency, limit) = all(period, currency(query.currency), page_limit(query.limit, TOP, MOST_TOP))?;
    let lag = fresh(&figures, seen.as_ref()).await?;
    let products = figures.top_products(period, query.by.unwrap_or_default(), currency, limit).await?;
    Ok(listed(period, products, lag))
}

/// Customers on top in each currency, by what they kept, over at most 366 days of UTC.
#[utoipa::path(get, path = "/v1/analytics/customers/top", operation_id = "top_customers", tag = "analytics",
    params(CustomersQuery), responses((status = 200, body = Listed<TopCustomer>), Refusals), security(("bearer" = [])))]
async fn top_customers(
    State(figures): State<Figures>,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<CustomersQuery>,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    let period = period(&figures, &query.from, &query.to, None, DAILY);
    let (period, currency, limit) = all(period, currency(query.currency), page_limit(query.limit, TOP, MOST_TOP))?;
    let lag = fresh(&figures, seen.as_ref()).await?;
    Ok(listed(period, figures.top_customers(period, currency, limit).await?, lag))
}

/// Figures of a period on one page: sums, funnel, days, categories, and what is on top. Days of UTC, at most 366.
#[utoipa::path(get, path = "/v1/analytics/dashboard", operation_id = "analytics_dashboard", tag = "analytics",
    params(DaysQuery), responses((status = 200, body = Board), Refusals), security(("bearer" = [])))]
async fn dashboard(
    State(figures): State<Figures>,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<DaysQuery>,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    let period = period(&figures, &query.from, &query.to, None, DAILY)?;
    if let Some(seen) = &seen {
        // It counts users, of whom it has a copy.
        copies::fresh::has_seen(figures.users(), seen).await?;
    }
    let lag = fresh(&figures, seen.as_ref()).await?;
    Ok(with_lag(Json(figures.board(period).await?).into_response(), lag))
}

fn period(
    figures: &Figures,
    from: &Option<String>,
    to: &Option<String>,
    zone: Option<&str>,
    lengths: Lengths,
) -> Answered<Period> {
    Period::of(from.as_deref(), to.as_deref(), zone, figures.host().now(), lengths).map_err(|wrong| refused(&wrong))
}

/// All three, or everything that is wrong with them.
fn all<A, B, C>(one: Answered<A>, other: Answered<B>, third: Answered<C>) -> Answered<(A, B, C)> {
    match (one, other, third) {
        (Ok(one), Ok(other), Ok(third)) => Ok((one, other, third)),
        (one, other, third) => {
            let problems = [one.err(), other.err(), third.err()];
            let wrong = problems.iter().flatten().flat_map(|problem| problem.field_errors()).cloned();
            Err(problem::invalid_query(wrong.collect()))
        }
    }
}

fn refused(wrong: &[PeriodError]) -> Problem {
    let error = |error: &PeriodError| FieldError { pointer: error.pointer().to_owned(), detail: error.to_string() };
    problem::invalid_query(wrong.iter().map(error).collect())
}

fn currency(asked: Option<String>) -> Answered<Option<String>> {
    match asked {
        Some(code) if Currency::parse(&code).is_none() => {
            let detail = "expected an ISO 4217 code such as EUR".to_owned();
            Err(problem::invalid_query(vec![FieldError { pointer: "/currency".to_owned(), detail }]))
        }
        asked => Ok(asked),
    }
}

/// Waits for what the caller has seen; without a position, says how far behind the answer may be.
async fn fresh(figures: &Figures, seen: Option<&PositionToken>) -> Answered<Option<u64>> {
    match seen {
        Some(token) => {
            figures.wait_for(token).await.map_err(not_yet)?;
            Ok(None)
        }
        None => Ok(Some(figures.lag_events().await)),
    }
}

fn not_yet(reason: NotYet) -> Problem {
    match reason {
        NotYet::Behind(events) => problem::not_yet_visible(events),
        NotYet::OtherHistory => problem::other_epoch(),
    }
}

fn listed<T: Serialize>(period: Period, items: Vec<T>, lag: Option<u64>) -> Response {
    let (from, to, tz) = (day_text(period.first), day_text(period.last), period.zone.to_string());
    with_lag(Json(Listed { from, to, tz, items }).into_response(), lag)
}

fn with_lag(mut response: Response, lag: Option<u64>) -> Response {
    if let Some(lag) = lag {
        response.headers_mut().insert(MADRIGAL_LAG, HeaderValue::from(lag));
    }
    response
}

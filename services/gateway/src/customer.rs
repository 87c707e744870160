//! `GET /v1/customers/{id}/overview`: one customer across all services.
//!
//! One call per service: user-service, order-service and analytics-service at the same time, then catalog-service about what
//! analytics-service proposes. A service that does not answer makes the overview partial, never wrong: `missing` names the
//! parts that are not there. `asOf` says up to where each service's part is complete. A `Madrigal-Position` is passed on:
//! each waits for it, a second at most; one that follows another history makes the whole a 412.
//!
//! Customers see their own overview only.

mod gather;
mod shapes;

#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use madrigal_core::PersonId;
use madrigal_http::edge::Context;
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Caller, FieldError, Path, Query, SeenPosition};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::story::Storytellers;

pub use shapes::CustomerOverview;

/// Which parts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OverviewQuery {
    /// Some of `orders`, `spending`, `recent` and `recommendations`, with commas between them; all unless stated.
    #[param(
        pattern = "^(orders|spending|recent|recommendations)(,(orders|spending|recent|recommendations))*$",
        max_length = 200,
        example = "orders,spending"
    )]
    include: Option<String>,
}

/// The parts that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Include {
    orders: bool,
    spending: bool,
    recent: bool,
    recommendations: bool,
}

impl Include {
    const ALL: Self = Self { orders: true, spending: true, recent: true, recommendations: true };
    const NONE: Self = Self { orders: false, spending: false, recent: false, recommendations: false };

    fn parse(text: Option<&str>) -> Answered<Self> {
        let Some(text) = text else { return Ok(Self::ALL) };
        let mut include = Self::NONE;
        for part in text.split(',').map(str::trim) {
            match part {
                "orders" => include.orders = true,
                "spending" => include.spending = true,
                "recent" => include.recent = true,
                "recommendations" => include.recommendations = true,
                _ => {
                    let detail = "expected some of orders, spending, recent, recommendations".to_owned();
                    return Err(problem::invalid_query(vec![FieldError { pointer: "/include".to_owned(), detail }]));
                }
            }
        }
        Ok(include)
    }

    /// Whether analytics-service is asked.
    const fn figures(self) -> bool {
        self.spending || self.recent || self.recommendations
    }
}

/// The description of this route.
#[derive(Debug, OpenApi)]
#[openapi(paths(get_customer_overview), tags((name = "customers", description = "A customer across all services.")))]
pub struct CustomerApi;

pub(crate) fn router(services: Storytellers) -> Router {
    Router::new().route("/v1/customers/{id}/overview", get(get_customer_overview)).with_state(services)
}

/// One customer across all services: who they are, their newest orders, what they spent, what they bought lately, and what
/// they may like. Where a service does not answer its parts are named in `missing`. With the `Madrigal-Position` of a write each
/// part waits for it, a second at most; `asOf` says up to where each is complete. A customer sees their own only.
#[utoipa::path(get, path = "/v1/customers/{id}/overview", tag = "customers",
    params(("id" = i64, Path, description = "The user."), OverviewQuery),
    responses((status = 200, description = "The overview, as far as the services answer", body = CustomerOverview), Refusals),
    security(("bearer" = [])))]
async fn get_customer_overview(
    State(services): State<Storytellers>,
    caller: Caller,
    Context(context): Context,
    SeenPosition(seen): SeenPosition,
    Path(id): Path<i64>,
    Query(query): Query<OverviewQuery>,
) -> Answered<Response> {
    caller.may_act_for(PersonId(id))?;
    let include = Include::parse(query.include.as_deref())?;
    let overview = gather::overview(&services, &context, PersonId(id), include, seen).await?;
    let mut response = Json(overview).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

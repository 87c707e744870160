//! `GET /v1/orders/{orderId}/story`: one order across all services, on one page.
//!
//! One call per service, concurrently where the calls do not need each other: order-service names the sagas, and what they
//! reserved and charged is asked by their ids. A service that does not answer makes the story partial, never wrong: `missing`
//! says which parts are not there. Only without order-service nobody knows whose order it is, and then only operators get an
//! answer.
//!
//! An operator sees everything. A customer sees the story of their own order: the order with its events, its sagas without
//! what operators did there, the payment and the stock without their inner events, and the mails.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use madrigal_http::edge::Context;
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Caller, Neighbour, Path};
use utoipa::OpenApi;

mod gather;
mod sentences;
mod shapes;
mod timeline;

#[cfg(test)]
mod tests;

pub use shapes::{Moment, OrderStory};

/// The longest id that is looked for, in bytes.
const MAX_ID_BYTES: usize = 100;

/// The services that a story is gathered from.
#[derive(Debug, Clone)]
pub struct Storytellers {
    /// order-service.
    pub orders: Neighbour,
    /// catalog-service.
    pub catalog: Neighbour,
    /// payment-service.
    pub payments: Neighbour,
    /// notification-service.
    pub notifications: Neighbour,
    /// user-service.
    pub users: Neighbour,
    /// analytics-service.
    pub analytics: Neighbour,
}

impl Storytellers {
    /// Nobody: every story is refused as if no service answered. For gateways without services.
    pub fn absent() -> Self {
        let absent = |service| Neighbour::later(service).0;
        Self {
            orders: absent("order-service"),
            catalog: absent("catalog-service"),
            payments: absent("payment-service"),
            notifications: absent("notification-service"),
            users: absent("user-service"),
            analytics: absent("analytics-service"),
        }
    }
}

/// The description of this route.
#[derive(Debug, OpenApi)]
#[openapi(paths(get_order_story))]
pub struct StoryApi;

pub(crate) fn router(storytellers: Storytellers) -> Router {
    Router::new().route("/v1/orders/{orderId}/story", get(get_order_story)).with_state(storytellers)
}

/// One order across all services: the order, its events, its saga, payment, stock and mails, and all of it in the order of
/// time. Also of an order that is still being placed, and of one that never came to be.
///
/// The id of a saga that places or cancels the order is taken too. Where a service does not answer its parts are named in
/// `missing`. A customer sees their own orders only, without what concerns operators alone.
#[utoipa::path(get, path = "/v1/orders/{orderId}/story", tag = "orders",
    params(("orderId" = String, Path, description = "The order, or a saga of it.", max_length = 100)),
    responses((status = 200, description = "The story, as far as the services answer", body = OrderStory), Refusals),
    security(("bearer" = [])))]
async fn get_order_story(
    State(storytellers): State<Storytellers>,
    caller: Caller,
    Context(context): Context,
    Path(id): Path<String>,
) -> Answered<Response> {
    if id.len() > MAX_ID_BYTES {
        return Err(problem::not_found("such order"));
    }
    let story = gather::story(&storytellers, &caller, &context, id).await?;
    let mut response = Json(story).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

//! Cancelling, shipping, delivering.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::ETAG;
use madrigal_core::{PositionToken, Timestamp};
use madrigal_http::Caller;
use madrigal_http::Context;
use madrigal_http::headers::{PreferWait, etag, position_header};
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, FieldError, Path};
use madrigal_saga::SagaProgress;

use super::bodies::{CancelBody, ShipBody};
use super::placing::{answer, settled, unfinished};
use super::{Api, Shared, problems};
use crate::aggregates::order::OrderCommand;
use crate::queries::OrderAnswer;

/// Cancels an order: stock and money go back. Cancelling a cancelled order again answers the same.
#[utoipa::path(post, path = "/v1/orders/{orderId}/cancel", tag = "orders", request_body = CancelBody,
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "Cancelled; stock and money are on their way back", body = OrderAnswer),
        (status = 202, description = "Under way; see Location"),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 404, description = "No such order of the caller's"),
        (status = 409, description = "Shipped or delivered already"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn cancel_order(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    Path(order_id): Path<String>,
    PreferWait(wait, respond_async): PreferWait,
    Body(body, _): Body<CancelBody>,
) -> Answered<Response> {
    let order = api.changes.load(&order_id).await.map_err(problems::of_change)?;
    if caller.may_act_for(order.user_id).is_err() {
        return Err(problem::not_found("such order"));
    }
    let reason = body.reason.unwrap_or_else(|| "no reason given".to_owned());
    let saga_id = api.changes.cancel(&order_id, reason, &context).await.map_err(problems::of_change)?;
    let wait = if respond_async { std::time::Duration::ZERO } else { wait };
    match settled(&api, &saga_id, wait).await? {
        SagaProgress::Committed { position, .. } => changed(&api, &order_id, &position).await,
        other => unfinished(&saga_id, &other),
    }
}

/// Hands an order to the carrier. Operators only.
#[utoipa::path(post, path = "/v1/orders/{orderId}/ship", tag = "orders", request_body = ShipBody,
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "Shipped", body = OrderAnswer),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator"), (status = 404, description = "No such order"),
        (status = 409, description = "Not confirmed, or cancelled"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn ship_order(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    Path(order_id): Path<String>,
    Body(body, _): Body<ShipBody>,
) -> Answered<Response> {
    caller.require_operator()?;
    let estimated_delivery = match body.estimated_delivery.map(|text| text.parse::<Timestamp>()).transpose() {
        Ok(estimated) => estimated,
        Err(error) => {
            let error = FieldError { pointer: "/estimatedDelivery".to_owned(), detail: error.to_string() };
            return Err(problem::invalid_body(vec![error]));
        }
    };
    let command =
        OrderCommand::Ship { carrier: body.carrier, tracking_number: body.tracking_number, estimated_delivery };
    let (_, position) = api.changes.execute(&order_id, None, &command, &context).await.map_err(problems::of_change)?;
    changed(&api, &order_id, &position).await
}

/// Notes that an order arrived. Operators only.
#[utoipa::path(post, path = "/v1/orders/{orderId}/deliver", tag = "orders",
    params(("orderId" = String, Path)),
    responses(
        (status = 200, description = "Delivered", body = OrderAnswer),
        (status = 401, description = "No valid token"), (status = 403, description = "Not an operator"),
        (status = 404, description = "No such order"), (status = 409, description = "Not shipped"),
        (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn deliver_order(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    Path(order_id): Path<String>,
) -> Answered<Response> {
    caller.require_operator()?;
    let (_, position) =
        api.changes.execute(&order_id, None, &OrderCommand::Deliver, &context).await.map_err(problems::of_change)?;
    changed(&api, &order_id, &position).await
}

pub(super) async fn changed(api: &Api, order_id: &str, position: &PositionToken) -> Answered<Response> {
    let (order, version) = answer(api, order_id).await?;
    Ok((StatusCode::OK, [(ETAG, etag(version)), position_header(position)], Json(order)).into_response())
}

//! The lines of drafts.

use axum::extract::State;
use axum::response::Response;
use madrigal_http::Caller;
use madrigal_http::Context;
use madrigal_http::headers::IfMatch;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, Path};

use super::bodies::LineBody;
use super::changes::changed;
use super::{Api, Shared, problems};
use crate::aggregates::order::OrderCommand;
use crate::queries::OrderAnswer;

/// Puts a product into a draft, or raises its quantity.
#[utoipa::path(post, path = "/v1/orders/{orderId}/items", tag = "orders", request_body = LineBody,
    params(("orderId" = String, Path), ("If-Match" = String, Header, pattern = r#"^"[0-9]{1,19}"$"#, description = "The draft's ETag")),
    responses(
        (status = 200, description = "The draft", body = OrderAnswer),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 404, description = "No such draft of the caller's"), (status = 409, description = "Not a draft any more"),
        (status = 412, description = "Changed since"), (status = 413, description = "Body too large"),
        (status = 415, description = "Not JSON"), (status = 422, description = "Invalid body or unknown product"),
        (status = 428, description = "If-Match is missing"), (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn add_item(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    Path(order_id): Path<String>,
    IfMatch(version): IfMatch,
    Body(line, _): Body<LineBody>,
) -> Answered<Response> {
    require_own(&api, &caller, &order_id).await?;
    let item = api.placements.priced_line(line.into(), &context).await.map_err(problems::of_place)?;
    let command = OrderCommand::AddItem(item);
    let (_, position) =
        api.changes.execute(&order_id, Some(version), &command, &context).await.map_err(problems::of_change)?;
    changed(&api, &order_id, &position).await
}

/// Takes a product out of a draft.
#[utoipa::path(delete, path = "/v1/orders/{orderId}/items/{productId}", tag = "orders",
    params(("orderId" = String, Path), ("productId" = String, Path),
           ("If-Match" = String, Header, pattern = r#"^"[0-9]{1,19}"$"#, description = "The draft's ETag")),
    responses(
        (status = 200, description = "The draft", body = OrderAnswer),
        (status = 400, description = "Malformed"), (status = 401, description = "No valid token"),
        (status = 404, description = "No such draft or product in it"), (status = 409, description = "Not a draft any more"),
        (status = 412, description = "Changed since"), (status = 428, description = "If-Match is missing"),
        (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn remove_item(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    Path((order_id, product_id)): Path<(String, String)>,
    IfMatch(version): IfMatch,
) -> Answered<Response> {
    require_own(&api, &caller, &order_id).await?;
    let command = OrderCommand::RemoveItem { product_id };
    let (_, position) =
        api.changes.execute(&order_id, Some(version), &command, &context).await.map_err(problems::of_change)?;
    changed(&api, &order_id, &position).await
}

/// Somebody else's draft is as good as none.
async fn require_own(api: &Api, caller: &Caller, order_id: &str) -> Answered<()> {
    let draft = api.changes.load(order_id).await.map_err(problems::of_change)?;
    caller.may_act_for(draft.user_id).map_err(|_| problem::not_found("such draft"))
}

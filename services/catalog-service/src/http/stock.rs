//! The stock of a product.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use madrigal_core::Fingerprint;
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, Caller, Context, OptionalIdempotencyKey, Path, SeenPosition};

use super::shapes::{StockAnswer, StockChange};
use super::{Shared, problems, with_lag};
use crate::commands::{Command, Reply};

/// The books of a product, withdrawn ones included. Operators only.
#[utoipa::path(get, path = "/v1/products/{productId}/stock", tag = "products", params(("productId" = String, Path)),
    responses((status = 200, description = "The stock", body = StockAnswer, headers(("Madrigal-Lag" = String))), Refusals),
    security(("bearer" = [])))]
pub(super) async fn get_stock(
    State(api): Shared,
    caller: Caller,
    SeenPosition(seen): SeenPosition,
    Path(product_id): Path<String>,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    let id = problems::product_id(&product_id)?;
    let lag = api.fresh(seen.as_ref()).await?;
    let row = api.queries.row(&id).await.map_err(|fault| problem::from_fault(&fault))?;
    let row = row.ok_or_else(problems::no_product)?;
    Ok(with_lag(Json(StockAnswer::of(&id, &row.stock, row.stock_version)).into_response(), lag))
}

/// Receives goods (a positive change) or corrects the stock (a negative one). Operators only. What is reserved cannot be
/// taken.
#[utoipa::path(post, path = "/v1/products/{productId}/stock", tag = "products",
    params(("productId" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeated requests one change")),
    request_body = StockChange,
    responses((status = 200, description = "The stock", body = StockAnswer, headers(("Madrigal-Position" = String))),
        Refusals),
    security(("bearer" = [])))]
pub(super) async fn change_stock(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    Path(product_id): Path<String>,
    OptionalIdempotencyKey(key): OptionalIdempotencyKey,
    Body(change, asked): Body<StockChange>,
) -> Answered<Response> {
    caller.require_operator()?;
    let id = problems::product_id(&product_id)?;
    let command = Command::ChangeStock { product: id.clone(), change: change.change, reason: change.reason };
    // The product is part of what is asked.
    let key = key.map(|key| {
        let asked = Fingerprint::of_parts(&[id.as_str().as_bytes(), asked.as_str().as_bytes()]);
        ("change-stock", key, asked)
    });
    match api.ask_once(&caller, context, key, command).await? {
        Reply::StockChanged { stock, version, position } => {
            Ok(api.reaching(Json(StockAnswer::of(&id, &stock, version)).into_response(), position))
        }
        refused => Err(problems::of_reply(&refused)),
    }
}

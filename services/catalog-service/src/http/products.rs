//! Single products.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{
    Body, Caller, Context, IfMatch, MergePatch, OptionalIdempotencyKey, Path, SeenPosition, body, etag,
};
use serde_json::Value;

use super::shapes::{NewProduct, ProductAnswer, ProductPatchBody};
use super::{Api, Shared, problems, with_lag};
use crate::commands::{Command, ProductChange, ProductSaved, Reply};
use crate::domain::{ProductId, Ratings};

/// Creates a product. Operators only.
#[utoipa::path(post, path = "/v1/products", tag = "products", request_body = NewProduct,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeated requests one product")),
    responses((status = 201, description = "The product", body = ProductAnswer,
        headers(("Location" = String), ("ETag" = String), ("Madrigal-Position" = String))), Refusals),
    security(("bearer" = [])))]
pub(super) async fn create_product(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    OptionalIdempotencyKey(key): OptionalIdempotencyKey,
    Body(new, asked): Body<NewProduct>,
) -> Answered<Response> {
    caller.require_operator()?;
    let id = match &new.product_id {
        Some(text) => ProductId::parse(text),
        None => ProductId::parse(&api.host.uuid_v7().to_string()),
    };
    let id = id.ok_or_else(problem::internal)?;
    let (details, price, initial_stock) = new.parts();
    let change = ProductChange::Create { details, price, initial_stock };
    let command = Command::ChangeProduct { product: id, change };
    let key = key.map(|key| ("create-product", key, asked));
    match api.ask_once(&caller, context, key, command).await? {
        Reply::ProductSaved(saved) => {
            let mut response = saved_answer(&api, StatusCode::CREATED, &saved, Ratings::default());
            // Ids have only characters that a header may have.
            if let Ok(location) = HeaderValue::try_from(format!("/v1/products/{}", saved.id)) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        refused => Err(problems::of_reply(&refused)),
    }
}

/// A product with its stock. Open to everybody; a withdrawn product is not there.
#[utoipa::path(get, path = "/v1/products/{productId}", tag = "products", params(("productId" = String, Path)),
    responses((status = 200, description = "The product", body = ProductAnswer,
        headers(("ETag" = String), ("Madrigal-Lag" = String))), Refusals))]
pub(super) async fn get_product(
    State(api): Shared,
    SeenPosition(seen): SeenPosition,
    Path(product_id): Path<String>,
) -> Answered<Response> {
    let id = problems::product_id(&product_id)?;
    let row = api.queries.page(&id, seen.as_ref()).await.map_err(problems::of_page)?;
    let lag = seen.is_none().then(|| api.queries.lag_events());
    let row = row.filter(|row| !row.product.withdrawn).ok_or_else(problems::no_product)?;
    let answer = ProductAnswer::of_row(id.as_str(), &row);
    Ok(with_lag(([(ETAG, etag(row.version))], Json(answer)).into_response(), lag))
}

/// Changes a product (JSON merge patch). Operators only.
#[utoipa::path(patch, path = "/v1/products/{productId}", tag = "products",
    params(("productId" = String, Path), ("If-Match" = String, Header, description = "The ETag that the change is based on")),
    request_body(content = ProductPatchBody, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The product", body = ProductAnswer,
        headers(("ETag" = String), ("Madrigal-Position" = String))), Refusals),
    security(("bearer" = [])))]
pub(super) async fn change_product(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    IfMatch(expected): IfMatch,
    Path(product_id): Path<String>,
    MergePatch(members, _): MergePatch,
) -> Answered<Response> {
    caller.require_operator()?;
    let id = problems::product_id(&product_id)?;
    let members = Value::Object(members);
    let checked: ProductPatchBody = body::checked(&members).map_err(problem::invalid_body)?;
    let Value::Object(members) = members else { return Err(problem::internal()) };
    let change = ProductChange::Patch { expected, patch: Box::new(checked.patch(&members)) };
    match api.ask(&caller, context, Command::ChangeProduct { product: id, change }).await? {
        Reply::ProductSaved(saved) => {
            // The desk does not know ratings; as the view has them is good enough here.
            let row = api.queries.row(&saved.id).await.map_err(|fault| problem::from_fault(&fault))?;
            let ratings = row.map(|row| row.ratings).unwrap_or_default();
            Ok(saved_answer(&api, StatusCode::OK, &saved, ratings))
        }
        refused => Err(problems::of_reply(&refused)),
    }
}

/// Takes a product out of the catalogue for good. Operators only. Its stock and its reservations stay in the books.
#[utoipa::path(delete, path = "/v1/products/{productId}", tag = "products",
    params(("productId" = String, Path), ("If-Match" = String, Header, description = "The ETag that the change is based on")),
    responses((status = 204, description = "It is withdrawn", headers(("Madrigal-Position" = String))), Refusals),
    security(("bearer" = [])))]
pub(super) async fn withdraw_product(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    IfMatch(expected): IfMatch,
    Path(product_id): Path<String>,
) -> Answered<Response> {
    caller.require_operator()?;
    let id = problems::product_id(&product_id)?;
    let command = Command::ChangeProduct { product: id, change: ProductChange::Withdraw { expected } };
    match api.ask(&caller, context, command).await? {
        Reply::ProductSaved(saved) => Ok(api.reaching(StatusCode::NO_CONTENT.into_response(), saved.position)),
        refused => Err(problems::of_reply(&refused)),
    }
}

fn saved_answer(api: &Api, status: StatusCode, saved: &ProductSaved, ratings: Ratings) -> Response {
    let answer = ProductAnswer::of(saved.id.as_str(), &saved.product, saved.version, &saved.stock, ratings);
    api.reaching((status, [(ETAG, etag(saved.version))], Json(answer)).into_response(), saved.position)
}

//! Rating products.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, Caller, Context, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Shared, problems};
use crate::commands::rate::RateError;
use crate::domain::Stars;

/// A rating.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"stars": 5}))]
pub(super) struct NewRating {
    /// How good.
    #[schema(value_type = u8, minimum = 1, maximum = 5, example = 5)]
    stars: Stars,
}

/// A rating that was given.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RatingAnswer {
    /// The product.
    product_id: String,
    /// How good.
    #[schema(value_type = u8, minimum = 1, maximum = 5)]
    stars: Stars,
}

/// Rates a product, once: customers who received it (an order of theirs with it was delivered).
#[utoipa::path(post, path = "/v1/products/{productId}/ratings", tag = "products", params(("productId" = String, Path)),
    request_body = NewRating,
    responses((status = 201, description = "It counts", body = RatingAnswer, headers(("Madrigal-Position" = String))),
        Refusals),
    security(("bearer" = [])))]
pub(super) async fn rate_product(
    State(api): Shared,
    caller: Caller,
    Context(mut context): Context,
    Path(product_id): Path<String>,
    Body(rating, _): Body<NewRating>,
) -> Answered<Response> {
    let Some(customer) = caller.user_id() else {
        return Err(problem::forbidden("Only customers rate products."));
    };
    let id = problems::product_id(&product_id)?;
    context.user_id = Some(caller.actor().into());
    match api.ratings.rate(&context, customer, &id, rating.stars).await {
        Ok(position) => {
            let answer = RatingAnswer { product_id: id.as_str().to_owned(), stars: rating.stars };
            Ok(api.reaching((StatusCode::CREATED, Json(answer)).into_response(), position))
        }
        Err(RateError::NoProduct) => Err(problems::no_product()),
        Err(RateError::NotReceived) => Err(problems::not_received()),
        Err(RateError::AlreadyRated) => Err(problems::already_rated()),
        Err(RateError::Fault(fault)) => Err(problem::from_fault(&fault)),
    }
}

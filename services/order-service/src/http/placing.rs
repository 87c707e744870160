//! `POST /v1/orders` and `POST /v1/orders/{id}/place`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use madrigal_contracts::payment::is_token;
use madrigal_core::{Currency, PersonId, PositionToken};
use madrigal_http::Caller;
use madrigal_http::Context;
use madrigal_http::headers::{IdempotencyKey, PreferWait, etag, position_header};
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, FieldError, Path};
use madrigal_saga::{SagaId, SagaProgress};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::bodies::{PaymentMethodBody, PlaceDraftBody, PlaceOrderBody};
use super::{Api, Shared, problems};
use crate::commands::{DraftRequest, OrderRequest};
use crate::queries::OrderAnswer;

/// The largest shipping address, as JSON.
const MAX_ADDRESS_BYTES: usize = 8 * 1024;

/// Places an order through the saga, or makes a draft.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", request_body = PlaceOrderBody,
    params(("Idempotency-Key" = String, Header, description = "Makes repeated requests one order"),
           ("Prefer" = Option<String>, Header, description = "`wait=N` seconds, or `respond-async`")),
    responses(
        (status = 201, description = "The order; its saga's pivot is durable", body = OrderAnswer),
        (status = 202, description = "Under way; see Location"),
        (status = 400, description = "Malformed, or no Idempotency-Key"),
        (status = 401, description = "No valid token"),
        (status = 402, description = "Payment declined or not confirmed"),
        (status = 403, description = "An order for somebody else"),
        (status = 409, description = "Out of stock, or refused"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body, unknown user or product, or a reused key"),
        (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn place_order(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    IdempotencyKey(key): IdempotencyKey,
    PreferWait(wait, respond_async): PreferWait,
    Body(body, fingerprint): Body<PlaceOrderBody>,
) -> Answered<Response> {
    let (request, payment_token, draft) = checked(&caller, body)?;
    let by = caller.actor();
    if draft {
        let order_id =
            api.placements.draft(&by, &key, fingerprint, request, &context).await.map_err(problems::of_place)?;
        return created(&api, &order_id, None).await;
    }
    let saga_id = api
        .placements
        .place(&by, &key, fingerprint, request, payment_token, &context)
        .await
        .map_err(problems::of_place)?;
    outcome(&api, &saga_id, wait, respond_async).await
}

/// Places a draft through the saga.
#[utoipa::path(post, path = "/v1/orders/{orderId}/place", tag = "orders", request_body = PlaceDraftBody,
    params(("orderId" = String, Path), ("Idempotency-Key" = String, Header, description = "Makes repeated requests one order")),
    responses(
        (status = 201, description = "The order; its saga's pivot is durable", body = OrderAnswer),
        (status = 202, description = "Under way; see Location"),
        (status = 400, description = "Malformed, or no Idempotency-Key"),
        (status = 401, description = "No valid token"),
        (status = 402, description = "Payment declined or not confirmed"),
        (status = 404, description = "No such draft"),
        (status = 409, description = "Out of stock, or not a draft any more"),
        (status = 413, description = "Body too large"), (status = 415, description = "Not JSON"),
        (status = 422, description = "Invalid body or a reused key"),
        (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn place_draft(
    State(api): Shared,
    caller: Caller,
    Context(context): Context,
    Path(order_id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    PreferWait(wait, respond_async): PreferWait,
    Body(body, fingerprint): Body<PlaceDraftBody>,
) -> Answered<Response> {
    let draft = api.changes.load(&order_id).await.map_err(problems::of_change)?;
    if caller.may_act_for(draft.user_id).is_err() {
        return Err(problem::not_found("such draft"));
    }
    let mut errors = address_errors(body.shipping_address.as_ref());
    errors.extend(token_error(&body.payment_method));
    if !errors.is_empty() {
        return Err(problem::invalid_body(errors));
    }
    let request = DraftRequest { order_id, user_id: draft.user_id, shipping_address: body.shipping_address };
    let saga_id = api
        .placements
        .place_draft(&caller.actor(), &key, fingerprint, request, body.payment_method.token, &context)
        .await
        .map_err(problems::of_place)?;
    outcome(&api, &saga_id, wait, respond_async).await
}

/// What the schema cannot say: who may order for whom, that an order has lines and a payment, the address's size.
fn checked(caller: &Caller, body: PlaceOrderBody) -> Answered<(OrderRequest, String, bool)> {
    let user_id = match (body.user_id.map(PersonId), caller.user_id()) {
        (Some(named), _) => named,
        (None, Some(own)) => own,
        (None, None) => {
            let detail = "say for which user the order is".to_owned();
            return Err(problem::invalid_body(vec![FieldError { pointer: "/userId".to_owned(), detail }]));
        }
    };
    caller.may_act_for(user_id)?;
    let mut errors = address_errors(body.shipping_address.as_ref());
    if body.items.is_empty() && !body.draft {
        errors.push(FieldError { pointer: "/items".to_owned(), detail: "an order has at least one line".to_owned() });
    }
    if body.payment_method.is_none() && !body.draft {
        errors.push(FieldError { pointer: "/paymentMethod".to_owned(), detail: "is missing".to_owned() });
    }
    errors.extend(body.payment_method.as_ref().and_then(token_error));
    if !errors.is_empty() {
        return Err(problem::invalid_body(errors));
    }
    let request = OrderRequest {
        user_id,
        lines: body.items.into_iter().map(Into::into).collect(),
        shipping_address: body.shipping_address,
        currency: body.currency.as_deref().and_then(Currency::parse),
    };
    Ok((request, body.payment_method.map(|method| method.token).unwrap_or_default(), body.draft))
}

/// The saga keeps the token in its log: what may be card data must not come that far, nor be repeated in the answer.
fn token_error(method: &PaymentMethodBody) -> Option<FieldError> {
    let detail = "is not a payment provider's token; card data is never taken".to_owned();
    (!is_token(&method.token)).then(|| FieldError { pointer: "/paymentMethod/token".to_owned(), detail })
}

pub(super) fn address_errors(address: Option<&Map<String, Value>>) -> Vec<FieldError> {
    let size = address.map_or(0, |address| serde_json::to_vec(address).map_or(usize::MAX, |text| text.len()));
    if size <= MAX_ADDRESS_BYTES {
        return Vec::new();
    }
    let detail = format!("has {size} bytes as JSON, the limit is {MAX_ADDRESS_BYTES}");
    vec![FieldError { pointer: "/shippingAddress".to_owned(), detail }]
}

/// The answer about a saga that places an order, once it is known or the caller's patience is over.
async fn outcome(api: &Api, saga_id: &SagaId, wait: Duration, respond_async: bool) -> Answered<Response> {
    let wait = if respond_async { Duration::ZERO } else { wait };
    match settled(api, saga_id, wait).await? {
        SagaProgress::Committed { outputs, position } => {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Created {
                order_id: String,
            }
            let Some(output) = outputs.decode::<Created>(crate::sagas::place_order::CREATE) else {
                return Err(problem::internal());
            };
            created(api, &output.order_id, Some(&position)).await
        }
        other => unfinished(saga_id, &other),
    }
}

/// Waits for a saga; a saga that this process does not know is an inner error.
pub(super) async fn settled(api: &Api, saga_id: &SagaId, wait: Duration) -> Answered<SagaProgress> {
    api.engine.outcome(saga_id, wait).await.map_err(|fault| problem::from_fault(&fault))
}

/// The answer about a saga that is not committed.
pub(super) fn unfinished(saga_id: &SagaId, progress: &SagaProgress) -> Answered<Response> {
    match progress {
        SagaProgress::Refused { reason, .. } => Err(problems::of_refusal(reason)),
        SagaProgress::Failed { step, .. } => Err(problems::of_failure(step.as_deref())),
        SagaProgress::Running => {
            let location = format!("/v1/sagas/{saga_id}");
            let header = HeaderValue::from_str(&location).map_err(|_| problem::internal())?;
            let body = json!({ "sagaId": saga_id.to_string(), "status": "pending", "saga": location });
            Ok((StatusCode::ACCEPTED, [(LOCATION, header)], Json(body)).into_response())
        }
        SagaProgress::Committed { .. } | SagaProgress::Unknown => Err(problem::internal()),
    }
}

async fn created(api: &Api, order_id: &str, position: Option<&PositionToken>) -> Answered<Response> {
    let (order, version) = answer(api, order_id).await?;
    let location = HeaderValue::from_str(&format!("/v1/orders/{order_id}")).map_err(|_| problem::internal())?;
    let position = position.cloned().unwrap_or_else(|| api.queries.end());
    Ok((StatusCode::CREATED, [(LOCATION, location), (ETAG, etag(version)), position_header(&position)], Json(order))
        .into_response())
}

/// The order as its events say, whatever the view has seen.
pub(super) async fn answer(api: &Api, order_id: &str) -> Answered<(OrderAnswer, madrigal_core::StreamVersion)> {
    let fault = |fault| problem::from_fault(&fault);
    let row = api.queries.folded(order_id).await.map_err(fault)?;
    let row = row.ok_or_else(|| problem::not_found("such order"))?;
    let version = row.version;
    Ok((api.queries.answer(row).await.map_err(fault)?, version))
}

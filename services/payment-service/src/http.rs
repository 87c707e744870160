//! The public routes, for operators and services: a payment, and the provider's ledger.

pub mod shapes;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::ETAG;
use madrigal_core::StreamName;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::{Answered, Caller, Cursor, Path, Query, etag, problem};
use utoipa::OpenApi;

use self::shapes::{LedgerDocument, LedgerQuery, PaymentDocument};
use crate::queries::PaymentQueries;

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// The routes; the edge's layers come from outside.
pub fn router(queries: PaymentQueries) -> Router {
    Router::new()
        .route("/v1/payments/ledger", get(ledger))
        .route("/v1/payments/{sagaId}", get(show))
        .with_state(queries)
}

/// The routes' documentation.
#[derive(Debug, OpenApi)]
#[openapi(paths(show, ledger), tags((name = "payments", description = "Payments, and the provider's ledger.")))]
pub struct PaymentsApi;

/// Shows a saga's payment with its events. Never a token of a means of payment.
#[utoipa::path(get, path = "/v1/payments/{sagaId}", tag = "payments",
    params(("sagaId" = String, Path, description = "The saga that charged.")),
    responses((status = 200, body = PaymentDocument), Refusals))]
async fn show(
    State(queries): State<PaymentQueries>,
    caller: Caller,
    Path(saga_id): Path<String>,
) -> Answered<Response> {
    caller.require_operator_or_service()?;
    let missing = || problem::not_found("such payment");
    // What cannot name a stream cannot have one.
    StreamName::new("payment", &saga_id).map_err(|_| missing())?;
    let (loaded, events) = queries.payment(&saga_id).await?.ok_or_else(missing)?;
    let tag = etag(loaded.version);
    let document = PaymentDocument::new(saga_id, loaded, &events);
    Ok(([(ETAG, tag)], Json(document)).into_response())
}

/// Shows the provider's ledger, oldest first, with the sums of all of it.
#[utoipa::path(get, path = "/v1/payments/ledger", tag = "payments", params(LedgerQuery),
    responses((status = 200, body = LedgerDocument), Refusals))]
async fn ledger(
    State(queries): State<PaymentQueries>,
    caller: Caller,
    Query(query): Query<LedgerQuery>,
) -> Answered<Json<LedgerDocument>> {
    caller.require_operator_or_service()?;
    let limit = page_limit(query.limit, DEFAULT_PAGE, MAX_PAGE)?;
    let after: u64 = Cursor::key(query.cursor.as_deref())?.unwrap_or(0);
    let page = queries.ledger(after, limit).await?;
    Ok(Json(LedgerDocument::from(page)))
}

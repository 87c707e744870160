//! What the collectors could not read: listed, retried once its cause is cured, or skipped with a reason.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use madrigal_bus::ParkedFilter;
use madrigal_contracts::parked::{
    CauseBody, DEFAULT_PAGE, MAX_PAGE, ParkedDocument, ParkedQuery, SettledDocument, SkipBody, not_settled, retry_cause,
};
use madrigal_core::Fault;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::{Answered, Body, Caller, Page, Path, Query};
use madrigal_projection::{LaneReport, ParkingError};

use crate::collectors::Collector;

/// The collectors, by topic. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Parking(Vec<Collector>);

impl Parking {
    pub(crate) const fn of(collectors: Vec<Collector>) -> Self {
        Self(collectors)
    }

    /// What is parked, the oldest first, at most `limit`.
    async fn list(&self, limit: usize) -> Result<Vec<ParkedDocument>, Fault> {
        let mut all = Vec::new();
        for collector in &self.0 {
            let parked = collector.parked(ParkedFilter { limit, ..ParkedFilter::default() }).await?;
            let named = |event: madrigal_bus::ParkedEvent| {
                ParkedDocument::new(format!("{}:{}", collector.topic(), event.lane), event)
            };
            all.extend(parked.into_iter().map(named));
        }
        all.sort_by_key(|parked| parked.first_at);
        all.truncate(limit);
        Ok(all)
    }

    /// Retries a key; with a reason its first message is left out.
    async fn settle(&self, id: &str, skip: Option<&str>) -> Result<LaneReport, ParkingError> {
        let found = id
            .split_once(':')
            .and_then(|(topic, key)| Some((self.0.iter().find(|collector| collector.topic() == topic)?, key)));
        let (collector, key) = found.ok_or_else(|| ParkingError::UnknownLane(id.to_owned()))?;
        match skip {
            None => collector.retry(key).await,
            Some(reason) => collector.skip(key, reason).await,
        }
    }
}

pub(super) fn router(parking: Parking) -> Router {
    Router::new()
        .route("/v1/analytics/parked", get(list_parked_messages))
        .route("/v1/analytics/parked/retry", post(retry_parked_messages))
        .route("/v1/analytics/parked/{id}/retry", post(retry_parked_message))
        .route("/v1/analytics/parked/{id}/skip", post(skip_parked_message))
        .with_state(parking)
}

/// Lists parked messages about orders and products, the oldest first; without what they tell.
#[utoipa::path(get, path = "/v1/analytics/parked", tag = "analytics", operation_id = "listParkedMessages", params(ParkedQuery),
    responses((status = 200, body = Page<ParkedDocument>), Refusals), security(("bearer" = [])))]
pub(super) async fn list_parked_messages(
    State(parking): State<Parking>,
    caller: Caller,
    Query(query): Query<ParkedQuery>,
) -> Answered<Json<Page<ParkedDocument>>> {
    caller.require_operator_or_service()?;
    let limit = page_limit(query.limit, DEFAULT_PAGE, MAX_PAGE)?;
    Ok(Json(Page { items: parking.list(limit).await?, next: None }))
}

/// Tries a parked key's messages again, in their order, until one fails.
#[utoipa::path(post, path = "/v1/analytics/parked/{id}/retry", tag = "analytics", operation_id = "retryParkedMessage",
    params(("id" = String, Path, description = "Topic and key, as in `products:lute`.")),
    responses((status = 200, body = SettledDocument),
        (status = 409, description = "Nothing is parked under it.", content_type = "application/problem+json"),
        Refusals), security(("bearer" = [])))]
pub(super) async fn retry_parked_message(
    State(parking): State<Parking>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answered<Json<SettledDocument>> {
    caller.require_operator()?;
    let report = parking.settle(&id, None).await.map_err(not_settled)?;
    Ok(Json(SettledDocument::new(id, report)))
}

/// Tries all keys again that are parked for one cause, each in its order; ends where a key cannot be tried at all.
#[utoipa::path(post, path = "/v1/analytics/parked/retry", tag = "analytics", operation_id = "retryParkedMessages",
    request_body = CauseBody,
    responses((status = 200, description = "Each key that was tried, at most 100.", body = Page<SettledDocument>), Refusals),
    security(("bearer" = [])))]
pub(super) async fn retry_parked_messages(
    State(parking): State<Parking>,
    caller: Caller,
    Body(body, _): Body<CauseBody>,
) -> Answered<Json<Page<SettledDocument>>> {
    caller.require_operator()?;
    let parked = parking.list(MAX_PAGE as usize).await?;
    let retry = |id: String| {
        let parking = parking.clone();
        async move { parking.settle(&id, None).await }
    };
    let items = retry_cause(&parked, &body.cause, retry).await?;
    Ok(Json(Page { items, next: None }))
}

/// Leaves out a parked key's first message, for a reason that stays listed, and tries the others. Figures lack what the
/// message would have changed.
#[utoipa::path(post, path = "/v1/analytics/parked/{id}/skip", tag = "analytics", operation_id = "skipParkedMessage",
    request_body = SkipBody, params(("id" = String, Path, description = "Topic and key, as in `products:lute`.")),
    responses((status = 200, body = SettledDocument),
        (status = 409, description = "Nothing is parked under it.", content_type = "application/problem+json"),
        Refusals), security(("bearer" = [])))]
pub(super) async fn skip_parked_message(
    State(parking): State<Parking>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body, _): Body<SkipBody>,
) -> Answered<Json<SettledDocument>> {
    caller.require_operator()?;
    let report = parking.settle(&id, Some(&body.reason)).await.map_err(not_settled)?;
    Ok(Json(SettledDocument::new(id, report)))
}

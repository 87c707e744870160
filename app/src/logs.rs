//! Event logs for operators: `GET /v1/logs/{log}/events`, and notes beside them: `POST /v1/logs/{log}/events`.

mod notes;
mod search;

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use madrigal_core::{CorrelationId, Position, RecordedEvent, StreamName, StreamVersion};
use madrigal_event_store::{DynEventStore, ReadError, StreamRead, WaitError};
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Caller, FieldError, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

/// The service in whose log notes are kept: its views pass over streams that are not theirs.
pub const NOTES: &str = "order-service";

/// The route over the log of a service; operators and services only.
pub fn router(service: &'static str, store: DynEventStore) -> Router {
    let methods = if service == NOTES { get(read_events).post(notes::append_note) } else { get(read_events) };
    Router::new().route(&format!("/v1/logs/{service}/events"), methods).with_state(store)
}

/// The description of these routes.
#[derive(Debug, OpenApi)]
#[openapi(paths(read_events, notes::append_note), tags((name = "logs", description = "Event logs, for operators")))]
pub struct LogsApi;

/// The longest that a reader may wait for events: shorter than what proxies and clients put up with.
const MAX_WAIT_SECONDS: u32 = 25;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventsQuery {
    /// Events after this position (or, with `stream`, this version); 0 unless stated.
    after: Option<u64>,
    /// Only this stream, as in `order-0198…`.
    #[param(pattern = "^[a-z]+-[!-~]+$", max_length = 128)]
    stream: Option<String>,
    /// Only events of this correlation. Looks at 100,000 events at most: those after `after`, or the last ones where it is
    /// not given.
    #[param(pattern = "^[!-~]+$", min_length = 1, max_length = 128)]
    correlation: Option<String>,
    /// 1 to 1000; 200 unless stated.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
    /// Seconds to wait for events where there are none, 0 to 25.
    #[param(maximum = 25)]
    wait: Option<u32>,
}

/// A part of a log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Events {
    /// In the order of the log; personal fields are sealed.
    #[schema(value_type = Vec<Object>)]
    items: Vec<RecordedEvent>,
    /// Where to go on: the next call's `after`.
    after: u64,
    /// The log's last position.
    end: u64,
    /// The log's epoch: positions of another one must not be compared.
    epoch: String,
    /// How many events the stream has; only with `stream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_version: Option<u64>,
    /// The events after this position were looked at; only with `correlation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_from: Option<u64>,
}

/// Reads a service's log, or one stream of it. Operators only.
#[utoipa::path(get, path = "/v1/logs/{log}/events", tag = "logs", params(("log" = String, Path), EventsQuery),
    responses(
        (status = 200, description = "Events", body = Events),
        (status = 400, description = "Invalid query"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator"),
        (status = 503, description = "Try again")),
    security(("bearer" = [])))]
async fn read_events(
    State(store): State<DynEventStore>,
    caller: Caller,
    Query(query): Query<EventsQuery>,
) -> Answered<Json<Events>> {
    caller.require_operator_or_service()?;
    let limit = page_limit(query.limit, 200, 1_000)?;
    let after = query.after.unwrap_or(0);
    if query.wait.is_some_and(|wait| wait > MAX_WAIT_SECONDS) {
        return Err(wrong("/wait", &format!("must be between 0 and {MAX_WAIT_SECONDS}")));
    }
    if query.stream.is_some() && query.correlation.is_some() {
        return Err(wrong("/correlation", &"cannot be asked for together with stream"));
    }
    if let Some(correlation) = &query.correlation {
        if CorrelationId::parse(correlation).is_none() {
            return Err(wrong("/correlation", &"must have 1 to 128 printable ASCII characters without spaces"));
        }
        return search::by_correlation(&store, correlation, query.after, limit).await.map(Json);
    }
    if let Some(stream) = &query.stream {
        return stream_events(&store, stream, after, limit).await;
    }
    if let Some(wait @ 1..) = query.wait {
        let wait = Duration::from_secs(u64::from(wait));
        match store.wait_beyond(Position(after), wait).await {
            Ok(_) | Err(WaitError::TimedOut { .. }) => {}
            Err(WaitError::Fault(fault)) => return Err(problem::from_fault(&fault)),
        }
    }
    match store.read_log(Position(after), limit).await {
        Ok(read) => Ok(Json(Events {
            items: read.events,
            after: read.scanned_through.0,
            end: read.end.0,
            epoch: store.epoch().to_string(),
            stream_version: None,
            looked_from: None,
        })),
        Err(error @ (ReadError::BeyondEnd { .. } | ReadError::OtherEpoch { .. })) => Err(wrong("/after", &error)),
        Err(ReadError::Fault(fault)) => Err(problem::from_fault(&fault)),
    }
}

async fn stream_events(store: &DynEventStore, stream: &str, after: u64, limit: usize) -> Answered<Json<Events>> {
    let stream: StreamName = stream.parse().map_err(|error| wrong("/stream", &error))?;
    let read = StreamRead { after: StreamVersion(after), limit };
    let slice = store.read_stream(&stream, read).await.map_err(|fault| problem::from_fault(&fault))?;
    let after = slice.events.last().map_or(after, |last| last.version().0);
    let (end, epoch) = (store.end().0, store.epoch().to_string());
    let stream_version = Some(slice.version.0);
    Ok(Json(Events { items: slice.events, after, end, epoch, stream_version, looked_from: None }))
}

fn wrong(pointer: &str, detail: &impl ToString) -> madrigal_http::Problem {
    problem::invalid_query(vec![FieldError { pointer: pointer.to_owned(), detail: detail.to_string() }])
}

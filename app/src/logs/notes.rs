//! Notes: what an operator writes beside a service's own events.
//!
//! A log's own streams are what the service folds its state from: an event from outside could break a fold for ever. So only
//! streams `note-…` are taken, which no service reads, and only types `Note…`, which no topic tells. They are kept in
//! order-service's log, whose views pass over streams that are not theirs.

use axum::extract::State;
use axum::http::StatusCode;
use madrigal_core::{EventId, EventType, ExpectedVersion, JsonBytes, NewEvent, PositionToken, StreamName};
use madrigal_event_store::{AppendError, DynEventStore};
use madrigal_http::edge::Context;
use madrigal_http::headers::position_header;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Body, Caller, FieldError, IdempotencyKey, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The only category of streams that is taken.
const CATEGORY: &str = "note";
/// What types of notes begin with: topics choose by type.
const TYPES: &str = "Note";
/// The longest note, as JSON.
const MAX_BYTES: usize = 16 * 1024;

/// A note to append.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NoteBody {
    /// The stream: `note-` and what it is about, as in `note-order-0198…`.
    #[schema(pattern = "^[a-z]+-[!-~]+$", max_length = 128, example = "note-incident-17")]
    stream: String,
    /// `Note` and letters and digits, at most 64, as in `NoteTaken`.
    #[schema(pattern = "^Note[A-Za-z0-9]*$", max_length = 64, example = "NoteTaken")]
    event_type: String,
    /// Whatever is to be kept; at most 16 KiB as JSON.
    #[schema(value_type = Object)]
    event_data: Map<String, Value>,
}

/// What was appended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NoteAppended {
    /// The event's id: a function of the caller, the key and the stream.
    #[schema(value_type = String)]
    event_id: EventId,
    /// The stream.
    stream: String,
    /// The stream's version with it.
    version: u64,
    /// Its place in the log.
    position: u64,
    /// Whether it was there already, from an earlier request with the same key.
    repeated: bool,
}

/// Appends a note to a service's log, in a stream `note-…` that no service reads. Operators only; the same key appends once.
#[utoipa::path(post, path = "/v1/logs/{log}/events", tag = "logs", request_body = NoteBody,
    params(("log" = String, Path), ("Idempotency-Key" = String, Header, description = "Makes a repetition of this request the same note.")),
    responses(
        (status = 201, description = "Appended, now or by an earlier request with this key", body = NoteAppended),
        (status = 400, description = "Malformed, or no key"), (status = 401, description = "No valid token"),
        (status = 403, description = "Not an operator"),
        (status = 409, description = "The stream is a service's own (`reserved-stream`)"),
        (status = 422, description = "Invalid body, or the key was used for another note"),
        (status = 503, description = "Try again")),
    security(("bearer" = [])))]
pub(super) async fn append_note(
    State(store): State<DynEventStore>,
    caller: Caller,
    Context(context): Context,
    IdempotencyKey(key): IdempotencyKey,
    Body(note, _): Body<NoteBody>,
) -> Answered<axum::response::Response> {
    caller.require_operator()?;
    let (stream, event_type, data) = checked(&note)?;
    let event_id = EventId::derived(&format!("note {} {} {stream}", caller.actor(), key));
    let event = NewEvent::new(event_id, event_type, 1, data, &context);
    let appended = store.append(stream.clone(), ExpectedVersion::Any, vec![event]).await.map_err(refused)?;
    let position = PositionToken::of(store.log().clone(), store.epoch(), appended.position);
    let body = NoteAppended {
        event_id,
        stream: stream.to_string(),
        version: appended.version.0,
        position: appended.position.0,
        repeated: appended.repeated,
    };
    Ok(axum::response::IntoResponse::into_response((
        StatusCode::CREATED,
        [position_header(&position)],
        axum::Json(body),
    )))
}

fn checked(note: &NoteBody) -> Answered<(StreamName, EventType, JsonBytes)> {
    let wrong =
        |pointer: &str, detail: String| problem::invalid_body(vec![FieldError { pointer: pointer.to_owned(), detail }]);
    let stream: StreamName = note.stream.parse().map_err(|error| wrong("/stream", format!("{error}")))?;
    if stream.category() != CATEGORY {
        return Err(reserved(&stream));
    }
    let event_type = EventType::parse(&note.event_type)
        .filter(|_| note.event_type.starts_with(TYPES))
        .ok_or_else(|| wrong("/eventType", format!("is {TYPES} and ASCII letters and digits, 64 at most")))?;
    let data = JsonBytes::of(&note.event_data).map_err(|error| wrong("/eventData", error.to_string()))?;
    if data.as_bytes().len() > MAX_BYTES {
        return Err(wrong(
            "/eventData",
            format!("has {} bytes as JSON, the limit is {MAX_BYTES}", data.as_bytes().len()),
        ));
    }
    Ok((stream, event_type, data))
}

fn reserved(stream: &StreamName) -> Problem {
    Problem::new(StatusCode::CONFLICT, "reserved-stream", "The stream is a service's own").detail(format!(
        "Services fold their state from streams like {stream}; an event from outside could break that for ever. Notes go into \
         streams note-…"
    ))
}

fn refused(error: AppendError) -> Problem {
    match error {
        AppendError::EventIdReused { .. } => problem::idempotency_key_reused(),
        AppendError::Fault(fault) => problem::from_fault(&fault),
        other => {
            tracing::error!(%other, "a note was not appended");
            problem::internal()
        }
    }
}

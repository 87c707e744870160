//! The owner's end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use madrigal_core::{Fault, Position};
use madrigal_http::{Answered, Caller, Path, Problem, Query, problem};
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollError, PollFrom, Start};

use super::{BEYOND_END, MAX_MESSAGES, OTHER_EPOCH, PollAnswer, PollQuery};
use crate::source::DynTopicSource;

type Topics = Arc<HashMap<String, DynTopicSource>>;

/// `GET /internal/topics/{topic}` for these topics, for services only; without the edge's layers.
pub fn router(topics: Vec<DynTopicSource>) -> Router {
    let topics: Topics = Arc::new(topics.into_iter().map(|topic| (topic.topic().to_owned(), topic)).collect());
    Router::new().route("/internal/topics/{topic}", get(poll)).with_state(topics)
}

async fn poll(
    State(topics): State<Topics>,
    caller: Caller,
    Path(topic): Path<String>,
    Query(query): Query<PollQuery>,
) -> Answered<Json<PollAnswer>> {
    caller.require_service()?;
    let source = topics.get(&topic).ok_or_else(|| problem::not_found(format!("topic {topic}")))?;
    let limit = query.limit.unwrap_or(MAX_MESSAGES).clamp(1, MAX_MESSAGES);
    let wait = Duration::from_millis(query.wait.unwrap_or(0));
    let polled = source.poll(from(&query)?, limit, wait).await.map_err(|error| refused(&error))?;
    let messages = polled.items.iter().map(crate::Message::to_json).collect::<Result<_, _>>();
    let messages = messages.map_err(|error| problem::from_fault(&Fault::permanent("bus", "poll", error)))?;
    let (epoch, scanned_through, end) = (polled.epoch, polled.scanned_through, polled.end);
    Ok(Json(PollAnswer { epoch, scanned_through, end, messages }))
}

fn from(query: &PollQuery) -> Result<PollFrom, Problem> {
    let after = query.after.map(Position);
    match (query.start.as_deref(), query.epoch, after) {
        (Some("earliest"), None, None) => Ok(PollFrom::Start(Start::Earliest)),
        (Some("latest"), None, None) => Ok(PollFrom::Start(Start::Latest)),
        (Some("at"), None, Some(position)) => Ok(PollFrom::Start(Start::At(position))),
        (None, Some(epoch), Some(position)) => Ok(PollFrom::After(Checkpoint { epoch, position })),
        _ => Err(problem::bad_request(
            "invalid-query",
            "Invalid query",
            "Send start=earliest, start=latest, start=at with after, or epoch with after.",
        )),
    }
}

fn refused(error: &PollError) -> Problem {
    match error {
        PollError::OtherEpoch { log, .. } => {
            problem::conflict(OTHER_EPOCH, "The log has another history", error.to_string())
                .with("epoch", serde_json::json!(log))
        }
        PollError::BeyondEnd { end, .. } => {
            problem::conflict(BEYOND_END, "The log ends before this position", error.to_string())
                .with("end", serde_json::json!(end))
        }
        PollError::Fault(fault) => problem::from_fault(fault),
    }
}

/// The status of the two refusals, for the asking end.
pub(super) const REFUSED: StatusCode = StatusCode::CONFLICT;

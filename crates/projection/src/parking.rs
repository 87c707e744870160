//! Parked events: what could not be handled, and everything that stands behind it in the same lane.
//!
//! A **lane** is what must stay in order: a view's key (`key/…`), a stream where the key could not be told
//! (`stream/…`), a message's key. A lane with a waiting event takes up all its later events; other lanes go on.

use madrigal_core::{JsonBytes, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// An event that waits for somebody to mend what it met, or that somebody decided to skip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedEvent {
    /// The lane it holds.
    pub lane: String,
    /// Its place in its log or topic.
    pub position: Position,
    /// The event's or message's id.
    pub id: String,
    /// The event's or message's type.
    pub kind: String,
    /// The message, where it cannot be read again from an own log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<ParkedPayload>,
    /// Why it is here: what broke, or that it stands behind another.
    pub cause: String,
    /// How often it was tried; 0 where it only stands behind another.
    pub attempts: u32,
    /// When it was parked.
    pub first_at: Timestamp,
    /// When it was last tried.
    pub last_at: Timestamp,
    /// Why it was skipped, if it was: it no longer holds its lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// A parked message's JSON, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParkedPayload(pub String);

impl From<&JsonBytes> for ParkedPayload {
    fn from(json: &JsonBytes) -> Self {
        Self(String::from_utf8_lossy(json.as_bytes()).into_owned())
    }
}

/// A decision to leave a parked event out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The event's lane.
    pub lane: String,
    /// The event's position.
    pub position: Position,
    /// Who decided and why, in words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Which parked events to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParkedFilter {
    /// Only this lane.
    pub lane: Option<String>,
    /// Only events after this position.
    pub after: Position,
    /// Only those that hold their lane (not the skipped ones).
    pub waiting_only: bool,
    /// At most so many, 1 to [`ParkedFilter::MAX`]; 0 is the maximum.
    pub limit: usize,
}

impl ParkedFilter {
    /// The most events of one answer.
    pub const MAX: usize = 1_000;

    /// The waiting events of a lane.
    pub fn waiting_in(lane: &str) -> Self {
        Self { lane: Some(lane.to_owned()), waiting_only: true, ..Self::default() }
    }

    /// The limit, forced into its range.
    pub const fn bounded_limit(&self) -> usize {
        if self.limit == 0 || self.limit > Self::MAX { Self::MAX } else { self.limit }
    }

    /// Whether an event is to be shown.
    pub fn admits(&self, event: &ParkedEvent) -> bool {
        self.lane.as_ref().is_none_or(|lane| *lane == event.lane)
            && event.position > self.after
            && !(self.waiting_only && event.skipped.is_some())
    }
}

/// What a retry or a skip did to a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneReport {
    /// How many parked events were applied.
    pub applied: usize,
    /// How many still wait.
    pub waiting: usize,
    /// What the first waiting one met, if there is one.
    pub cause: Option<String>,
}

/// Why an operator's verb did nothing.
#[derive(Debug, thiserror::Error)]
pub enum ParkingError {
    /// Nothing is parked in this lane.
    #[error("nothing is parked in lane {0}")]
    UnknownLane(String),
    /// A skip needs a reason.
    #[error("a skip needs a reason of 1 to 500 characters")]
    NoReason,
    /// The consumer may not go on; see its state.
    #[error("stalled: {0}")]
    Stalled(String),
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] madrigal_core::Fault),
}

/// The reason of a skip, checked.
///
/// # Errors
/// [`ParkingError::NoReason`] where it is empty or longer than 500 characters.
pub fn checked_reason(reason: &str) -> Result<String, ParkingError> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= 500;
    if fits { Ok(reason.to_owned()) } else { Err(ParkingError::NoReason) }
}

/// A cause as it is stored: at most 1,000 characters.
pub(crate) fn bounded_cause(cause: &str) -> String {
    cause.chars().take(1_000).collect()
}

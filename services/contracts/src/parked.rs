//! What operators see of parked keys and do about them: the same documents at every service that follows a topic.
//!
//! A key's id is its topic and the key, as in `users:7`; by it everything of the key is retried, or its first item skipped.

use std::collections::BTreeSet;

use madrigal_core::Timestamp;
use madrigal_http::{FieldError, Problem, problem};
use madrigal_projection::{LaneReport, ParkedEvent, ParkingError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Items of a list where a request does not say.
pub const DEFAULT_PAGE: u32 = 100;
/// The most items of a list.
pub const MAX_PAGE: u32 = 1_000;
/// The most keys that one request retries.
pub const MOST_KEYS: usize = 100;

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ParkedQuery {
    /// 1 to 1000; 100 unless stated.
    #[param(minimum = 1, maximum = 1_000)]
    pub limit: Option<u32>,
}

/// Something parked: a change, or a message.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedDocument {
    /// Topic and key, as in `users:7`: by it everything of the key is retried or skipped.
    pub id: String,
    /// Its place in its source's log.
    pub position: u64,
    /// Topic and operation, as in `users.u`; of a fact its type.
    pub kind: String,
    /// Why it is here.
    pub cause: String,
    /// How often it was tried; 0 where it only stands behind another.
    pub attempts: u32,
    /// When it was parked.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    /// When it was last tried.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// Why it was skipped, if it was.
    pub skipped: Option<String>,
}

impl ParkedDocument {
    /// The document of what is parked under this id.
    pub fn new(id: String, event: ParkedEvent) -> Self {
        Self {
            id,
            position: event.position.0,
            kind: event.kind,
            cause: event.cause,
            attempts: event.attempts,
            first_at: event.first_at,
            last_at: event.last_at,
            skipped: event.skipped,
        }
    }
}

/// Why a change is left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkipBody {
    /// Stays listed with the change.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Which keys are retried together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CauseBody {
    /// The cause as it is listed.
    #[schema(min_length = 1, max_length = 1_000)]
    pub cause: String,
}

/// What became of a parked key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettledDocument {
    /// Topic and key.
    pub id: String,
    /// How many parked items were applied.
    pub applied: usize,
    /// How many still wait.
    pub waiting: usize,
    /// What the first of them met.
    pub cause: Option<String>,
}

impl SettledDocument {
    /// The document of what became of this key.
    pub fn new(id: String, report: LaneReport) -> Self {
        Self { id, applied: report.applied, waiting: report.waiting, cause: report.cause }
    }
}

/// The keys that are held for this cause, each once, at most [`MOST_KEYS`].
fn keys_of_cause(parked: &[ParkedDocument], cause: &str) -> Vec<String> {
    let holds = |one: &&ParkedDocument| one.attempts > 0 && one.skipped.is_none() && one.cause == cause;
    let ids: BTreeSet<&str> = parked.iter().filter(holds).map(|one| one.id.as_str()).collect();
    ids.into_iter().take(MOST_KEYS).map(str::to_owned).collect()
}

/// Retries all keys that are held for this cause, each once, at most [`MOST_KEYS`]; a key that somebody else cleared meanwhile
/// is left out. What became of each.
///
/// # Errors
/// [`not_settled`] of the first key that cannot be tried at all; those before it were retried.
///
/// # Cancellation
/// Some keys may be retried; safe to repeat.
pub async fn retry_cause<Retried>(
    parked: &[ParkedDocument],
    cause: &str,
    mut retry: impl FnMut(String) -> Retried,
) -> Result<Vec<SettledDocument>, Problem>
where
    Retried: Future<Output = Result<LaneReport, ParkingError>>,
{
    let mut settled = Vec::new();
    for id in keys_of_cause(parked, cause) {
        match retry(id.clone()).await {
            Ok(report) => settled.push(SettledDocument::new(id, report)),
            Err(ParkingError::UnknownLane(_)) => {}
            Err(error) => return Err(not_settled(error)),
        }
    }
    Ok(settled)
}

/// The problem of a verb that did nothing.
pub fn not_settled(error: ParkingError) -> Problem {
    match error {
        ParkingError::UnknownLane(_) => {
            let detail = "Nothing is parked under this id; it may have been settled meanwhile.";
            problem::conflict("nothing-parked", "Nothing is parked there", detail)
        }
        ParkingError::NoReason => {
            let error = FieldError { pointer: "/reason".to_owned(), detail: error.to_string() };
            problem::invalid_body(vec![error])
        }
        ParkingError::Stalled(why) => problem::conflict("sync-busy", "The copies are busy", format!("Not now: {why}.")),
        ParkingError::Fault(fault) => problem::from_fault(&fault),
    }
}

//! What an operator sees of a projection and does with it, the same for every kind: views, search indexes.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::{Fault, Position, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parking::{LaneReport, ParkedEvent, ParkedFilter, ParkingError};

/// A projection that is kept in generations: one serves, a candidate may be built beside it, the one before may be kept.
///
/// # Contract
/// 1. Reads are served by one generation at a time, and change over at once.
/// 2. [`ManagedProjection::switch`] MUST NOT let a read see less than a read before it did.
/// 3. What the verbs do MUST survive a crash whole or not at all.
#[async_trait]
pub trait ManagedProjection: Send + Sync + 'static {
    /// The projection's name, as in `order-view`: unique in the shop.
    fn name(&self) -> &str;

    /// How it fares, and how far a candidate is.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn status(&self) -> Result<ProjectionStatus, Fault>;

    /// Starts a candidate: a new generation that is built from the log's beginning, beside the one that serves.
    ///
    /// # Errors
    /// [`Refusal::CandidateExists`].
    ///
    /// # Cancellation
    /// Happens or not, as a whole.
    async fn rebuild(&self) -> Result<ProjectionStatus, OperateError>;

    /// Compares the candidate's contents with what is served, both as of one position, and keeps the result with the
    /// candidate. Bounded in memory, not in time.
    ///
    /// # Errors
    /// [`Refusal::NoCandidate`], [`Refusal::Behind`], [`Refusal::Busy`].
    ///
    /// # Cancellation
    /// The comparison ends, or goes on and keeps its result.
    async fn compare(&self) -> Result<Comparison, OperateError>;

    /// Lets the candidate serve; what served becomes the previous generation (and replaces one that was not confirmed).
    /// `accept` says why shown differences are meant.
    ///
    /// # Errors
    /// [`Refusal::NoCandidate`], [`Refusal::Parked`], [`Refusal::Behind`], [`Refusal::NotCompared`],
    /// [`Refusal::Different`].
    ///
    /// # Cancellation
    /// Happens or not, as a whole.
    async fn switch(&self, accept: Option<Accepted>) -> Result<ProjectionStatus, OperateError>;

    /// Drops the candidate.
    ///
    /// # Errors
    /// [`Refusal::NoCandidate`].
    ///
    /// # Cancellation
    /// Happens or not; its rows go bit by bit afterwards.
    async fn discard(&self) -> Result<ProjectionStatus, OperateError>;

    /// Drops the previous generation: the switch is confirmed.
    ///
    /// # Errors
    /// [`Refusal::NoPrevious`].
    ///
    /// # Cancellation
    /// As [`ManagedProjection::discard`].
    async fn confirm(&self) -> Result<ProjectionStatus, OperateError>;

    /// What is parked, of all generations that are followed, in the order of the log.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn parked(&self, filter: ParkedFilter) -> Result<Vec<ParkedIn>, Fault>;

    /// Tries what is parked under `key` again (a key, or a lane like `key/…` or `stream/…`), in every generation.
    ///
    /// # Errors
    /// [`Refusal::NothingParked`].
    ///
    /// # Cancellation
    /// Each transaction of up to 1,000 events happens or not.
    async fn retry(&self, key: &str) -> Result<LaneReport, OperateError>;

    /// Leaves out the first event that is parked under `key`, for a stated reason that stays listed, and tries the others.
    ///
    /// # Errors
    /// [`Refusal::NothingParked`], [`Refusal::NoReason`].
    ///
    /// # Cancellation
    /// As [`ManagedProjection::retry`].
    async fn skip(&self, key: &str, reason: &str) -> Result<LaneReport, OperateError>;

    /// What holds it up.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn why_stalled(&self) -> Result<WhyStalled, Fault>;
}

/// A managed projection behind a pointer.
pub type DynManaged = Arc<dyn ManagedProjection>;

/// How a projection fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionStatus {
    /// Its name.
    pub name: String,
    /// The service that keeps it.
    pub service: String,
    /// The version of the code that folded what serves.
    pub version: u32,
    /// The generation that serves.
    pub generation: u32,
    /// In one word.
    pub state: ServingState,
    /// How far what serves is behind its log.
    pub lag: ProjectionLag,
    /// How many keys of what serves hold parked events.
    pub parked_keys: usize,
    /// What is being built beside it.
    pub candidate: Option<CandidateStatus>,
    /// What served before, until it is confirmed that it may go.
    pub previous: Option<PreviousStatus>,
}

/// How what serves fares, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServingState {
    /// It follows its log.
    Serving,
    /// It stands still; `why-stalled` says why.
    Stalled,
    /// It follows its log but for some keys.
    Parked,
}

/// How far a projection is behind its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionLag {
    /// Events between what was applied and the log's end.
    pub events: u64,
    /// The age of the oldest event not applied yet; 0 where nothing is missing.
    pub seconds: f64,
    /// Since when it stands still, if it does.
    pub stalled_since: Option<Timestamp>,
}

/// How far a candidate is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateStatus {
    /// Its generation.
    pub generation: u32,
    /// The version of the code that folds it.
    pub version: u32,
    /// Whether it is at the log's end.
    pub state: CandidateState,
    /// Applied up to here.
    pub position: Position,
    /// The log's end.
    pub end: Position,
    /// As measured since it was begun, or taken up again; 0 where it has caught up.
    pub events_per_second: f64,
    /// At that rate; `None` where that cannot be told.
    pub seconds_left: Option<f64>,
    /// When it was begun.
    pub started_at: Timestamp,
    /// How many of its keys hold parked events.
    pub parked_keys: usize,
    /// What holds it up, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The latest comparison.
    pub compared: Option<Compared>,
}

/// Whether a candidate is at its log's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateState {
    /// It is being built.
    Building,
    /// It follows the log as what serves does.
    CaughtUp,
}

/// What served before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousStatus {
    /// Its generation.
    pub generation: u32,
    /// Since when it no longer serves.
    pub since: Timestamp,
}

/// The outcome of a comparison in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// In one word.
    pub verdict: Verdict,
    /// Both were compared as of this position.
    pub position: Position,
    /// Rows looked at: keys that either has.
    pub rows: u64,
    /// Rows that differ, all counted.
    pub differing: u64,
}

/// Whether a candidate is what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every row and every column.
    Equal,
    /// Not every one.
    Different,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// In short.
    #[serde(flatten)]
    pub compared: Compared,
    /// The first differences, in the order of the keys: at most [`Comparison::SHOWN`].
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// The most differences that are shown.
    pub const SHOWN: usize = 20;
}

/// A row that differs: as it is served, and as the candidate has it; `None` is no row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The row's key.
    pub key: String,
    /// As it is served.
    pub serving: Option<Value>,
    /// As the candidate has it.
    pub candidate: Option<Value>,
}

/// Somebody's word that a shown difference is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Who, and why, in words.
    pub reason: String,
}

/// A parked event, and in which generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedIn {
    /// The generation.
    pub generation: u32,
    /// The event.
    #[serde(flatten)]
    pub event: ParkedEvent,
}

/// What holds a projection up, in words; all but the name and the cause are absent where nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyStalled {
    /// The projection.
    pub name: String,
    /// In one word: `nothing`, `parked-keys`, `retrying`, `other-epoch`, `beyond-end`, `too-many-parked`, `row-form`,
    /// `candidate`.
    pub cause: String,
    /// In a sentence.
    pub detail: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What to do.
    pub help: Option<String>,
}

/// Why a verb did nothing: the projection's state does not allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "kebab-case")]
pub enum Refusal {
    /// There is no candidate.
    #[error("there is no candidate; rebuild makes one")]
    NoCandidate,
    /// There is one already.
    #[error("generation {generation} is being built already; discard it first")]
    CandidateExists {
        /// The candidate.
        generation: u32,
    },
    /// No generation is kept beside the one that serves.
    #[error("there is no previous generation")]
    NoPrevious,
    /// The candidate is not at the log's end.
    #[error("the candidate is {events} events behind")]
    Behind {
        /// How many are missing.
        events: u64,
    },
    /// Keys of the candidate hold parked events.
    #[error("{keys} keys of the candidate hold parked events; retry or skip them")]
    Parked {
        /// How many.
        keys: usize,
    },
    /// The candidate was not compared, or was touched by an operator since.
    #[error("the candidate was not compared with what serves")]
    NotCompared,
    /// The comparison found differences that nobody has accepted.
    #[error("{differing} rows differ; accept that with a reason, or discard the candidate")]
    Different {
        /// How many.
        differing: u64,
    },
    /// Another comparison runs.
    #[error("a comparison runs already")]
    Busy,
    /// Nothing is parked under this key.
    #[error("nothing is parked under {key}")]
    NothingParked {
        /// The key.
        key: String,
    },
    /// A reason is required.
    #[error("a reason of 1 to 500 characters is required")]
    NoReason,
    /// This kind of projection has no such verb.
    #[error("{what}")]
    Unsupported {
        /// In words.
        what: String,
    },
    /// It stands still, and the verb would need it to move.
    #[error("stalled: {why}")]
    Stalled {
        /// Why.
        why: String,
    },
}

impl Refusal {
    /// The code of the problem document that says it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCandidate => "projection-no-candidate",
            Self::CandidateExists { .. } => "projection-candidate-exists",
            Self::NoPrevious => "projection-no-previous",
            Self::Behind { .. } => "projection-behind",
            Self::Parked { .. } => "projection-parked",
            Self::NotCompared => "projection-not-compared",
            Self::Different { .. } => "projection-different",
            Self::Busy => "projection-busy",
            Self::NothingParked { .. } => "projection-nothing-parked",
            Self::NoReason => "projection-no-reason",
            Self::Unsupported { .. } => "projection-unsupported",
            Self::Stalled { .. } => "projection-stalled",
        }
    }
}

/// Why a verb did nothing.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The projection's state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<ParkingError> for OperateError {
    fn from(error: ParkingError) -> Self {
        match error {
            ParkingError::UnknownLane(key) => Refusal::NothingParked { key }.into(),
            ParkingError::NoReason => Refusal::NoReason.into(),
            ParkingError::Stalled(why) => Refusal::Stalled { why }.into(),
            ParkingError::Fault(fault) => Self::Fault(fault),
        }
    }
}

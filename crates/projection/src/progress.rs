//! How far a consumer is, how it fares, and what lag means.

use std::collections::HashSet;
use std::sync::Arc;

use madrigal_core::{Fault, LogEpoch, Position, Timestamp};
use serde::Serialize;

use crate::view::Checkpoint;

/// How a consumer fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Status {
    /// It has not begun.
    Idle,
    /// It works, or waits for events.
    Running,
    /// Something broke; it tries again.
    Retrying {
        /// What broke.
        cause: String,
        /// Since when.
        since: Timestamp,
    },
    /// It may not go on; somebody must decide.
    Stalled {
        /// Why.
        cause: String,
        /// Since when.
        since: Timestamp,
    },
    /// It was told to stop.
    Stopped,
}

impl Status {
    /// What holds it up, if something does, and since when.
    pub fn trouble(&self) -> Option<(&str, Timestamp)> {
        match self {
            Self::Retrying { cause, since } | Self::Stalled { cause, since } => Some((cause, *since)),
            Self::Idle | Self::Running | Self::Stopped => None,
        }
    }
}

/// What a consumer last published about itself.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) status: Status,
    /// The status' trouble in one word.
    pub(crate) word: &'static str,
    pub(crate) lanes: Arc<HashSet<String>>,
}

impl Progress {
    pub(crate) fn none() -> Self {
        Self { checkpoint: None, status: Status::Idle, word: "nothing", lanes: Arc::default() }
    }
}

/// How far a consumer is behind its log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lag {
    /// Events between what was applied and the log's end.
    pub events: u64,
    /// The age of the oldest event not applied yet; 0 where nothing is missing.
    pub seconds: f64,
    /// Since when it stands still because of trouble, if it does.
    pub stalled_since: Option<Timestamp>,
    /// How many lanes hold parked events.
    pub parked_lanes: usize,
}

/// Why a consumer does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The checkpoint is of another history of the log: what was applied may have been lost there.
    #[error("the checkpoint is of epoch {checkpoint}, the log is in epoch {log}: rebuild from this log")]
    OtherEpoch {
        /// The checkpoint's.
        checkpoint: LogEpoch,
        /// The log's.
        log: LogEpoch,
    },
    /// The checkpoint is beyond the log's end: it has seen what this log has lost.
    #[error("the checkpoint stands at {checkpoint}, beyond the log's end at {end}: rebuild from this log")]
    BeyondEnd {
        /// The checkpoint's position.
        checkpoint: Position,
        /// The log's end.
        end: Position,
    },
    /// More lanes are parked than the bound: the cause is not a single bad event.
    #[error("{0} or more lanes are parked: mend the cause, then retry them")]
    TooManyParked(usize),
    /// A stored row does not have the form that the projection reads.
    #[error("the stored row {key} does not decode ({why}): raise the projection's version")]
    RowForm {
        /// The row's key.
        key: String,
        /// What the decoder said.
        why: String,
    },
    /// The engine broke; trying again may help.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl RunError {
    /// The error in one word.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::OtherEpoch { .. } => "other-epoch",
            Self::BeyondEnd { .. } => "beyond-end",
            Self::TooManyParked(_) => "too-many-parked",
            Self::RowForm { .. } => "row-form",
            Self::Fault(_) => "retrying",
        }
    }

    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        match self {
            Self::Fault(fault) => fault.chain(),
            other => other.to_string(),
        }
    }
}

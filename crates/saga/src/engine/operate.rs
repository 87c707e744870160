//! The operator's verbs, each an audited record with who and why.

use madrigal_core::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::SagaState;

/// What an operator may do to a saga.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Start nothing more until resumed; attempts under way are recorded.
    Pause,
    /// Go on.
    Resume,
    /// Try again now instead of after the backoff.
    #[serde(rename = "retry")]
    RetryNow,
    /// Count a forward step as done, with this output.
    Skip {
        /// The step.
        step: String,
        /// The output that later steps see.
        output: Value,
    },
    /// Undo what was done. Before the commitment only.
    Compensate,
    /// Count a step as undone, by hand.
    MarkUndone {
        /// The step.
        step: String,
        /// What proves it, as a reference or a text.
        evidence: String,
    },
    /// Give the saga up as it is.
    Abandon,
}

impl Verb {
    /// The verb's name, as in the HTTP interface.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::RetryNow => "retry",
            Self::Skip { .. } => "skip",
            Self::Compensate => "compensate",
            Self::MarkUndone { .. } => "mark-undone",
            Self::Abandon => "abandon",
        }
    }
}

/// Why a verb or a cancellation was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// There is no such saga.
    #[error("there is no such saga")]
    NoSuchSaga,
    /// The saga's state does not allow it.
    #[error("`{verb}` is not possible while the saga is {}", state.as_str())]
    NotInThisState {
        /// The verb.
        verb: &'static str,
        /// The state.
        state: SagaState,
    },
    /// The pivot is durable: the saga only goes forward.
    #[error("the saga is committed and only goes forward")]
    AlreadyCommitted,
    /// The pivot was sent and nobody knows yet whether it happened.
    #[error("the pivot is under way and its outcome is not known yet")]
    PivotUnderWay,
    /// There is no such step.
    #[error("there is no step `{step}`")]
    NoSuchStep {
        /// The name.
        step: String,
    },
    /// The step is not one that the verb can be applied to now.
    #[error("step `{step}` {problem}")]
    NotForThisStep {
        /// The step.
        step: String,
        /// What stands against it.
        problem: &'static str,
    },
    /// Who or why is missing, or a text is longer than 1,000 characters.
    #[error("`{field}` must have 1 to 1,000 characters")]
    Text {
        /// Which text.
        field: &'static str,
    },
    /// The saga is set aside: this binary cannot run it.
    #[error("the saga is set aside: {cause}")]
    Parked {
        /// Why.
        cause: String,
    },
    /// The engine broke; see the fault for what is known of the effect.
    #[error(transparent)]
    Fault(#[from] Fault),
}

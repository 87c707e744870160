//! What a caller is told about a saga.

use std::sync::Arc;

use madrigal_core::{LogEpoch, LogName, PositionToken};
use serde_json::Value;

use crate::action::Outputs;
use crate::state::{CompensationCause, Folded};

/// How far a saga is, for the caller that waits for it.
#[derive(Debug, Clone, PartialEq)]
pub enum SagaProgress {
    /// Not decided yet (or paused before it is).
    Running,
    /// The pivot is durable: the saga will be completed. Steps after it may still be under way.
    Committed {
        /// The outputs so far.
        outputs: Arc<Outputs>,
        /// Where the saga's own log stood at the commitment, with the participants' positions.
        position: PositionToken,
    },
    /// A step was rejected. What was done before it is being undone, or is undone already.
    Refused {
        /// The step.
        step: Arc<str>,
        /// Why.
        reason: Arc<Value>,
    },
    /// The saga was given up for another reason. What was done is being undone, or is undone already.
    Failed {
        /// The step that failed, if it was one.
        step: Option<Arc<str>>,
        /// What kind of reason.
        cause: CompensationCause,
        /// The reason.
        reason: Arc<Value>,
    },
    /// There is no such saga.
    Unknown,
}

impl SagaProgress {
    /// Whether the caller can be answered: this will not change any more.
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Running | Self::Unknown)
    }

    /// What durable records say; `None` while nothing is decided.
    pub(crate) fn of(state: &Folded, log: &LogName, epoch: LogEpoch) -> Option<Self> {
        if let Some(compensation) = &state.compensation {
            let reason = Arc::clone(&compensation.reason);
            return Some(match (compensation.cause, &compensation.step) {
                (CompensationCause::Rejected, Some(step)) => Self::Refused { step: Arc::clone(step), reason },
                (cause, step) => Self::Failed { step: step.clone(), cause, reason },
            });
        }
        if let (true, Some(position)) = (state.committed, state.committed_at) {
            let mut token = PositionToken::clone(&state.positions);
            token.raise(log.clone(), epoch, position);
            return Some(Self::Committed { outputs: Arc::clone(&state.outputs), position: token });
        }
        state.ended.map(|_| Self::Failed {
            step: None,
            cause: CompensationCause::Operator,
            reason: Arc::new(Value::from("abandoned")),
        })
    }
}

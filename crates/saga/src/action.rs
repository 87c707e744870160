//! What a step does: the actions that users write, what they are given, and what they answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{CallContext, PositionToken, Timestamp};
use madrigal_event_store::StreamAppend;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::id::SagaId;

/// How a forward step ended.
#[derive(Debug, Clone, PartialEq)]
pub enum StepOutcome {
    /// It had its effect.
    Done {
        /// What later steps and the caller may need; kept in the saga's log, so personal data must be sealed in it.
        output: Value,
        /// Where the participant's log stood after the effect.
        position: Option<PositionToken>,
    },
    /// The business says no, and certainly nothing happened: the only outcome whose own undo is skipped.
    Rejected {
        /// Why, for the caller.
        reason: Value,
    },
    /// It went wrong and may have had effects: its own undo runs too.
    Failed {
        /// Why.
        reason: Value,
    },
    /// Nobody knows: a time-out, a lost connection. It is settled by repeating with the same key.
    Unknown {
        /// What was seen, for operators.
        detail: String,
        /// The earliest moment at which the participant wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl StepOutcome {
    /// Done, with this output and no position.
    pub const fn done(output: Value) -> Self {
        Self::Done { output, position: None }
    }

    /// Unknown, for this reason, to be repeated when the backoff says so.
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self::Unknown { detail: detail.into(), retry_after: None }
    }

    /// What a [`madrigal_core::Fault`] means for a step: unknown, with the fault's advice about retrying. Also for a fault that
    /// certainly had no effect: the step is repeated, and its undo is harmless.
    pub fn of_fault(fault: &madrigal_core::Fault) -> Self {
        Self::Unknown { detail: fault.chain(), retry_after: advice(fault) }
    }
}

/// How an undo ended.
#[derive(Debug, Clone, PartialEq)]
pub enum UndoOutcome {
    /// The effect is taken back, and a late forward message will be refused.
    Done {
        /// Where the participant's log stood afterwards.
        position: Option<PositionToken>,
    },
    /// There was no effect, and a tombstone now refuses a late forward message.
    NothingToUndo,
    /// It went wrong; it is tried again, and after its attempts the saga is stuck.
    Failed {
        /// Why.
        reason: Value,
    },
    /// Nobody knows; it is tried again.
    Unknown {
        /// What was seen, for operators.
        detail: String,
        /// The earliest moment at which the participant wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl UndoOutcome {
    /// Undone, without a position.
    pub const fn done() -> Self {
        Self::Done { position: None }
    }

    /// What a [`madrigal_core::Fault`] means for an undo.
    pub fn of_fault(fault: &madrigal_core::Fault) -> Self {
        Self::Unknown { detail: fault.chain(), retry_after: advice(fault) }
    }
}

fn advice(fault: &madrigal_core::Fault) -> Option<Duration> {
    match fault.retry {
        madrigal_core::FaultRetry::After(wait) => Some(wait),
        madrigal_core::FaultRetry::Now | madrigal_core::FaultRetry::Never => None,
    }
}

/// What a local step decided.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalDecision {
    /// Append these events to the saga's own store, in one append with the saga's record. The saga's own stream must not be
    /// among them, and none twice.
    Commit {
        /// The appends; their event ids should be derived from the saga's id ([`StepContext::event_id`]).
        appends: Vec<StreamAppend>,
        /// The step's output.
        output: Value,
    },
    /// The business says no.
    Rejected {
        /// Why, for the caller.
        reason: Value,
    },
    /// It could not be decided now (a read failed): it is tried again. Nothing happened.
    Unknown {
        /// What was seen, for operators.
        detail: String,
    },
}

/// The outputs of the steps that are done, by the step's name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs(Vec<(Arc<str>, Arc<Value>)>);

impl Outputs {
    /// The output of a step, if it is done.
    pub fn get(&self, step: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| &**name == step).map(|(_, output)| &**output)
    }

    /// The output of a step in the form of `T`; `None` if the step is not done or its output has another form.
    pub fn decode<T: DeserializeOwned>(&self, step: &str) -> Option<T> {
        self.get(step).and_then(|output| T::deserialize(output).ok())
    }

    /// All outputs, in the order in which the steps were done.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, output)| (&**name, &**output))
    }

    pub(crate) fn put(&mut self, step: &Arc<str>, output: Arc<Value>) {
        match self.0.iter_mut().find(|(name, _)| name == step) {
            Some((_, known)) => *known = output,
            None => self.0.push((Arc::clone(step), output)),
        }
    }
}

/// What an action is given.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// The saga; with the step's name, the key that participants deduplicate by.
    pub saga_id: SagaId,
    /// The definition's name.
    pub definition: Arc<str>,
    /// The step's name.
    pub step: Arc<str>,
    /// What the saga was started with.
    pub input: Arc<Value>,
    /// The outputs of the steps done so far.
    pub outputs: Arc<Outputs>,
    /// Which attempt this is, from 1. A repeated action must have its effect once.
    pub attempt: u32,
    /// The correlation of the start; the cause is the intent's record; the deadline is the attempt's.
    pub call: CallContext,
    /// When the saga was started.
    pub started_at: Timestamp,
}

impl StepContext {
    /// The idempotency key of this step of this saga, the same in every attempt and in its undo.
    pub fn key(&self) -> String {
        format!("{}:{}", self.saga_id, self.step)
    }

    /// The input in the form of `T`.
    ///
    /// # Errors
    /// If it has another form.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&*self.input)
    }

    /// An event id derived from the saga, the step and `number`: the same in every attempt.
    pub fn event_id(&self, number: u32) -> madrigal_core::EventId {
        madrigal_core::EventId::derived(&format!("{}:{}:{number}", self.saga_id, self.step))
    }
}

/// A forward step at a participant.
#[async_trait]
pub trait Action: Send + Sync + 'static {
    /// Acts. The participant MUST deduplicate by the saga's id and the step: attempts are repeated after crashes and
    /// time-outs, at the same time even, and the answer of a repetition MUST be that of the first. A forward message that
    /// arrives after the step's undo MUST be refused.
    ///
    /// # Cancellation
    /// Dropped at the attempt's time limit; the outcome is then [`StepOutcome::Unknown`].
    async fn run(&self, step: &StepContext) -> StepOutcome;
}

/// The compensation of a forward step.
#[async_trait]
pub trait Undo: Send + Sync + 'static {
    /// Takes the step's effect back. MUST be repeatable, and MUST leave a tombstone where nothing was ever seen.
    ///
    /// # Cancellation
    /// Dropped at the attempt's time limit; the outcome is then [`UndoOutcome::Unknown`].
    async fn undo(&self, step: &StepContext) -> UndoOutcome;
}

/// A step in the saga's own store: decided here, committed by the engine with the saga's record in one append.
#[async_trait]
pub trait LocalAction: Send + Sync + 'static {
    /// Decides. MUST have no effect of its own; is called again when a stream moved on since it was read.
    ///
    /// # Cancellation
    /// Dropped at the attempt's time limit; nothing happened then.
    async fn decide(&self, step: &StepContext) -> LocalDecision;
}

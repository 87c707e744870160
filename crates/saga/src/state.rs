//! What a saga's records add up to: a pure fold, the same for the runner, for answers and for recovery.

use std::sync::Arc;

use madrigal_core::{Position, PositionToken, RecordedEvent, StreamVersion, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::Outputs;
use crate::definition::SagaDefinition;
use crate::record::{Record, SagaStarted, UnreadableRecord};

/// Where a saga stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SagaState {
    /// Going forward.
    Running,
    /// Taking back what was done.
    Compensating,
    /// Waiting for a person; the reason is shown with it.
    Paused,
    /// An undo failed too often; it is tried again rarely.
    Stuck,
    /// Set aside: this binary cannot read it or does not know its definition; the cause is shown with it.
    Parked,
    /// Every step is done.
    Completed,
    /// Every required undo has a recorded success.
    Compensated,
    /// As compensated, but a person vouched for at least one undo.
    CompensatedByHand,
    /// A person gave it up.
    Abandoned,
}

impl SagaState {
    /// Whether nothing more will happen.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated | Self::CompensatedByHand | Self::Abandoned)
    }

    /// The state's name, as in JSON and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Paused => "paused",
            Self::Stuck => "stuck",
            Self::Parked => "parked",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::CompensatedByHand => "compensatedByHand",
            Self::Abandoned => "abandoned",
        }
    }

    /// All states, in the order in which they are listed.
    pub const ALL: [Self; 9] = [
        Self::Running,
        Self::Compensating,
        Self::Paused,
        Self::Stuck,
        Self::Parked,
        Self::Completed,
        Self::Compensated,
        Self::CompensatedByHand,
        Self::Abandoned,
    ];
}

/// How a saga ended, in its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EndState {
    Completed,
    Compensated,
    CompensatedByHand,
    Abandoned,
}

impl From<EndState> for SagaState {
    fn from(end: EndState) -> Self {
        match end {
            EndState::Completed => Self::Completed,
            EndState::Compensated => Self::Compensated,
            EndState::CompensatedByHand => Self::CompensatedByHand,
            EndState::Abandoned => Self::Abandoned,
        }
    }
}

/// Why a saga takes back what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CompensationCause {
    /// A step was rejected: the business says no.
    Rejected,
    /// A step failed.
    Failed,
    /// A step's outcome stayed unknown through all its attempts.
    Lost,
    /// The deadline before the pivot passed.
    Deadline,
    /// The caller cancelled.
    Cancelled,
    /// An operator asked for it.
    Operator,
}

/// What is recorded about one step's forward direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forward {
    Idle,
    Intended,
    Unknown,
    Failed,
    Rejected,
    Done,
}

/// What is recorded about one step's undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backward {
    Idle,
    Intended,
    Failed,
    Stuck,
    Done,
}

#[derive(Debug, Clone)]
pub(crate) struct StepState {
    pub(crate) name: Arc<str>,
    pub(crate) forward: Forward,
    /// Whether an attempt was made of which nobody knows what came of it: it may still be on its way.
    pub(crate) in_doubt: bool,
    pub(crate) attempt: u32,
    pub(crate) backward: Backward,
    pub(crate) undo_attempt: u32,
}

/// Why a saga compensates, with the step and the reason.
#[derive(Debug, Clone)]
pub(crate) struct Compensation {
    pub(crate) cause: CompensationCause,
    pub(crate) step: Option<Arc<str>>,
    pub(crate) reason: Arc<Value>,
}

/// Everything that the records say.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) started: Arc<SagaStarted>,
    pub(crate) started_at: Timestamp,
    pub(crate) epoch: u32,
    pub(crate) runner: Arc<str>,
    pub(crate) version: StreamVersion,
    pub(crate) steps: Vec<StepState>,
    pub(crate) outputs: Arc<Outputs>,
    /// The participants' positions.
    pub(crate) positions: Arc<PositionToken>,
    pub(crate) committed: bool,
    /// Where the saga's own log stood at the commitment; known once it is durable.
    pub(crate) committed_at: Option<Position>,
    pub(crate) compensation: Option<Compensation>,
    pub(crate) paused: Option<Arc<str>>,
    pub(crate) ended: Option<EndState>,
    pub(crate) by_hand: bool,
}

impl Folded {
    /// The state after `SagaStarted`; with the definition, the steps have the definition's indices.
    pub(crate) fn new(started: Arc<SagaStarted>, started_at: Timestamp, definition: Option<&SagaDefinition>) -> Self {
        let steps = definition.map_or_else(Vec::new, |definition| {
            definition.graph().iter().map(|step| StepState::new(&step.name)).collect()
        });
        Self {
            started_at,
            epoch: started.epoch,
            runner: Arc::clone(&started.runner),
            version: StreamVersion::NONE,
            steps,
            outputs: Arc::default(),
            positions: Arc::default(),
            committed: started.commits,
            committed_at: None,
            compensation: None,
            paused: None,
            ended: None,
            by_hand: false,
            started,
        }
    }

    /// Folds a whole stream. `definition` finds the definition by name and hash; without it the steps have no fixed indices.
    pub(crate) fn read(
        events: &[RecordedEvent],
        definition: impl FnOnce(&SagaStarted) -> Option<SagaDefinition>,
    ) -> Result<Self, UnreadableRecord> {
        let (first, rest) = events.split_first().ok_or(UnreadableRecord::Headless)?;
        let Record::SagaStarted(started) = Record::read(first)? else { return Err(UnreadableRecord::Headless) };
        let definition = definition(&started);
        let mut state = Self::new(Arc::new(started), first.metadata.timestamp, definition.as_ref());
        state.version = first.version();
        if state.committed {
            state.committed_at = Some(first.position);
        }
        for event in rest {
            state.evolve(&Record::read(event)?);
            state.version = event.version();
            if state.committed && state.committed_at.is_none() {
                state.committed_at = Some(event.position);
            }
        }
        Ok(state)
    }

    /// Applies one record. Does not touch the version: that is the store's.
    pub(crate) fn evolve(&mut self, record: &Record) {
        match record {
            Record::SagaStarted(_) => {}
            Record::StepIntended(intended) => {
                let step = self.step(&intended.step);
                step.in_doubt |= matches!(step.forward, Forward::Intended | Forward::Unknown);
                step.forward = Forward::Intended;
                step.attempt = intended.attempt;
            }
            Record::StepDone(done) => {
                let step = self.step(&done.step);
                step.forward = Forward::Done;
                step.attempt = done.attempt;
                Arc::make_mut(&mut self.outputs).put(&done.step, Arc::clone(&done.output));
                self.merge(done.position.as_deref());
                self.committed |= done.commits;
            }
            Record::StepRejected(rejected) => self.forward(&rejected.step, rejected.attempt, Forward::Rejected),
            Record::StepFailed(failed) => self.forward(&failed.step, failed.attempt, Forward::Failed),
            Record::StepUnknown(unknown) => self.forward(&unknown.step, unknown.attempt, Forward::Unknown),
            Record::CompensationStarted(begun) => {
                let step = begun.step.clone();
                let reason = Arc::new(begun.reason.clone());
                self.compensation = Some(Compensation { cause: begun.cause, step, reason });
                self.paused = None;
            }
            Record::UndoIntended(intended) => {
                let step = self.step(&intended.step);
                // A stuck undo that is tried again stays shown as stuck until it succeeds.
                if step.backward != Backward::Stuck {
                    step.backward = Backward::Intended;
                }
                step.undo_attempt = intended.attempt;
            }
            Record::UndoDone(done) => {
                let step = self.step(&done.step);
                step.backward = Backward::Done;
                step.undo_attempt = done.attempt;
                self.merge(done.position.as_deref());
                self.by_hand |= done.by_hand;
            }
            Record::UndoFailed(failed) => {
                let step = self.step(&failed.step);
                step.backward = if failed.stuck { Backward::Stuck } else { Backward::Failed };
                step.undo_attempt = failed.attempt;
            }
            Record::EpochClaimed(claimed) => {
                self.epoch = claimed.epoch;
                self.runner = Arc::clone(&claimed.runner);
            }
            Record::SagaPaused(paused) => self.paused = Some(paused.reason.as_str().into()),
            Record::SagaResumed(_) => self.paused = None,
            Record::OperatorActed(_) => {}
            Record::SagaEnded(ended) => {
                self.ended = Some(ended.state);
                self.paused = None;
            }
        }
    }

    /// Where the saga stands.
    pub(crate) fn state(&self) -> SagaState {
        if let Some(end) = self.ended {
            return end.into();
        }
        if self.paused.is_some() {
            return SagaState::Paused;
        }
        if self.steps.iter().any(|step| step.backward == Backward::Stuck) {
            return SagaState::Stuck;
        }
        if self.compensation.is_some() { SagaState::Compensating } else { SagaState::Running }
    }

    fn forward(&mut self, name: &Arc<str>, attempt: u32, forward: Forward) {
        let step = self.step(name);
        step.forward = forward;
        step.attempt = attempt;
    }

    fn step(&mut self, name: &Arc<str>) -> &mut StepState {
        let found = self.steps.iter().position(|step| step.name == *name);
        let index = found.unwrap_or_else(|| {
            self.steps.push(StepState::new(name));
            self.steps.len() - 1
        });
        &mut self.steps[index]
    }

    /// Raises the participants' positions. A token that this binary cannot read is left out: it only makes a later read wait
    /// less, and must not make the saga unreadable.
    fn merge(&mut self, position: Option<&str>) {
        let Some(token) = position.and_then(|text| text.parse::<PositionToken>().ok()) else { return };
        let positions = Arc::make_mut(&mut self.positions);
        for (log, epoch, position) in token.components() {
            positions.raise(log.clone(), epoch, position);
        }
    }
}

impl StepState {
    fn new(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            forward: Forward::Idle,
            in_doubt: false,
            attempt: 0,
            backward: Backward::Idle,
            undo_attempt: 0,
        }
    }
}

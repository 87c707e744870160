//! A saga's story, for people: every step with its attempts, and what operators did. The input is never part of it.

use std::sync::Arc;

use madrigal_core::{PersonId, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{SagaDefinition, StepKind};
use crate::id::SagaId;
use crate::record::{Record, SagaStarted};
use crate::state::{CompensationCause, Folded, SagaState};

/// Everything that happened to one saga.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaStory {
    /// The saga.
    pub saga_id: SagaId,
    /// The definition's name.
    pub definition: Arc<str>,
    /// The definition's version.
    pub definition_version: u32,
    /// The definition's hash.
    pub definition_hash: Arc<str>,
    /// Where the saga stands.
    pub state: SagaState,
    /// Why it is paused, compensating or set aside.
    pub reason: Option<String>,
    /// Why it compensates, if it does.
    pub cause: Option<CompensationCause>,
    /// On whose behalf it runs.
    pub owner: Option<PersonId>,
    /// The request that started it.
    pub correlation_id: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
    /// When its last record was written.
    pub last_progress_at: Timestamp,
    /// When it was committed, if it is.
    pub committed_at: Option<Timestamp>,
    /// How often a runner claimed it, its start included.
    pub epoch: u32,
    /// The steps in the definition's order.
    pub steps: Vec<StepStory>,
    /// What operators did.
    pub operator: Vec<OperatorStory>,
}

/// What happened to one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepStory {
    /// The step's name.
    pub name: Arc<str>,
    /// Its kind; `None` where the definition is not known.
    pub kind: Option<StepKind>,
    /// Where it stands: `waiting`, `running`, `unknown`, `failed`, `rejected`, `done`, `skipped`, `undoing`, `undoFailed`, `stuck`,
    /// `undone`.
    pub state: String,
    /// The recorded attempts of going forward.
    pub attempts: Vec<AttemptStory>,
    /// The recorded attempts of undoing it.
    pub undo: Vec<AttemptStory>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStory {
    /// When its intent was written; of a local step, when it was done.
    pub started_at: Timestamp,
    /// When its outcome was written.
    pub ended_at: Option<Timestamp>,
    /// `done`, `given`, `rejected`, `failed`, `unknown`, `nothingToUndo`, `byHand`; `None` while it runs or if it was interrupted.
    pub outcome: Option<String>,
    /// The reason or what was seen; of a step that is done, its output.
    pub detail: Option<Value>,
}

/// One act of an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorStory {
    /// When.
    pub at: Timestamp,
    /// The verb.
    pub verb: String,
    /// The step it was applied to.
    pub step: Option<Arc<str>>,
    /// Who did it.
    pub who: String,
    /// Why.
    pub why: String,
    /// What proves it.
    pub evidence: Option<String>,
}

impl SagaStory {
    /// The story that the events of a saga's stream tell; `None` if they do not begin with a start that can be read. Records after it
    /// that cannot be read are left out, and the saga is shown as parked.
    pub(crate) fn of(
        id: SagaId,
        events: &[RecordedEvent],
        definition: impl FnOnce(&str) -> Option<SagaDefinition>,
    ) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        let Ok(Record::SagaStarted(started)) = Record::read(first) else { return None };
        let definition = definition(&started.hash);
        let mut story = Self::begin(id, first, &started, definition.as_ref());
        let mut folded = Folded::new(Arc::new(started), first.metadata.timestamp, definition.as_ref());
        let mut readable = definition.is_some();
        for event in rest {
            story.last_progress_at = event.metadata.timestamp;
            match Record::read(event) {
                Ok(record) => {
                    story.apply(event.metadata.timestamp, &record);
                    folded.evolve(&record);
                }
                Err(error) => {
                    readable = false;
                    story.reason = Some(error.to_string());
                }
            }
        }
        story.epoch = folded.epoch;
        story.state = folded.state();
        if !readable && !story.state.is_ended() {
            story.state = SagaState::Parked;
            story.reason.get_or_insert_with(|| "no definition of this binary has its hash".to_owned());
        }
        Some(story)
    }

    fn begin(id: SagaId, first: &RecordedEvent, started: &SagaStarted, definition: Option<&SagaDefinition>) -> Self {
        let steps = definition.map_or_else(Vec::new, |definition| {
            definition.steps().map(|(name, kind)| StepStory::new(&Arc::from(name), Some(kind))).collect()
        });
        let at = first.metadata.timestamp;
        Self {
            saga_id: id,
            definition: Arc::clone(&started.definition),
            definition_version: started.definition_version,
            definition_hash: Arc::clone(&started.hash),
            state: SagaState::Running,
            reason: None,
            cause: None,
            owner: started.owner,
            correlation_id: first.metadata.correlation_id.as_ref().map(|id| id.as_str().to_owned()),
            started_at: at,
            last_progress_at: at,
            committed_at: started.commits.then_some(at),
            epoch: started.epoch,
            steps,
            operator: Vec::new(),
        }
    }

    fn apply(&mut self, at: Timestamp, record: &Record) {
        match record {
            Record::StepIntended(intended) => {
                let step = self.step(&intended.step);
                step.state = "running".to_owned();
                step.attempts.push(AttemptStory::begun(at));
            }
            Record::StepDone(done) => {
                if done.commits {
                    self.committed_at = Some(at);
                }
                let (state, outcome) = if done.given { ("skipped", "given") } else { ("done", "done") };
                self.step(&done.step).forward(at, state, outcome, Some(Value::clone(&done.output)));
            }
            Record::StepRejected(rejected) => {
                let detail = Some(rejected.reason.clone());
                self.step(&rejected.step).forward(at, "rejected", "rejected", detail);
            }
            Record::StepFailed(failed) => {
                self.step(&failed.step).forward(at, "failed", "failed", Some(failed.reason.clone()));
            }
            Record::StepUnknown(unknown) => {
                let detail = Some(Value::from(unknown.detail.as_str()));
                self.step(&unknown.step).forward(at, "unknown", "unknown", detail);
            }
            Record::CompensationStarted(begun) => {
                self.cause = Some(begun.cause);
                self.reason = Some(begun.reason.as_str().map_or_else(|| begun.reason.to_string(), str::to_owned));
            }
            Record::UndoIntended(intended) => {
                let step = self.step(&intended.step);
                step.state = "undoing".to_owned();
                step.undo.push(AttemptStory::begun(at));
            }
            Record::UndoDone(done) => {
                let outcome = match (done.by_hand, done.nothing_to_undo) {
                    (true, _) => "byHand",
                    (false, true) => "nothingToUndo",
                    (false, false) => "done",
                };
                self.step(&done.step).backward(at, "undone", outcome, None);
            }
            Record::UndoFailed(failed) => {
                let state = if failed.stuck { "stuck" } else { "undoFailed" };
                self.step(&failed.step).backward(at, state, "failed", Some(failed.detail.clone()));
            }
            Record::SagaPaused(paused) => self.reason = Some(paused.reason.clone()),
            Record::SagaResumed(_) => self.reason = None,
            Record::OperatorActed(acted) => self.operator.push(OperatorStory {
                at,
                verb: acted.verb.to_string(),
                step: acted.step.clone(),
                who: acted.who.clone(),
                why: acted.why.clone(),
                evidence: acted.evidence.clone(),
            }),
            Record::SagaStarted(_) | Record::EpochClaimed(_) | Record::SagaEnded(_) => {}
        }
    }

    fn step(&mut self, name: &Arc<str>) -> &mut StepStory {
        let found = self.steps.iter().position(|step| step.name == *name);
        let index = found.unwrap_or_else(|| {
            self.steps.push(StepStory::new(name, None));
            self.steps.len() - 1
        });
        &mut self.steps[index]
    }
}

impl StepStory {
    fn new(name: &Arc<str>, kind: Option<StepKind>) -> Self {
        let state = "waiting".to_owned();
        Self { name: Arc::clone(name), kind, state, attempts: Vec::new(), undo: Vec::new() }
    }

    fn forward(&mut self, at: Timestamp, state: &str, outcome: &str, detail: Option<Value>) {
        state.clone_into(&mut self.state);
        end(&mut self.attempts, at, outcome, detail);
    }

    fn backward(&mut self, at: Timestamp, state: &str, outcome: &str, detail: Option<Value>) {
        state.clone_into(&mut self.state);
        end(&mut self.undo, at, outcome, detail);
    }
}

impl AttemptStory {
    const fn begun(at: Timestamp) -> Self {
        Self { started_at: at, ended_at: None, outcome: None, detail: None }
    }
}

/// Ends the attempt that is under way; where none is recorded (a local step, a step given by an operator) it began and ended here.
fn end(attempts: &mut Vec<AttemptStory>, at: Timestamp, outcome: &str, detail: Option<Value>) {
    if attempts.last().is_none_or(|last| last.outcome.is_some()) {
        attempts.push(AttemptStory::begun(at));
    }
    if let Some(last) = attempts.last_mut() {
        last.ended_at = Some(at);
        last.outcome = Some(outcome.to_owned());
        last.detail = detail;
    }
}

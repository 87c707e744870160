//! Wishes from outside: cancellation and the operator's verbs, checked against the state and recorded.

use std::sync::Arc;

use serde_json::Value;

use super::{Busy, Runner};
use crate::engine::live::{self, Message};
use crate::engine::operate::{OperateError, Verb};
use crate::record::{OperatorActed, SagaEnded, SagaPaused, SagaResumed, StepDone, UndoDone};
use crate::state::{CompensationCause, EndState, Forward, SagaState};

impl Runner {
    pub(super) fn read_mail(&mut self) {
        if !self.live.has_mail() {
            return;
        }
        for message in self.live.take_mail() {
            let (reply, answer) = match message {
                Message::Cancel { by, reply } => (reply, self.cancel(&by)),
                Message::Operate { verb, who, why, reply } => (reply, self.operate(&verb, &who, why)),
            };
            // Answered when what it led to is durable.
            self.replies.push((reply, answer));
            self.urgent = true;
        }
    }

    fn cancel(&mut self, by: &str) -> Result<(), OperateError> {
        if self.state.ended.is_some() && self.state.compensation.is_none() {
            return Err(self.not_now("cancel"));
        }
        if self.state.compensation.is_some() {
            return Ok(());
        }
        self.check_before_pivot()?;
        self.compensate(CompensationCause::Cancelled, None, live::reason("cancelledBy", by));
        Ok(())
    }

    fn operate(&mut self, verb: &Verb, who: &str, why: String) -> Result<(), OperateError> {
        let state = self.state_now();
        if state.is_ended() {
            return Err(self.not_now(verb.name()));
        }
        let (step, evidence) = self.check(verb, state)?;
        let epoch = self.state.epoch;
        let name = step.map(|step| Arc::clone(&self.state.steps[step].name));
        self.push(OperatorActed { epoch, verb: verb.name().into(), step: name, who: who.to_owned(), why, evidence });
        match verb {
            Verb::Pause => self.push(SagaPaused { epoch, reason: format!("by {who}") }),
            Verb::Resume => self.push(SagaResumed { epoch }),
            Verb::RetryNow => self.hurry.call(),
            Verb::Compensate => {
                self.claim();
                self.compensate(CompensationCause::Operator, None, live::reason("operator", who));
            }
            Verb::Skip { output, .. } => self.skip(step, output),
            Verb::MarkUndone { .. } => self.mark_undone(step),
            Verb::Abandon => self.push(SagaEnded { epoch, state: EndState::Abandoned }),
        }
        Ok(())
    }

    /// Whether the verb is possible now; with the step that it names, and the evidence.
    fn check(&self, verb: &Verb, state: SagaState) -> Result<(Option<usize>, Option<String>), OperateError> {
        match verb {
            Verb::Pause if state == SagaState::Paused => Err(self.not_now("pause")),
            Verb::Resume if state != SagaState::Paused => Err(self.not_now("resume")),
            Verb::RetryNow if state == SagaState::Paused => Err(self.not_now("retry")),
            Verb::Compensate => {
                if self.state.committed {
                    return Err(OperateError::AlreadyCommitted);
                }
                if self.state.compensation.is_some() {
                    return Err(self.not_now("compensate"));
                }
                // A person may decide what the engine never does by itself, once no attempt is under way and none will be.
                if self.is_pivot_open() && (state != SagaState::Paused || self.acting()) {
                    return Err(OperateError::PivotUnderWay);
                }
                Ok((None, None))
            }
            Verb::Skip { step, .. } => Ok((Some(self.check_skip(step)?), None)),
            Verb::MarkUndone { step, evidence } => {
                if evidence.trim().is_empty() || evidence.chars().count() > 1_000 {
                    return Err(OperateError::Text { field: "evidence" });
                }
                let index = self.find(step)?;
                if self.state.compensation.is_none() {
                    return Err(self.not_now("mark-undone"));
                }
                if !self.needs_undo(index) {
                    return Err(not_for(step, "has nothing to undo"));
                }
                Ok((Some(index), Some(evidence.clone())))
            }
            Verb::Pause | Verb::Resume | Verb::RetryNow | Verb::Abandon => Ok((None, None)),
        }
    }

    fn check_skip(&self, step: &str) -> Result<usize, OperateError> {
        let index = self.find(step)?;
        if self.state.compensation.is_some() {
            return Err(self.not_now("skip"));
        }
        if self.state.steps[index].forward == Forward::Done {
            return Err(not_for(step, "is done already"));
        }
        if self.steps[index].busy == Busy::Acting {
            return Err(not_for(step, "is under way; pause the saga first"));
        }
        let after = &self.known.definition.graph()[index].after;
        if !after.iter().all(|&before| self.state.steps[before].forward == Forward::Done) {
            return Err(not_for(step, "still waits for other steps"));
        }
        Ok(index)
    }

    fn check_before_pivot(&self) -> Result<(), OperateError> {
        if self.state.committed {
            return Err(OperateError::AlreadyCommitted);
        }
        if self.is_pivot_open() { Err(OperateError::PivotUnderWay) } else { Ok(()) }
    }

    fn skip(&mut self, step: Option<usize>, output: &Value) {
        let Some(step) = step else { return };
        let commits = self.commits(step);
        let record = StepDone {
            epoch: self.state.epoch,
            step: Arc::clone(&self.state.steps[step].name),
            attempt: self.steps[step].attempt,
            output: Arc::new(output.clone()),
            position: None,
            commits,
            given: true,
        };
        self.push(record);
        self.hurry.call();
    }

    fn mark_undone(&mut self, step: Option<usize>) {
        let Some(step) = step else { return };
        let record = UndoDone {
            epoch: self.state.epoch,
            step: Arc::clone(&self.state.steps[step].name),
            attempt: self.steps[step].undo_attempt,
            position: None,
            nothing_to_undo: false,
            by_hand: true,
        };
        self.push(record);
        self.hurry.call();
    }

    fn find(&self, step: &str) -> Result<usize, OperateError> {
        let found = self.known.definition.graph().iter().position(|known| &*known.name == step);
        found.ok_or_else(|| OperateError::NoSuchStep { step: step.to_owned() })
    }

    fn not_now(&self, verb: &'static str) -> OperateError {
        OperateError::NotInThisState { verb, state: self.state_now() }
    }
}

fn not_for(step: &str, problem: &'static str) -> OperateError {
    OperateError::NotForThisStep { step: step.to_owned(), problem }
}

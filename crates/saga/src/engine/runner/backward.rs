//! Going back: undoing in reverse order of the graph what may have had an effect.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::forward::is_recorded;
use super::{Busy, Launch, Runner};
use crate::action::UndoOutcome;
use crate::definition::StepKind;
use crate::engine::backoff;
use crate::record::{SagaEnded, UndoDone, UndoFailed, UndoIntended};
use crate::state::{Backward, EndState, Forward};

impl Runner {
    /// Plans which undos can start now. True if something changed that needs another look.
    pub(super) fn plan_backward(&mut self) -> bool {
        let forward_under_way = self.steps.iter().enumerate().any(|(index, step)| {
            step.busy == Busy::Acting
                && !matches!(self.state.steps[index].backward, Backward::Intended | Backward::Stuck)
        });
        if forward_under_way {
            // An attempt has a limit; what it answers decides whether it has to be undone.
            return false;
        }
        let definition = self.known.definition.clone();
        let mut open = false;
        for (index, step) in definition.graph().iter().enumerate().rev() {
            if !self.needs_undo(index) {
                continue;
            }
            open = true;
            let planned = self.launches.iter().any(|launch| launch.step == index);
            let free = self.steps[index].busy == Busy::No && !planned;
            if free && !step.before.iter().any(|&later| self.needs_undo(later)) {
                self.plan_undo(index);
            }
        }
        if open {
            return false;
        }
        let state = if self.state.by_hand { EndState::CompensatedByHand } else { EndState::Compensated };
        self.push(SagaEnded { epoch: self.state.epoch, state });
        true
    }

    /// Whether the step may have an effect that is not undone yet. Only a rejection is certain to have none, and only if no earlier
    /// attempt may still be on its way: what was refused to one can be granted to the other.
    pub(super) fn needs_undo(&self, step: usize) -> bool {
        let state = &self.state.steps[step];
        let effect = match state.forward {
            Forward::Idle => false,
            Forward::Rejected => state.in_doubt,
            Forward::Intended | Forward::Unknown | Forward::Failed | Forward::Done => true,
        };
        let compensatable = self.known.definition.graph()[step].kind == StepKind::Compensatable;
        compensatable && effect && state.backward != Backward::Done
    }

    fn plan_undo(&mut self, step: usize) {
        let permit = self.steps[step].permit.take().or_else(|| self.known.gates[step].try_enter());
        let Some(permit) = permit else {
            self.wait_for(step, Duration::ZERO);
            return;
        };
        self.steps[step].undo_attempt += 1;
        let attempt = self.steps[step].undo_attempt;
        let name = Arc::clone(&self.state.steps[step].name);
        self.push(UndoIntended { epoch: self.state.epoch, step: name, attempt });
        let cause = self.last_record_id();
        self.launches.push(Launch { step, permit, undo: true, cause });
    }

    pub(super) fn take_undo(&mut self, step: usize, outcome: UndoOutcome) {
        if self.state.steps[step].backward == Backward::Done {
            // A person vouched for it meanwhile.
            return;
        }
        match outcome {
            UndoOutcome::Done { position } => self.undone(step, position.map(|token| token.to_string()), false),
            UndoOutcome::NothingToUndo => self.undone(step, None, true),
            UndoOutcome::Failed { reason } => self.undo_failed(step, reason, None),
            UndoOutcome::Unknown { detail, retry_after } => self.undo_failed(step, Value::from(detail), retry_after),
        }
    }

    fn undone(&mut self, step: usize, position: Option<String>, nothing_to_undo: bool) {
        let record = UndoDone {
            epoch: self.state.epoch,
            step: Arc::clone(&self.state.steps[step].name),
            attempt: self.steps[step].undo_attempt,
            position,
            nothing_to_undo,
            by_hand: false,
        };
        self.push(record);
    }

    fn undo_failed(&mut self, step: usize, detail: Value, retry_after: Option<Duration>) {
        let limits = self.known.definition.graph()[step].limits;
        let attempt = self.steps[step].undo_attempt;
        let stuck = attempt >= limits.attempts;
        if is_recorded(attempt) || attempt == limits.attempts {
            let name = Arc::clone(&self.state.steps[step].name);
            self.push(UndoFailed { epoch: self.state.epoch, step: name, attempt, detail, stuck });
        } else {
            self.state.steps[step].backward = if stuck { Backward::Stuck } else { Backward::Failed };
        }
        let wait = if stuck {
            let rarely = self.shared.options.stuck_retry;
            let jitter = backoff(&self.shared.host, rarely.mul_f32(0.4), rarely, 1);
            rarely.mul_f32(0.8) + jitter
        } else {
            let jitter = backoff(&self.shared.host, limits.backoff, limits.backoff_cap, attempt);
            retry_after.map_or(jitter, |asked| asked + jitter)
        };
        self.wait_for(step, wait);
    }
}

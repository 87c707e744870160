//! Going forward: which steps are next, and what an outcome means.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use madrigal_core::spans::Doing;
use madrigal_core::{StreamVersion, tasks};
use madrigal_event_store::StreamAppend;
use serde_json::Value;

use super::write::Local;
use super::{Busy, Exit, Launch, Runner};
use crate::action::{LocalDecision, StepOutcome};
use crate::definition::{Step, StepKind, Work};
use crate::engine::{backoff, live};
use crate::record::{
    CompensationStarted, EpochClaimed, SagaEnded, SagaPaused, StepDone, StepFailed, StepIntended, StepRejected,
    StepUnknown,
};
use crate::state::{CompensationCause, EndState, Forward};

/// Attempts up to this one are recorded each; later ones when their number is a power of two, so that a participant that is down
/// for a day does not fill the log.
const RECORDED_ATTEMPTS: u32 = 8;
/// Rounds of attempts on a pivot whose outcome is unknown, each under a new epoch, before a person is asked.
const PIVOT_ROUNDS: u32 = 3;

impl Runner {
    /// Plans what can start now. True if something changed that needs another look.
    pub(super) async fn plan_forward(&mut self) -> Result<bool, Exit> {
        if self.until_deadline().is_some_and(|left| left.is_zero()) && !self.is_pivot_open() {
            self.compensate(CompensationCause::Deadline, None, live::reason("deadline", "it passed before the pivot"));
            return Ok(true);
        }
        let definition = self.known.definition.clone();
        let steps = definition.graph();
        let mut done = 0;
        for (index, step) in steps.iter().enumerate() {
            if self.state.steps[index].forward == Forward::Done {
                done += 1;
                continue;
            }
            if self.steps[index].busy != Busy::No || self.launches.iter().any(|launch| launch.step == index) {
                continue;
            }
            if !step.after.iter().all(|&before| self.state.steps[before].forward == Forward::Done) {
                self.steps[index].permit = None;
                continue;
            }
            if step.kind == StepKind::Compensatable && self.is_overdue(index) {
                let reason = live::reason("deadline", "the step's own deadline passed");
                self.compensate(CompensationCause::Deadline, Some(index), reason);
                return Ok(true);
            }
            if step.is_local() {
                if self.local.is_some() && !self.flush().await? {
                    return Ok(true);
                }
                self.decide(index, step).await?;
                return Ok(true);
            }
            self.plan_launch(index);
        }
        if done == steps.len() {
            self.push(SagaEnded { epoch: self.state.epoch, state: EndState::Completed });
            return Ok(true);
        }
        Ok(false)
    }

    fn plan_launch(&mut self, step: usize) {
        let permit = self.steps[step].permit.take().or_else(|| self.known.gates[step].try_enter());
        let Some(permit) = permit else {
            self.wait_for(step, Duration::ZERO);
            return;
        };
        self.steps[step].since.get_or_insert_with(tasks::instant);
        self.steps[step].attempt += 1;
        let attempt = self.steps[step].attempt;
        if is_recorded(attempt) || self.state.steps[step].forward == Forward::Idle {
            let name = Arc::clone(&self.state.steps[step].name);
            self.push(StepIntended { epoch: self.state.epoch, step: name, attempt });
        }
        let cause = self.last_record_id();
        self.launches.push(Launch { step, permit, undo: false, cause });
    }

    /// The id of the record that was queued last.
    pub(super) fn last_record_id(&self) -> madrigal_core::EventId {
        let version = StreamVersion(self.state.version.0 + self.pending.len() as u64);
        self.live.id.record_id(self.state.epoch, version)
    }

    async fn decide(&mut self, index: usize, step: &Step) -> Result<(), Exit> {
        let Work::Local(action) = &step.work else { return Ok(()) };
        self.steps[index].since.get_or_insert_with(tasks::instant);
        self.steps[index].attempt += 1;
        let attempt = self.steps[index].attempt;
        let limit = step.limits.attempt;
        let mut context = self.context(index, attempt, limit, Some(self.last_record_id()));
        let mut span = self.span(Doing::Step, &mut context);
        let answer = tasks::within(limit, AssertUnwindSafe(action.decide(&context)).catch_unwind()).await;
        if !matches!(answer, Some(Ok(LocalDecision::Commit { .. }))) {
            span.fail("not decided");
        }
        drop(span);
        match answer {
            Some(Ok(LocalDecision::Commit { appends, output })) => self.take_commit(index, appends, output),
            Some(Ok(LocalDecision::Rejected { reason })) => self.take_rejection(index, reason),
            Some(Ok(LocalDecision::Unknown { detail })) => self.take_unknown(index, detail, None),
            Some(Err(_)) => self.take_unknown(index, "the decision panicked".to_owned(), None),
            None => self.take_unknown(index, format!("no decision within {} ms", limit.as_millis()), None),
        }
        Ok(())
    }

    fn take_commit(&mut self, index: usize, appends: Vec<StreamAppend>, output: Value) {
        if appends.iter().any(|append| append.stream == self.stream) {
            self.take_unknown(index, "the step wants to write the saga's own stream".to_owned(), None);
            return;
        }
        let (before, pending_before) = (self.state.clone(), self.pending.len());
        self.done(index, output, None);
        self.urgent = true;
        self.local = Some(Local { step: index, appends, before, pending_before });
    }

    pub(super) fn take_outcome(&mut self, step: usize, outcome: StepOutcome) {
        match outcome {
            StepOutcome::Done { output, position } => {
                let position = position.map(|token| token.to_string());
                self.done(step, output, position);
            }
            StepOutcome::Rejected { reason } => self.take_rejection(step, reason),
            StepOutcome::Failed { reason } => self.take_failure(step, reason),
            StepOutcome::Unknown { detail, retry_after } => self.take_unknown(step, detail, retry_after),
        }
    }

    fn done(&mut self, step: usize, output: Value, position: Option<String>) {
        let commits = self.commits(step);
        let record = StepDone {
            epoch: self.state.epoch,
            step: Arc::clone(&self.state.steps[step].name),
            attempt: self.steps[step].attempt,
            output: Arc::new(output),
            position,
            commits,
            given: false,
        };
        self.push(record);
        self.urgent |= commits;
    }

    /// Whether the saga is committed once this step is done.
    pub(super) fn commits(&self, step: usize) -> bool {
        if !self.is_before_commitment() {
            return false;
        }
        let steps = self.known.definition.graph();
        match steps[step].kind {
            StepKind::Pivot => true,
            StepKind::Retriable => false,
            StepKind::Compensatable => {
                let open = |(index, other): (usize, &Step)| match other.kind {
                    StepKind::Pivot => true,
                    StepKind::Retriable => false,
                    StepKind::Compensatable => index != step && self.state.steps[index].forward != Forward::Done,
                };
                !steps.iter().enumerate().any(open)
            }
        }
    }

    fn take_rejection(&mut self, step: usize, reason: Value) {
        let planned = &self.known.definition.graph()[step];
        let (kind, limits) = (planned.kind, planned.limits);
        let attempt = self.steps[step].attempt;
        let name = Arc::clone(&self.state.steps[step].name);
        if is_recorded(attempt) || kind != StepKind::Retriable {
            let epoch = self.state.epoch;
            self.push(StepRejected { epoch, step: name, attempt, reason: reason.clone() });
        }
        if kind != StepKind::Retriable {
            self.compensate(CompensationCause::Rejected, Some(step), reason);
            return;
        }
        self.steps[step].strikes += 1;
        if self.steps[step].strikes >= limits.attempts {
            self.pause(step, "is refused", &reason.to_string());
        } else {
            self.back_off(step, None);
        }
    }

    fn take_failure(&mut self, step: usize, reason: Value) {
        let kind = self.known.definition.graph()[step].kind;
        let attempt = self.steps[step].attempt;
        let name = Arc::clone(&self.state.steps[step].name);
        if is_recorded(attempt) || kind == StepKind::Compensatable {
            let epoch = self.state.epoch;
            self.push(StepFailed { epoch, step: name, attempt, reason: reason.clone() });
        }
        match kind {
            StepKind::Compensatable => self.compensate(CompensationCause::Failed, Some(step), reason),
            // Effects are possible and cannot be undone: ask again until it is known.
            StepKind::Pivot => self.ask_pivot_again(step, &reason.to_string(), None),
            StepKind::Retriable => self.back_off(step, None),
        }
    }

    pub(super) fn take_unknown(&mut self, step: usize, detail: String, retry_after: Option<Duration>) {
        let planned = &self.known.definition.graph()[step];
        let (kind, limits, local) = (planned.kind, planned.limits, planned.is_local());
        let attempt = self.steps[step].attempt;
        let exhausted = attempt.is_multiple_of(limits.attempts) || self.is_overdue(step);
        if is_recorded(attempt) || (exhausted && kind == StepKind::Compensatable) {
            let name = Arc::clone(&self.state.steps[step].name);
            self.push(StepUnknown { epoch: self.state.epoch, step: name, attempt, detail: detail.clone() });
        }
        if self.state.compensation.is_some() {
            return;
        }
        match kind {
            StepKind::Pivot if !local => self.ask_pivot_again(step, &detail, retry_after),
            // A local step that could not be decided had no effect, so a local pivot may be given up.
            StepKind::Compensatable | StepKind::Pivot if exhausted => {
                self.compensate(CompensationCause::Lost, Some(step), Value::from(detail));
            }
            StepKind::Compensatable | StepKind::Pivot | StepKind::Retriable => self.back_off(step, retry_after),
        }
    }

    /// A pivot whose outcome is unknown is never compensated blindly: after each round of attempts a new epoch makes sure that
    /// nobody else decides it, and after the last round a person is asked.
    fn ask_pivot_again(&mut self, step: usize, detail: &str, retry_after: Option<Duration>) {
        if self.state.compensation.is_some() {
            return;
        }
        let limits = self.known.definition.graph()[step].limits;
        if self.steps[step].attempt.is_multiple_of(limits.attempts) {
            self.claim();
            self.steps[step].strikes += 1;
            if self.steps[step].strikes >= PIVOT_ROUNDS {
                self.pause(step, "has an unknown outcome", detail);
                return;
            }
        }
        self.back_off(step, retry_after);
    }

    pub(super) fn claim(&mut self) {
        let epoch = self.state.epoch + 1;
        let runner = Arc::clone(&self.shared.runner);
        self.push(EpochClaimed { epoch, runner });
    }

    fn pause(&mut self, step: usize, what: &str, detail: &str) {
        self.steps[step].strikes = 0;
        let reason = format!("step {} {what}: {detail}", self.state.steps[step].name);
        self.push(SagaPaused { epoch: self.state.epoch, reason });
    }

    fn back_off(&mut self, step: usize, retry_after: Option<Duration>) {
        if self.state.compensation.is_some() {
            return;
        }
        let limits = self.known.definition.graph()[step].limits;
        let round = (self.steps[step].attempt - 1) % limits.attempts + 1;
        let round = if self.known.definition.graph()[step].kind == StepKind::Retriable {
            self.steps[step].attempt
        } else {
            round
        };
        let jitter = backoff(&self.shared.host, limits.backoff, limits.backoff_cap, round);
        self.wait_for(step, retry_after.map_or(jitter, |asked| asked + jitter));
    }

    /// Turns round: from here on the saga takes back what it did.
    pub(super) fn compensate(&mut self, cause: CompensationCause, step: Option<usize>, reason: Value) {
        if self.state.compensation.is_some() {
            return;
        }
        let step = step.map(|step| Arc::clone(&self.state.steps[step].name));
        self.push(CompensationStarted { epoch: self.state.epoch, cause, step, reason });
        // Steps that only wait must not hold up their own undo.
        self.hurry.call();
    }

    /// Whether the pivot was sent to its participant and its outcome is not known.
    pub(super) fn is_pivot_open(&self) -> bool {
        let steps = self.known.definition.graph().iter().zip(&self.state.steps);
        steps.into_iter().any(|(step, state)| {
            let open = matches!(state.forward, Forward::Intended | Forward::Unknown | Forward::Failed);
            step.kind == StepKind::Pivot && !step.is_local() && open
        })
    }
}

pub(super) fn is_recorded(attempt: u32) -> bool {
    attempt <= RECORDED_ATTEMPTS || attempt.is_power_of_two()
}

//! Acting: one attempt of a step or of an undo, within its limit, never panicking into the engine; and waiting for the next.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use madrigal_core::spans::{Doing, Span};
use madrigal_core::tasks::{self, Instant};
use madrigal_core::{CallContext, EventId};

use super::{Busy, Happening, Launch, Runner};
use crate::action::{StepContext, StepOutcome, UndoOutcome};
use crate::definition::{StepKind, Work};

impl Runner {
    pub(super) fn context(&self, step: usize, attempt: u32, limit: Duration, cause: Option<EventId>) -> StepContext {
        StepContext {
            saga_id: self.live.id,
            definition: Arc::clone(&self.state.started.definition),
            step: Arc::clone(&self.state.steps[step].name),
            input: Arc::clone(&self.state.started.input),
            outputs: Arc::clone(&self.state.outputs),
            attempt,
            call: CallContext { causation_id: cause, deadline: Some(tasks::instant() + limit), ..self.call.clone() },
            started_at: self.state.started_at,
        }
    }

    /// The span of one attempt, in which `context` is from here on; part of the saga's.
    pub(super) fn span(&self, doing: Doing, context: &mut StepContext) -> Span {
        let saga = self.span.traceparent();
        let mut span = Span::begin(self.shared.options.service, doing, &context.step, saga.as_deref());
        span.note("madrigal.saga.attempt", || context.attempt);
        span.enter(&mut context.call);
        span
    }

    /// How long an attempt may take: its limit, and before the pivot not beyond the saga's deadline.
    pub(super) fn attempt_limit(&self, step: usize) -> Duration {
        let planned = &self.known.definition.graph()[step];
        let limit = planned.limits.attempt;
        match self.until_deadline() {
            Some(left) if planned.kind == StepKind::Compensatable && self.state.compensation.is_none() => {
                limit.min(left.max(Duration::from_millis(1)))
            }
            _ => limit,
        }
    }

    /// The time until the deadline before the pivot; `None` where there is none, or it does not count any more.
    pub(super) fn until_deadline(&self) -> Option<Duration> {
        let deadline = self.state.started.deadline.filter(|_| self.is_before_commitment())?;
        Some(deadline.since(self.shared.host.now()))
    }

    pub(super) fn launch_all(&mut self) {
        for launch in std::mem::take(&mut self.launches) {
            self.launch(launch);
        }
    }

    fn launch(&mut self, launch: Launch) {
        let Launch { step, permit, undo, cause } = launch;
        let limit = self.attempt_limit(step);
        let attempt = if undo { self.steps[step].undo_attempt } else { self.steps[step].attempt };
        let mut context = self.context(step, attempt, limit, Some(cause));
        let mut span = self.span(if undo { Doing::Undo } else { Doing::Step }, &mut context);
        let Work::Remote { action, undo: undo_action } = &self.known.definition.graph()[step].work else { return };
        self.steps[step].busy = Busy::Acting;
        if !undo {
            let action = Arc::clone(action);
            self.flights.push(Box::pin(async move {
                let answer = tasks::within(limit, AssertUnwindSafe(action.run(&context)).catch_unwind()).await;
                let outcome = match answer {
                    Some(Ok(outcome)) => outcome,
                    Some(Err(_)) => StepOutcome::unknown("the action panicked"),
                    None => StepOutcome::unknown(no_answer(limit)),
                };
                permit.settle(!matches!(outcome, StepOutcome::Unknown { .. }));
                match &outcome {
                    StepOutcome::Done { .. } => {}
                    StepOutcome::Rejected { .. } => span.fail("rejected"),
                    StepOutcome::Failed { .. } => span.fail("failed"),
                    StepOutcome::Unknown { .. } => span.fail("its outcome is unknown"),
                }
                Happening::Forward { step, outcome }
            }));
            return;
        }
        let Some(undo_action) = undo_action.clone() else { return };
        self.flights.push(Box::pin(async move {
            let answer = tasks::within(limit, AssertUnwindSafe(undo_action.undo(&context)).catch_unwind()).await;
            let outcome = match answer {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) => UndoOutcome::Unknown { detail: "the undo panicked".to_owned(), retry_after: None },
                None => UndoOutcome::Unknown { detail: no_answer(limit), retry_after: None },
            };
            permit.settle(!matches!(outcome, UndoOutcome::Unknown { .. }));
            if !matches!(outcome, UndoOutcome::Done { .. } | UndoOutcome::NothingToUndo) {
                span.fail("not undone");
            }
            Happening::Backward { step, outcome }
        }));
    }

    /// Lets a step wait: first for `delay`, then for its dependency's budget; ends early at the deadline and when hurried.
    pub(super) fn wait_for(&mut self, step: usize, delay: Duration) {
        self.steps[step].busy = Busy::Waiting;
        let planned = &self.known.definition.graph()[step];
        let gate = Arc::clone(&self.known.gates[step]);
        let local = planned.is_local();
        let (hurry, calls) = (Arc::clone(&self.hurry), self.hurry.calls());
        let own = planned.limits.deadline.filter(|_| self.is_before_commitment());
        let own = own.map(|limit| self.steps[step].since.unwrap_or_else(tasks::instant) + limit);
        let end = match (own, self.until_deadline().map(|left| tasks::instant() + left)) {
            (Some(own), Some(saga)) => Some(own.min(saga)),
            (own, saga) => own.or(saga),
        };
        self.flights.push(Box::pin(async move {
            let turn = async {
                if !delay.is_zero() {
                    tasks::sleep(delay).await;
                }
                if local { None } else { Some(gate.enter().await) }
            };
            let turn = async {
                tokio::select! {
                    permit = turn => permit,
                    () = hurry.called_after(calls) => None,
                }
            };
            let permit = match end {
                Some(end) => tasks::within(end.saturating_duration_since(tasks::instant()), turn).await.flatten(),
                None => turn.await,
            };
            Happening::Ready { step, permit }
        }));
    }

    /// Whether the step's own deadline has passed.
    pub(super) fn is_overdue(&self, step: usize) -> bool {
        let limit = self.known.definition.graph()[step].limits.deadline;
        let since: Option<Instant> = self.steps[step].since;
        matches!((limit, since), (Some(limit), Some(since)) if since.elapsed() >= limit)
    }
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} ms", limit.as_millis())
}

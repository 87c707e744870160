//! Following the log until it is stopped: what serves, a candidate, and the removal of what was dropped.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Position};
use madrigal_event_store::WaitError;

use super::engine::Engine;
use super::gather;
use super::managed::Managed;
use crate::managed::{OperateError, Refusal};
use crate::progress::{RunError, Status};
use crate::projection::Projection;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How long an idle engine waits at most before it looks again: bounds what a lost wake-up could cost.
const IDLE: Duration = Duration::from_secs(1);
/// Rows of a dropped generation that are removed at once: some milliseconds of the store's one writer.
const CLEARED_AT_ONCE: usize = 500;
/// The pause between two such removals.
const CLEARING_PAUSE: Duration = Duration::from_millis(20);
/// How often a candidate that nobody asked for is looked at again, where it could not be switched to.
const DECIDE_AGAIN: Duration = Duration::from_secs(2);

impl<P: Projection> Managed<P> {
    pub(super) async fn run(self: &Arc<Self>, stop: &StopSignal) -> Result<(), RunError> {
        let (served, (), ()) = tokio::join!(self.serve(stop), self.build(stop), self.clear(stop));
        served
    }

    pub(super) async fn catch_up(&self) -> Result<Position, RunError> {
        let target = self.parts.log.end();
        let active = self.active().await?;
        if let Some(candidate) = &active.candidate {
            candidate.catch_up(target).await?;
        }
        active.serving.catch_up(target).await
    }

    /// Keeps what serves in step, whichever it is.
    async fn serve(&self, stop: &StopSignal) -> Result<(), RunError> {
        let mut arranged = self.arranged.subscribe();
        let mut pause = FIRST_PAUSE;
        loop {
            let serving = match self.serving().await {
                Ok(serving) => serving,
                Err(fault) => {
                    tracing::warn!(
                        view = self.name(),
                        cause = fault.chain(),
                        "the generations cannot be read, trying again"
                    );
                    if tasks::sleep_or_stopped(pause, stop).await {
                        return Ok(());
                    }
                    pause = (pause * 2).min(LAST_PAUSE);
                    continue;
                }
            };
            let another = async {
                // The sender lives as long as this.
                let _ = arranged.wait_for(|_| self.view() != serving.view).await;
            };
            tokio::select! {
                ended = serving.keep(stop) => return ended,
                () = another => {}
            }
        }
    }

    /// Builds the candidate, if there is one, and lets one serve that nobody asked for.
    async fn build(self: &Arc<Self>, stop: &StopSignal) {
        let mut arranged = self.arranged.subscribe();
        while !stop.is_cancelled() {
            let candidate = self.candidate_now();
            let of = candidate.as_ref().map(|candidate| candidate.view.clone());
            let another = async {
                let _ = arranged.wait_for(|_| self.candidate_now().map(|candidate| candidate.view.clone()) != of).await;
            };
            let building = async {
                match &candidate {
                    None => stop.cancelled().await,
                    Some(candidate) => drop(tokio::join!(candidate.keep(stop), self.decide(candidate, stop))),
                }
            };
            tokio::select! {
                () = building => return,
                () = another => {}
            }
        }
    }

    fn candidate_now(&self) -> Option<Arc<Engine<P>>> {
        self.active_now()?.candidate
    }

    /// Lets a candidate serve that a new version of the code began: where it is equal to what serves, or where nothing that
    /// can be read does. Otherwise it waits for an operator.
    async fn decide(&self, candidate: &Engine<P>, stop: &StopSignal) {
        let automatic = |active: super::managed::Active<P>| {
            active.generations.candidate.as_ref().is_some_and(|candidate| candidate.automatic)
        };
        if !self.active_now().is_some_and(automatic) {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = candidate.pace.caught_up() => {}
        }
        loop {
            match self.switch_by_itself().await {
                Ok(()) => return,
                Err(OperateError::Refused(Refusal::Different { differing })) => {
                    tracing::warn!(view = %candidate.view, differing, "the new version's rows differ: it waits for an operator to switch");
                    return;
                }
                Err(error) => tracing::debug!(view = %candidate.view, %error, "the candidate does not serve yet"),
            }
            if tasks::sleep_or_stopped(DECIDE_AGAIN, stop).await {
                return;
            }
        }
    }

    /// Removes the rows of dropped generations, bit by bit.
    async fn clear(&self, stop: &StopSignal) {
        let mut arranged = self.arranged.subscribe();
        while !stop.is_cancelled() {
            arranged.mark_unchanged();
            let dropped = self.active_now().and_then(|active| active.generations.dropped.first().copied());
            let Some(number) = dropped else {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = arranged.changed() => continue,
                }
            };
            let pause = match self.clear_some(number).await {
                Ok(()) => CLEARING_PAUSE,
                Err(fault) => {
                    tracing::warn!(
                        view = self.name(),
                        number,
                        cause = fault.chain(),
                        "old rows cannot be removed, trying again"
                    );
                    LAST_PAUSE
                }
            };
            tasks::sleep_or_stopped(pause, stop).await;
        }
    }

    async fn clear_some(&self, number: u32) -> Result<(), Fault> {
        // A read that has begun sees all rows or none; it takes moments.
        if self.is_held(number) || !self.parts.views.clear(&self.id(number), CLEARED_AT_ONCE).await? {
            return Ok(());
        }
        let mut registry = self.registry.lock().await;
        let cleared = self.known(&mut registry).await?.cleared(number);
        self.arrange(&mut registry, cleared).await
    }
}

impl<P: Projection> Engine<P> {
    /// Follows the log until `stop`; where it may not go on, it stands until something was mended.
    async fn keep(&self, stop: &StopSignal) -> Result<(), RunError> {
        if let Some(why) = self.unreadable.get() {
            let status = Status::Stalled { cause: why.clone(), since: self.host.now() };
            self.set_trouble(status, "row-form");
            stop.cancelled().await;
            return Ok(());
        }
        loop {
            let Err(error) = self.follow(stop).await else {
                self.set_status(Status::Stopped);
                return Ok(());
            };
            let (cause, since) = (error.to_string(), self.host.now());
            tracing::error!(view = %self.view, %cause, "projection stalled");
            self.set_trouble(Status::Stalled { cause, since }, error.word());
            self.observe().await;
            tokio::select! {
                () = stop.cancelled() => return Err(error),
                () = self.mended.notified() => {}
            }
        }
    }

    pub(super) async fn catch_up(&self, target: Position) -> Result<Position, RunError> {
        loop {
            let step = self.paced_step().await?.0;
            if step.applied_through >= target {
                return Ok(step.applied_through);
            }
        }
    }

    async fn follow(&self, stop: &StopSignal) -> Result<(), RunError> {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            match self.paced_step().await {
                Ok((step, rest)) => {
                    pause = FIRST_PAUSE;
                    self.set_status(Status::Running);
                    self.gauges(step.end.0.saturating_sub(step.applied_through.0), 0.0);
                    if self.pace.is_building() {
                        tasks::sleep_or_stopped(rest, stop).await;
                    } else {
                        self.gathering.rest(rest, stop).await;
                    }
                    if step.applied_through >= step.end {
                        self.idle(step.applied_through, stop).await;
                    }
                }
                Err(RunError::Fault(fault)) => {
                    self.troubled(&fault.chain());
                    self.observe().await;
                    tasks::sleep_or_stopped(pause, stop).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A step, and how long to pause after it: a candidate, so that others have their turn; what serves, so that the next
    /// batch is worth its commit.
    async fn paced_step(&self) -> Result<(super::engine::Step, Duration), RunError> {
        let from = self.progress.borrow().checkpoint.map(|at| at.position);
        let begun = tasks::instant();
        let step = self.step().await?;
        let from = from.unwrap_or(step.applied_through);
        let pause = match self.pace.is_building() {
            true => self.pace.after(from, step, begun.elapsed()),
            false if step.applied_through >= step.end => {
                gather::after(step.applied_through.0.saturating_sub(from.0), begun.elapsed())
            }
            false => Duration::ZERO,
        };
        Ok((step, pause))
    }

    async fn idle(&self, applied: Position, stop: &StopSignal) {
        let woken = tokio::select! {
            () = stop.cancelled() => return,
            woken = self.log.wait_beyond(applied, IDLE) => woken,
        };
        if let Err(WaitError::Fault(fault)) = woken {
            self.troubled(&fault.chain());
            tasks::sleep_or_stopped(FIRST_PAUSE, stop).await;
        }
    }

    fn troubled(&self, cause: &str) {
        let since = match &self.progress.borrow().status {
            Status::Retrying { since, cause: known } if known == cause => return,
            Status::Retrying { since, .. } => *since,
            _ => self.host.now(),
        };
        tracing::warn!(view = %self.view, cause, "projection is held up, trying again");
        self.set_trouble(Status::Retrying { cause: cause.to_owned(), since }, "retrying");
    }

    async fn observe(&self) {
        if let Ok(lag) = self.lag().await {
            self.gauges(lag.events, lag.seconds);
        }
    }

    /// The gauges show what serves.
    #[expect(clippy::cast_precision_loss, reason = "a gauge; nobody tells 2^53 events from one more")]
    fn gauges(&self, events: u64, seconds: f64) {
        if self.pace.is_building() {
            return;
        }
        let name = self.projection.name();
        metrics::gauge!("projection_lag_events", "projection" => name).set(events as f64);
        metrics::gauge!("projection_lag_seconds", "projection" => name).set(seconds);
        let parked = self.progress.borrow().lanes.len();
        metrics::gauge!("parked_keys", "projection" => name).set(parked as f64);
    }
}

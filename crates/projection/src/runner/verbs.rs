//! What an operator sees of the generations and does with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use madrigal_core::{Fault, FaultRetry, Position};

use super::compare::compare;
use super::engine::{Engine, Loaded};
use super::managed::{Active, Managed};
use super::pace::CAUGHT_UP;
use crate::generations::Generations;
use crate::managed::{CandidateState, CandidateStatus, Comparison, OperateError, Refusal};
use crate::parking::{LaneReport, ParkedFilter, ParkingError};
use crate::progress::{RunError, Status};
use crate::projection::Projection;

/// More than so many events are not applied while what serves is held: a quarter of a second of work.
const ALIGNED_AT_MOST: u64 = 5 * CAUGHT_UP;

#[cfg(test)]
mod tests;

type Held<'a, P> = tokio::sync::MutexGuard<'a, Option<Loaded<<P as Projection>::Row>>>;

impl<P: Projection> Managed<P> {
    /// Lets the candidate serve that a new version of the code began, if that is right without an operator.
    pub(super) async fn switch_by_itself(&self) -> Result<(), OperateError> {
        let serving = self.serving().await?;
        let old_form = serving.unreadable.get().is_some() || serving.progress.borrow().word == "row-form";
        if old_form && serving.version != self.parts.projection.version() {
            tracing::warn!(view = self.name(), "what served cannot be read any more: the candidate serves instead");
            return self.change_over(|generations| generations.replaced(self.parts.host.now())).await;
        }
        let now = || self.parts.host.now();
        match self.change_over(|generations| generations.switched(false, now())).await {
            Err(OperateError::Refused(Refusal::NotCompared)) => {}
            other => return other,
        }
        self.compared().await?;
        self.change_over(|generations| generations.switched(false, now())).await
    }

    /// Makes the change `how` says while what serves stands, with the candidate as far as it is.
    pub(super) async fn change_over(
        &self,
        how: impl Fn(&Generations) -> Result<Generations, Refusal> + Send,
    ) -> Result<(), OperateError> {
        let mut registry = self.registry.lock().await;
        let known = self.known(&mut registry).await?;
        let Active { serving, candidate, .. } = self.active_now().ok_or_else(not_open)?;
        let candidate = candidate.ok_or(Refusal::NoCandidate)?;
        let (mut held, mut candidate_held) = self.hold(&serving, &candidate).await?;
        let at = serving.stands_at(&mut held).await?;
        if let Some(at) = at.filter(|at| *at <= self.parts.log.end()) {
            candidate.advance(&mut candidate_held, at).await?;
        }
        let keys = candidate.loaded_in(&mut candidate_held).await?.lanes();
        if keys > 0 {
            return Err(Refusal::Parked { keys }.into());
        }
        let next = how(&known)?;
        let (from, to) = (known.serving.number, next.serving.number);
        self.arrange(&mut registry, next).await?;
        candidate.serve(&mut candidate_held);
        tracing::info!(view = self.name(), from, to, "switched to another generation");
        Ok(())
    }

    /// Holds both generations: neither takes a step.
    async fn hold<'a>(
        &self,
        serving: &'a Engine<P>,
        candidate: &'a Engine<P>,
    ) -> Result<(Held<'a, P>, Held<'a, P>), OperateError> {
        let behind = |candidate: &Engine<P>| self.parts.log.end().0.saturating_sub(candidate.applied().0);
        if !candidate.pace.has_caught_up() {
            return Err(Refusal::Behind { events: behind(candidate) }.into());
        }
        // Always in this order.
        let held = serving.loaded.lock().await;
        Ok((held, candidate.loaded.lock().await))
    }

    /// Compares both as of one position, and keeps the outcome.
    pub(super) async fn compared(&self) -> Result<Comparison, OperateError> {
        let Ok(_turn) = self.comparing.try_lock() else { return Err(Refusal::Busy.into()) };
        let Active { serving, candidate, .. } = self.active().await?;
        let candidate = candidate.ok_or(Refusal::NoCandidate)?;
        let touched = |engine: &Engine<P>| engine.touched.load(Ordering::SeqCst);
        let before = (touched(&serving), touched(&candidate));
        let (position, snapshot) = {
            let (mut held, mut candidate_held) = self.hold(&serving, &candidate).await?;
            let position = align(&serving, &mut held, &candidate, &mut candidate_held).await?;
            // From here on both may go on: the snapshot stays.
            (position, self.parts.views.snapshot().await?)
        };
        let comparison = compare(&snapshot, &serving.view, &candidate.view, position).await?;
        drop(snapshot);
        let mut registry = self.registry.lock().await;
        let known = self.known(&mut registry).await?;
        let number = candidate.view.generation();
        if known.candidate.as_ref().is_none_or(|candidate| candidate.number != number) {
            return Err(Refusal::NoCandidate.into());
        }
        // What an operator changed meanwhile was not compared.
        if before == (touched(&serving), touched(&candidate)) {
            self.arrange(&mut registry, known.compared(Some(comparison.compared.clone()))?).await?;
        }
        Ok(comparison)
    }

    /// Makes the change `how` says.
    pub(super) async fn change(
        &self,
        how: impl FnOnce(&Generations) -> Result<Generations, Refusal> + Send,
    ) -> Result<(), OperateError> {
        let mut registry = self.registry.lock().await;
        let known = self.known(&mut registry).await?;
        Ok(self.arrange(&mut registry, how(&known)?).await?)
    }

    /// Works on a lane in every generation; a comparison does not count any more.
    pub(super) async fn settle(&self, key: &str, skip: Option<String>) -> Result<LaneReport, OperateError> {
        let lane = match key.split_once('/') {
            Some(("key" | "stream", _)) => key.to_owned(),
            _ => format!("key/{key}"),
        };
        let Active { serving, candidate, .. } = self.active().await?;
        let mut found: Option<LaneReport> = None;
        for engine in [Some(serving), candidate].into_iter().flatten() {
            engine.prepared().await?;
            if self
                .parts
                .views
                .parked(&engine.view, ParkedFilter { limit: 1, ..ParkedFilter::waiting_in(&lane) })
                .await?
                .is_empty()
            {
                continue;
            }
            self.forget_comparison(&engine).await?;
            match engine.settle(&lane, skip.clone()).await {
                Ok(report) => {
                    engine.mended.notify_one();
                    let known = found.get_or_insert(LaneReport { applied: 0, waiting: 0, cause: None });
                    known.applied += report.applied;
                    known.waiting += report.waiting;
                    known.cause = known.cause.take().or(report.cause);
                }
                Err(ParkingError::UnknownLane(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        found.ok_or_else(|| Refusal::NothingParked { key: key.to_owned() }.into())
    }

    /// Before an operator changes a generation: what was compared is not what will be there.
    pub(crate) async fn forget_comparison(&self, engine: &Engine<P>) -> Result<(), Fault> {
        engine.touched.fetch_add(1, Ordering::SeqCst);
        let mut registry = self.registry.lock().await;
        let known = self.known(&mut registry).await?;
        if known.candidate.as_ref().is_some_and(|candidate| candidate.compared.is_some())
            && let Ok(next) = known.compared(None)
        {
            self.arrange(&mut registry, next).await?;
        }
        Ok(())
    }
}

/// Brings both to one position, without overtaking; what serves may be unable to move, then they are taken as they stand.
async fn align<P: Projection>(
    serving: &Engine<P>,
    held: &mut Option<Loaded<P::Row>>,
    candidate: &Engine<P>,
    candidate_held: &mut Option<Loaded<P::Row>>,
) -> Result<Position, OperateError> {
    let at = candidate.loaded_in(candidate_held).await?.position();
    match serving.stands_at(held).await? {
        Some(serving_at) if serving_at > at && serving_at <= serving.log.end() => {
            candidate.advance(candidate_held, serving_at).await
        }
        Some(serving_at) if serving_at < at && serving.progress.borrow().word == "nothing" => {
            serving.advance(held, at).await
        }
        _ => Ok(at),
    }
}

impl<P: Projection> Engine<P> {
    async fn loaded_in<'a>(
        &self,
        held: &'a mut Option<Loaded<P::Row>>,
    ) -> Result<&'a mut Loaded<P::Row>, OperateError> {
        let loaded = match held.take() {
            Some(loaded) => loaded,
            None => self.load().await.map_err(refused)?,
        };
        Ok(held.insert(loaded))
    }

    /// Where a generation stands in the log as it is now, also one that does not move; `None` where it stands in another
    /// history.
    async fn stands_at(&self, held: &mut Option<Loaded<P::Row>>) -> Result<Option<Position>, OperateError> {
        if let Some(loaded) = held {
            return Ok(Some(loaded.position()));
        }
        let stored = match self.views.checkpoint(&self.view).await {
            Ok(stored) => stored,
            // It was never made known to the store: another form.
            Err(fault) if fault.retry == FaultRetry::Never && self.unreadable.get().is_some() => None,
            Err(fault) => return Err(fault.into()),
        };
        let epoch = self.log.epoch();
        Ok(match stored {
            Some(at) => (at.epoch == epoch).then_some(at.position),
            None => Some(Position::START),
        })
    }

    /// Goes on to exactly this position.
    async fn advance(&self, held: &mut Option<Loaded<P::Row>>, to: Position) -> Result<Position, OperateError> {
        loop {
            let at = self.loaded_in(held).await?.position();
            if at >= to {
                return Ok(at);
            }
            let events = to.0 - at.0;
            if events > ALIGNED_AT_MOST {
                return Err(Refusal::Behind { events }.into());
            }
            self.step_held(held, Some(to)).await.map_err(refused)?;
        }
    }
}

fn refused(error: RunError) -> OperateError {
    match error {
        RunError::Fault(fault) => fault.into(),
        other => Refusal::Stalled { why: other.to_string() }.into(),
    }
}

fn not_open() -> Fault {
    Fault::not_applied("projection", "operate", "the generations are not known yet")
}

impl<P: Projection> Engine<P> {
    /// A candidate as it is shown.
    #[expect(clippy::cast_precision_loss, reason = "an estimate; nobody tells 2^53 events from one more")]
    pub(super) fn shown(self: Arc<Self>, generations: &Generations, end: Position) -> Option<CandidateStatus> {
        let candidate = generations.candidate.as_ref()?;
        let progress = self.progress.borrow().clone();
        let position = progress.checkpoint.map_or(Position::START, |at| at.position);
        let rate = self.pace.rate(position);
        let left = end.0.saturating_sub(position.0) as f64;
        let caught_up = self.pace.has_caught_up();
        Some(CandidateStatus {
            generation: candidate.number,
            version: candidate.version,
            state: if caught_up { CandidateState::CaughtUp } else { CandidateState::Building },
            position,
            end,
            events_per_second: rate,
            seconds_left: if caught_up { Some(0.0) } else { (rate > 0.0).then(|| left / rate) },
            started_at: candidate.started_at,
            parked_keys: progress.lanes.len(),
            trouble: match progress.status {
                Status::Retrying { cause, .. } | Status::Stalled { cause, .. } => Some(cause),
                Status::Idle | Status::Running | Status::Stopped => None,
            },
            compared: candidate.compared.clone(),
        })
    }
}

/// What an operator can do about it.
pub(super) fn help(word: &str, candidate: bool) -> &'static str {
    match (word, candidate) {
        ("parked-keys" | "too-many-parked", _) => {
            "See `madrigal projections parked`; mend the cause and `retry` the keys, or `skip` an event with a reason."
        }
        ("retrying", _) => "It is tried again by itself; see to the engine that the detail names.",
        ("other-epoch" | "beyond-end", false) => {
            "The log is another one than the view knows, after a restore, say: `madrigal projections rebuild`, then `compare` and `switch`."
        }
        ("row-form", false) => {
            "Raise the projection's version, or `madrigal projections rebuild`, then `compare` and `switch`."
        }
        (_, true) => "A candidate is being built: `madrigal projections show`; then `compare` and `switch`.",
        _ => "See the service's log.",
    }
}

//! Recovery: takes up what is open, at start and regularly; metrics; what is stuck.

use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Timestamp};

use super::live::Stage;
use super::{SagaEngine, Shared};
use crate::directory::SagaSummary;
use crate::state::SagaState;

/// How many sagas a page of the directory has.
const PAGE: usize = 500;
/// How often the metrics are set.
const MEASURE_EVERY: Duration = Duration::from_secs(10);
/// The most sagas that the list of stuck ones has.
const MAX_STUCK: usize = 1_000;

/// Runs until `stop`.
pub(super) async fn run(engine: &SagaEngine, stop: &StopSignal) {
    tokio::join!(recover(engine, stop), measure(&engine.shared, stop));
}

async fn recover(engine: &SagaEngine, stop: &StopSignal) {
    let shared = &engine.shared;
    loop {
        // A directory that lags would hide what was open when the last process died.
        let wait = shared.options.directory_wait;
        let caught_up = tokio::select! {
            () = stop.cancelled() => return,
            caught_up = shared.directory.caught_up(wait) => caught_up,
        };
        let done = match caught_up {
            Ok(()) => scan(engine, stop).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &done {
            tracing::warn!(fault = fault.chain(), "open sagas cannot be found; trying again");
        }
        let pause = if done.is_ok() { shared.options.recover_every } else { Duration::from_secs(1) };
        if tasks::sleep_or_stopped(pause, stop).await {
            return;
        }
    }
}

async fn scan(engine: &SagaEngine, stop: &StopSignal) -> Result<(), Fault> {
    let shared = &engine.shared;
    let mut cursor: Option<String> = None;
    loop {
        let page = shared.directory.open(cursor.as_deref(), PAGE).await?;
        let mut taken = 0u32;
        for row in &page.items {
            if !wants(shared, row) {
                continue;
            }
            // New sagas come first: old ones are taken up only into the lower half of the memory.
            while shared.lives.room() == 0 {
                if tasks::sleep_or_stopped(Duration::from_secs(1), stop).await {
                    return Ok(());
                }
            }
            if engine.take_up(row.saga_id).is_none() {
                return Ok(());
            }
            taken += 1;
            if taken.is_multiple_of(10) {
                let pause = Duration::from_secs(10) / shared.options.resume_per_second.max(1);
                if tasks::sleep_or_stopped(pause, stop).await {
                    return Ok(());
                }
            }
        }
        cursor = page.next;
        if cursor.is_none() || stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// Whether an open saga should be taken up here.
fn wants(shared: &Shared, row: &SagaSummary) -> bool {
    if row.state == SagaState::Paused || shared.parked_cause(&row.saga_id).is_some() {
        return false;
    }
    if shared.lives.get(row.saga_id).is_some() {
        return false;
    }
    let silent = shared.host.now().since(row.last_progress_at);
    // Where memory is short, those whose participant is down stay out of it.
    let down = row.current_steps.iter().any(|step| shared.gates.get(step).is_some_and(|gate| !gate.is_open()));
    if down && shared.lives.is_crowded() {
        return false;
    }
    shared.options.exclusive || silent >= shared.options.takeover_after
}

async fn measure(shared: &Shared, stop: &StopSignal) {
    loop {
        let mut counts = [0u32; SagaState::ALL.len()];
        let mut oldest: Option<Timestamp> = None;
        for live in shared.lives.all() {
            let now = live.published.borrow();
            if matches!(now.stage, Stage::Starting | Stage::Open) {
                counts[SagaState::ALL.iter().position(|state| *state == now.state).unwrap_or(0)] += 1;
                oldest = Some(oldest.map_or(now.since, |oldest| oldest.min(now.since)));
            }
        }
        for (state, count) in SagaState::ALL.iter().zip(counts).filter(|(state, _)| !state.is_ended()) {
            metrics::gauge!("saga_in_flight", "state" => state.as_str()).set(f64::from(count));
        }
        let age = oldest.map_or(0.0, |oldest| shared.host.now().since(oldest).as_secs_f64());
        metrics::gauge!("saga_oldest_age_seconds").set(age);
        if tasks::sleep_or_stopped(MEASURE_EVERY, stop).await {
            return;
        }
    }
}

/// Open sagas without progress for longer than their steps' objective, the oldest first.
pub(super) async fn stuck(shared: &Shared) -> Result<Vec<SagaSummary>, Fault> {
    let now = shared.host.now();
    let mut stuck = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = shared.directory.open(cursor.as_deref(), PAGE).await?;
        for mut row in page.items {
            shared.show_parked(&mut row);
            let late = now.since(row.last_progress_at) > objective(shared, &row);
            if late || matches!(row.state, SagaState::Parked | SagaState::Stuck) {
                stuck.push(row);
            }
        }
        if stuck.len() > 4 * MAX_STUCK {
            keep_oldest(&mut stuck);
        }
        cursor = page.next;
        if cursor.is_none() {
            keep_oldest(&mut stuck);
            return Ok(stuck);
        }
    }
}

fn keep_oldest(stuck: &mut Vec<SagaSummary>) {
    stuck.sort_unstable_by_key(|row| row.last_progress_at);
    stuck.truncate(MAX_STUCK);
}

fn objective(shared: &Shared, row: &SagaSummary) -> Duration {
    let definition = shared.by_hash(&row.definition_hash);
    let of_step = |step: &std::sync::Arc<str>| definition.as_ref()?.step_limits(step).map(|limits| limits.objective);
    row.current_steps.iter().filter_map(of_step).max().unwrap_or(Duration::from_mins(1))
}

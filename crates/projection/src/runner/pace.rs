//! How fast a candidate is built: as large as its commits may be without holding up the others, with pauses while the shop
//! is busy.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_core::Position;
use madrigal_core::tasks::{self, Instant};
use tokio::sync::watch;

use super::RunnerOptions;
use super::engine::Step;

/// A step of a candidate should take about so long: what serves waits for the store's one writer at most that much.
const STEP: Duration = Duration::from_millis(100);
/// The longest pause after a step.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// The share of a step's time that is paused afterwards while the log grows.
const PAUSE_SHARE: u32 = 3;
/// A candidate that is behind by no more has caught up.
pub(crate) const CAUGHT_UP: u64 = 1_000;

/// The pace of one candidate; without a meaning once it serves.
#[derive(Debug)]
pub(crate) struct Pace {
    run: Mutex<Run>,
    caught_up: watch::Sender<bool>,
}

#[derive(Debug)]
struct Run {
    building: bool,
    batch: usize,
    smallest: usize,
    largest: usize,
    /// When it was begun or taken up again, and where it stood.
    began: Option<(Instant, Position)>,
    end: Position,
}

impl Pace {
    pub(super) fn new(building: bool, options: &RunnerOptions) -> Self {
        let (smallest, largest) = (options.batch.min(500), options.batch_behind);
        let run = Run { building, batch: options.batch, smallest, largest, began: None, end: Position::START };
        Self { run: Mutex::new(run), caught_up: watch::channel(false).0 }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_building(&self) -> bool {
        self.run().building
    }

    /// It serves from now on.
    pub(super) fn built(&self) {
        self.run().building = false;
    }

    pub(super) fn batch(&self) -> usize {
        self.run().batch
    }

    /// Whether it has been at the log's end in this process.
    pub(crate) fn has_caught_up(&self) -> bool {
        *self.caught_up.borrow()
    }

    /// Waits until it has been there.
    pub(super) async fn caught_up(&self) {
        // The sender lives as long as this.
        let _ = self.caught_up.subscribe().wait_for(|caught_up| *caught_up).await;
    }

    /// Takes note of a step; returns how long to pause.
    pub(super) fn after(&self, from: Position, step: Step, took: Duration) -> Duration {
        let behind = step.end.0.saturating_sub(step.applied_through.0);
        let pause = {
            let mut run = self.run();
            run.began.get_or_insert_with(|| (tasks::instant(), from));
            let applied = step.applied_through.0.saturating_sub(from.0);
            if took > STEP {
                run.batch = (run.batch / 2).max(run.smallest);
            } else if took < STEP / 2 && applied >= run.batch as u64 {
                run.batch = (run.batch * 2).min(run.largest);
            }
            let busy = run.end != Position::START && step.end > run.end;
            run.end = step.end;
            if busy { (took / PAUSE_SHARE).min(LONGEST_PAUSE) } else { Duration::ZERO }
        };
        if behind <= CAUGHT_UP {
            self.caught_up.send_if_modified(|caught_up| !std::mem::replace(caught_up, true));
        }
        pause
    }

    /// Events a second since it was begun or taken up again, at `now`'s position; 0 where it has caught up.
    #[expect(clippy::cast_precision_loss, reason = "a rate; nobody tells 2^53 events from one more")]
    pub(crate) fn rate(&self, at: Position) -> f64 {
        let run = self.run();
        let Some((since, from)) = run.began.filter(|_| !self.has_caught_up()) else { return 0.0 };
        let seconds = since.elapsed().as_secs_f64();
        if seconds > 0.0 { at.0.saturating_sub(from.0) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(applied_through: u64, end: u64) -> Step {
        Step { applied_through: Position(applied_through), end: Position(end) }
    }

    #[test]
    fn batches_grow_while_steps_are_short_and_shrink_when_they_are_long() {
        let pace = Pace::new(true, &RunnerOptions::default());
        let mut at = 0;
        for _ in 0..5 {
            let from = Position(at);
            at += pace.batch() as u64;
            assert_eq!(pace.after(from, step(at, 1_000_000), Duration::from_millis(10)), Duration::ZERO);
        }
        assert_eq!(pace.batch(), RunnerOptions::default().batch_behind);
        for _ in 0..9 {
            pace.after(Position(at), step(at, 1_000_000), Duration::from_secs(1));
        }
        assert_eq!(pace.batch(), 500);
        assert!(!pace.has_caught_up());
        pace.after(Position(at), step(999_500, 1_000_000), Duration::from_millis(1));
        assert!(pace.has_caught_up());
    }

    #[test]
    fn a_candidate_pauses_only_while_the_log_grows_and_never_for_long() {
        let pace = Pace::new(true, &RunnerOptions::default());
        pace.after(Position(0), step(10, 100), Duration::from_secs(9));
        assert_eq!(pace.after(Position(10), step(20, 100), Duration::from_secs(9)), Duration::ZERO);
        assert_eq!(pace.after(Position(20), step(30, 101), Duration::from_secs(9)), LONGEST_PAUSE);
        assert_eq!(pace.after(Position(30), step(40, 102), Duration::from_millis(30)), Duration::from_millis(10));
    }
}

//! The world of one run: one thread, one clock, one seed.

use std::future::Future;
use std::io;
use std::sync::Arc;

use madrigal_core::host::SeededRandomness;
use madrigal_core::tasks::{self, Instant};
use madrigal_core::{Clock, Host, Timestamp};

use crate::dice::{Dice, seed_of};
use crate::trace::Trace;

/// The world of one run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct World {
    seed: u64,
    begun: Instant,
    trace: Trace,
}

/// When every simulation begins: 2026-11-22T00:00:00Z.
const BEGINNING_MICROS: i64 = 1_795_305_600_000_000;

impl World {
    /// Runs `life` in a new world: on this thread alone, with a clock that stands still while anything can run and then
    /// jumps to the next timer.
    ///
    /// # Errors
    /// Where the system refuses the runtime its resources.
    pub fn run<T, F>(seed: u64, life: impl FnOnce(Self) -> F) -> io::Result<T>
    where
        F: Future<Output = T>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        Ok(runtime.block_on(async {
            let world = Self { seed, begun: tasks::instant(), trace: Trace::begin() };
            life(world).await
        }))
    }

    /// The seed that everything follows from.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The record of the run.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Chance for the part that is named so.
    pub fn dice(&self, part: &str) -> Dice {
        Dice::of(self.seed, part)
    }

    /// A host for the process that is named so: simulated time, and randomness that follows from the seed.
    pub fn host(&self, process: &str) -> Host {
        let randomness = SeededRandomness::new(seed_of(self.seed, process));
        Host::new(Arc::new(SimulatedClock { begun: self.begun }), Arc::new(randomness))
    }
}

struct SimulatedClock {
    begun: Instant,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(BEGINNING_MICROS).plus(self.begun.elapsed())
    }
}

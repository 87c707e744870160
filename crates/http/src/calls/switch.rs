//! A switch that breaks a neighbour, for tests and the demo.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Breaks the neighbour it came with, and mends it; clones turn the same switch.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<RwLock<Setting>>);

#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Setting {
    #[default]
    Up,
    Down,
    Slow(Duration),
    LosingAnswers,
}

impl Switch {
    /// Every call fails at once and certainly has no effect.
    pub fn down(&self) {
        self.set(Setting::Down);
    }

    /// Every call waits this long before it is made; a call whose limit is shorter is never made and times out.
    pub fn slow(&self, delay: Duration) {
        self.set(Setting::Slow(delay));
    }

    /// Every call is made, and its answer is lost: the caller sees a fault with an unknown outcome.
    pub fn lose_answers(&self) {
        self.set(Setting::LosingAnswers);
    }

    /// Calls go through again.
    pub fn up(&self) {
        self.set(Setting::Up);
    }

    fn set(&self, setting: Setting) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = setting;
    }

    pub(super) fn setting(&self) -> Setting {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

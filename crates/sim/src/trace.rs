//! What happened, in lines that are the same for the same seed.

use std::fmt::{Arguments, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use madrigal_core::tasks::{self, Instant};

/// The record of a run: one line for everything that matters, with the simulated time in milliseconds and who did it.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trace {
    begun: Instant,
    text: Arc<Mutex<String>>,
}

impl Trace {
    /// An empty trace that begins now.
    pub(crate) fn begin() -> Self {
        Self { begun: tasks::instant(), text: Arc::default() }
    }

    /// Adds a line. Identifiers in it must follow from the seed; no personal data, no secrets.
    pub fn say(&self, who: &str, what: Arguments<'_>) {
        let at = self.begun.elapsed().as_millis();
        let _ = writeln!(self.lock(), "{at:>9} {who:<14} {what}");
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

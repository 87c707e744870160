//! The error for things that break: an engine, a network, a disk.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Whether trying the same operation again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultRetry {
    /// At once.
    Now,
    /// After at least this long.
    After(Duration),
    /// Not without somebody changing something first.
    Never,
}

/// What is known about the effect of the operation that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultOutcome {
    /// It certainly had no effect.
    NotApplied,
    /// It may or may not have had its effect: ask again with the same key, or read.
    Unknown,
}

/// Something broke below the caller's level: which engine, in which operation, with what known outcome.
///
/// Business refusals are never a `Fault`; they are typed by the operation that refuses.
#[derive(Debug)]
pub struct Fault {
    /// The technology or neighbour that failed, as in `journal`, `sqlite`, `payment-service`.
    pub engine: &'static str,
    /// The operation that failed, as in `append`.
    pub operation: &'static str,
    /// Whether trying again may help.
    pub retry: FaultRetry,
    /// Whether the effect certainly did not happen.
    pub outcome: FaultOutcome,
    /// What the engine said.
    pub source: Box<dyn StdError + Send + Sync>,
}

impl Fault {
    /// A fault that certainly had no effect and may be retried at once.
    pub fn not_applied(
        engine: &'static str,
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { engine, operation, retry: FaultRetry::Now, outcome: FaultOutcome::NotApplied, source: source.into() }
    }

    /// A fault whose effect is unknown: repeat with the same key, or read what is there.
    pub fn unknown(
        engine: &'static str,
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { engine, operation, retry: FaultRetry::Now, outcome: FaultOutcome::Unknown, source: source.into() }
    }

    /// A fault that repeats until somebody intervenes (corruption, a poisoned journal, a missing right).
    pub fn permanent(
        engine: &'static str,
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { engine, operation, retry: FaultRetry::Never, outcome: FaultOutcome::NotApplied, source: source.into() }
    }

    /// The same fault, with another advice about retrying.
    #[must_use]
    pub fn with_retry(mut self, retry: FaultRetry) -> Self {
        self.retry = retry;
        self
    }

    /// The same fault, with another known outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: FaultOutcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The whole chain of causes in one line, for logs and operators (never for customers).
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&*self.source);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.outcome {
            FaultOutcome::NotApplied => "nothing was changed",
            FaultOutcome::Unknown => "its effect is unknown",
        };
        write!(f, "{} failed in {}; {effect}", self.engine, self.operation)
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_whether_its_effect_is_known_and_keeps_its_causes() {
        let fault = Fault::unknown("journal", "append", std::io::Error::other("device lost"));
        assert_eq!(fault.to_string(), "journal failed in append; its effect is unknown");
        assert_eq!(fault.chain(), "journal failed in append; its effect is unknown: device lost");
    }
}

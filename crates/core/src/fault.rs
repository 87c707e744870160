//! The error for things that break: an engine, a network, a disk.

use std::error::Error as StdError;
use std::fmt;
use std::io;
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

/// Why something broke, as far as others than operators should know: these end by themselves once there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultCause {
    /// For a reason that only [`Fault::source`] tells.
    #[default]
    Other,
    /// There is no room to write: the device, the quota or the largest size of a file is used up.
    StorageFull,
    /// The file system takes no writes.
    StorageReadOnly,
}

impl FaultCause {
    /// What an error of the file system means.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::StorageFull
            }
            io::ErrorKind::ReadOnlyFilesystem => Self::StorageReadOnly,
            _ => Self::Other,
        }
    }

    /// Whether a write was refused before it changed anything, and will be taken once there is room.
    pub const fn is_storage(self) -> bool {
        matches!(self, Self::StorageFull | Self::StorageReadOnly)
    }

    /// The word for it in documents, as in `storage-full`; `None` for [`FaultCause::Other`].
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Other => None,
            Self::StorageFull => Some("storage-full"),
            Self::StorageReadOnly => Some("storage-read-only"),
        }
    }

    /// The cause with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::StorageFull, Self::StorageReadOnly].into_iter().find(|cause| cause.word() == Some(word))
    }
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
    /// Why, where callers should know.
    pub cause: FaultCause,
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
        Self::new(engine, operation, FaultRetry::Now, FaultOutcome::NotApplied, source.into())
    }

    /// A fault whose effect is unknown: repeat with the same key, or read what is there.
    pub fn unknown(
        engine: &'static str,
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::new(engine, operation, FaultRetry::Now, FaultOutcome::Unknown, source.into())
    }

    /// A fault that repeats until somebody intervenes (corruption, a poisoned journal, a missing right).
    pub fn permanent(
        engine: &'static str,
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::new(engine, operation, FaultRetry::Never, FaultOutcome::NotApplied, source.into())
    }

    fn new(
        engine: &'static str,
        operation: &'static str,
        retry: FaultRetry,
        outcome: FaultOutcome,
        source: Box<dyn StdError + Send + Sync>,
    ) -> Self {
        Self { engine, operation, retry, outcome, cause: FaultCause::Other, source }
    }

    /// The same fault, with a cause that callers should know.
    #[must_use]
    pub fn with_cause(mut self, cause: FaultCause) -> Self {
        self.cause = cause;
        self
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
        error_chain(self)
    }
}

/// An error with the whole chain of its causes in one line, for logs and operators (never for customers).
pub fn error_chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
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
    fn a_cause_is_told_from_what_the_file_system_says_and_from_its_word() {
        let of = |kind: io::ErrorKind| FaultCause::of_io(&kind.into());
        assert_eq!(of(io::ErrorKind::StorageFull), FaultCause::StorageFull);
        assert_eq!(of(io::ErrorKind::FileTooLarge), FaultCause::StorageFull);
        assert_eq!(of(io::ErrorKind::ReadOnlyFilesystem), FaultCause::StorageReadOnly);
        assert_eq!(of(io::ErrorKind::PermissionDenied), FaultCause::Other);
        for cause in [FaultCause::StorageFull, FaultCause::StorageReadOnly] {
            assert_eq!(cause.word().and_then(FaultCause::parse), Some(cause));
        }
        assert_eq!(FaultCause::parse("no-such-word"), None);
    }

    #[test]
    fn a_fault_says_whether_its_effect_is_known_and_keeps_its_causes() {
        let fault = Fault::unknown("journal", "append", std::io::Error::other("device lost"));
        assert_eq!(fault.to_string(), "journal failed in append; its effect is unknown");
        assert_eq!(fault.chain(), "journal failed in append; its effect is unknown: device lost");
    }
}

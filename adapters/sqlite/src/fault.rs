//! How SQLite's errors leave this crate.

use std::time::Duration;

use madrigal_core::{Fault, FaultCause, FaultOutcome, FaultRetry};
use rusqlite::ErrorCode;

/// The engine's name in faults.
pub const ENGINE: &str = "sqlite";

/// The fault that is `error`, met in `operation`.
///
/// Nothing of a failed statement or transaction is kept by SQLite; only an input/output error while committing leaves it
/// open whether the commit reached the disk.
pub fn of(operation: &'static str, error: rusqlite::Error) -> Fault {
    let (retry, outcome) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (FaultRetry::After(Duration::from_millis(50)), FaultOutcome::NotApplied)
        }
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly) => {
            (FaultRetry::After(Duration::from_secs(5)), FaultOutcome::NotApplied)
        }
        Some(ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted) => {
            (FaultRetry::After(Duration::from_secs(1)), FaultOutcome::NotApplied)
        }
        Some(ErrorCode::SystemIoFailure) if operation == COMMIT => (FaultRetry::Now, FaultOutcome::Unknown),
        Some(ErrorCode::SystemIoFailure) => (FaultRetry::After(Duration::from_secs(1)), FaultOutcome::NotApplied),
        _ => (FaultRetry::Never, FaultOutcome::NotApplied),
    };
    let cause = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => FaultCause::StorageFull,
        Some(ErrorCode::ReadOnly) => FaultCause::StorageReadOnly,
        _ => FaultCause::Other,
    };
    Fault { engine: ENGINE, operation, retry, outcome, cause, source: Box::new(error) }
}

/// The operation's name where a transaction is committed.
pub(crate) const COMMIT: &str = "commit";

/// A fault that says in words what is wrong and repeats until somebody intervenes.
pub(crate) fn permanent(operation: &'static str, why: impl Into<String>) -> Fault {
    Fault::permanent(ENGINE, operation, why.into())
}

//! How SQLite's errors leave this crate.

use std::path::Path;
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

/// The fault of a file that could not be opened; unlike others it names the file, and whoever starts a process reads it.
pub(crate) fn of_open(path: &Path, error: rusqlite::Error) -> Fault {
    let fault = of("open", error);
    // SQLite says "cannot open" and "I/O error" for what the file system says more exactly when it is asked to write there.
    let cause = if fault.cause.is_storage() { fault.cause } else { takes_no_writes(path) };
    Fault { source: format!("{}: {}", path.display(), fault.source).into(), ..fault.with_cause(cause) }
}

/// Whether the directory of a file takes a page of another one.
fn takes_no_writes(path: &Path) -> FaultCause {
    let probe = path.with_extension("probe");
    let written = std::fs::write(&probe, [0; 4_096]);
    let _ = std::fs::remove_file(&probe);
    written.as_ref().err().map_or(FaultCause::Other, FaultCause::of_io)
}

/// The operation's name where a transaction is committed.
pub(crate) const COMMIT: &str = "commit";

/// A fault that says in words what is wrong and repeats until somebody intervenes.
pub(crate) fn permanent(operation: &'static str, why: impl Into<String>) -> Fault {
    Fault::permanent(ENGINE, operation, why.into())
}

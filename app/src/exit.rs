//! Exit codes: 0 fine, 1 failed, 2 usage, 3 divergence found, 4 could not check, 5 refused for safety; 141, without a word,
//! where whoever read the output went away.

use std::io::Write;
use std::process::ExitCode;

use madrigal_core::{Fault, FaultCause};

use crate::client::AskError;
use crate::output::NobodyReads;

/// What a shell says of a program that a broken pipe ended: 128 and SIGPIPE's 13. Not 0: a verdict may not have been told.
const NOBODY_READS: u8 = 141;

/// A command ended in a way that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The command line or the configuration is wrong: nothing was begun.
    #[error("{0}")]
    Usage(String),
    /// Refused, because going on could harm.
    #[error("{0}")]
    Refused(String),
    /// What was compared differs.
    #[error("{0}")]
    Diverged(String),
    /// What was to be checked could not be reached.
    #[error("{0}")]
    CouldNotCheck(String),
}

impl Ended {
    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Diverged(_) => 3,
            Self::CouldNotCheck(_) => 4,
            Self::Refused(_) => 5,
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    if let Some(AskError::Unreachable(_)) = error.downcast_ref::<AskError>() {
        return Ended::CouldNotCheck(String::new()).code();
    }
    error.downcast_ref::<Ended>().map_or(1, Ended::code)
}

/// What to do where a disk takes nothing.
fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let cause = |error: &(dyn std::error::Error + 'static)| {
        let of_fault = error.downcast_ref::<Fault>().map(|fault| fault.cause);
        of_fault.or_else(|| error.downcast_ref().map(FaultCause::of_io)).unwrap_or_default()
    };
    error.chain().find_map(|error| match cause(error) {
        FaultCause::StorageFull => Some(
            "the disk is full: make room on it (or raise the quota) and start again; nothing that is there was changed",
        ),
        FaultCause::StorageReadOnly => Some(
            "the file system is read-only: make it writable (`mount -o remount,rw`, after a check if it protects itself) \
             and start again; nothing that is there was changed",
        ),
        FaultCause::Other => None,
    })
}

/// Tells a person what went wrong, on standard error, and returns the exit code. Nothing is said where nobody reads any more.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if NobodyReads::ended(error) {
        return ExitCode::from(NOBODY_READS);
    }
    let mut line = String::from("madrigal: ");
    for (index, cause) in error.chain().enumerate() {
        if index > 0 {
            line.push_str(": ");
        }
        line.push_str(&cause.to_string());
    }
    if let Some(advice) = advice(error) {
        line.push_str("\nmadrigal: ");
        line.push_str(advice);
    }
    let _ = writeln!(std::io::stderr(), "{line}");
    ExitCode::from(code(error))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_output_that_nobody_reads_is_passed_over_not_a_connection_that_broke() {
        let unread = io::Error::new(io::ErrorKind::BrokenPipe, NobodyReads);
        let unread = anyhow::Error::new(unread).context("the list cannot be printed");
        assert_eq!(report(&unread), ExitCode::from(141));
        let broke = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&broke), ExitCode::from(1));
    }
}

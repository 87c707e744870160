//! Refusals as problems.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::ETAG;
use madrigal_conflict::Conflict;
use madrigal_http::{Caller, Problem, Role, etag, problem};
use serde_json::{Value, json};

use super::bodies::field_error;
use crate::commands::{ChangeError, ChangePasswordError, EraseError, LogInError, RegisterError};
use crate::events::ChangedField;
use crate::passwords::PasswordError;

/// When to come back where too many passwords wait: the queue's sixty-four, two at a time, take about a second.
const BUSY_RETRY: Duration = Duration::from_secs(2);

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Taken(fields) => taken(&fields),
            RegisterError::Password(error) => error.into(),
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unknown => no_user(),
            ChangeError::WrongVersion(current) => problem::version_mismatch(current),
            ChangeError::Invalid(fields) => problem::invalid_body(fields.into_iter().map(field_error).collect()),
            ChangeError::UnknownBase(current) => {
                Problem::new(StatusCode::PRECONDITION_FAILED, "base-unknown", "It is not known what this was based on")
                    .detail(format!(
                        "The version in If-Match cannot be merged from: it never was, or it is too old. The current \
                         version is {current}. Read it again and decide again."
                    ))
                    .with("currentVersion", current.0.into())
                    .header(ETAG, etag(current))
            }
            ChangeError::Conflicts(conflicts) => of_conflicts(&conflicts),
            ChangeError::TooManyConflicts => problem::conflict(
                "too-many-conflicts",
                "Too many conflicts are open",
                "Merging would lose more values than are kept for a user. Settle some of the user's conflicts first.",
            ),
            ChangeError::Taken(fields) => taken(&fields),
            ChangeError::Fault(fault) => fault.into(),
        }
    }
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Unknown => no_user(),
            EraseError::WrongVersion(current) => problem::version_mismatch(current),
            EraseError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Unknown => no_user(),
            ChangePasswordError::Wrong => {
                problem::invalid_body(Vec::new()).error("/current", "is not the user's password")
            }
            ChangePasswordError::Password(error) => error.into(),
            ChangePasswordError::Fault(fault) => fault.into(),
        }
    }
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::Wrong => {
                Problem::new(StatusCode::UNAUTHORIZED, "wrong-credentials", "Login and password do not belong together")
                    .detail("There is no user with this e-mail address or name and this password.")
            }
            LogInError::Password(error) => error.into(),
            LogInError::Fault(fault) => fault.into(),
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-log-ins", "Too many log-ins at the moment")
                    .detail("Checking a password is expensive on purpose, and too many wait already. Nothing was done.")
                    .retry_after(BUSY_RETRY)
            }
            PasswordError::Fault(fault) => fault.into(),
        }
    }
}

/// 404: there is no such user. To a customer, who asks about herself only, it says that her token counts no more: 401.
pub(super) fn no_such(caller: &Caller) -> Problem {
    if caller.claims().role == Role::Customer {
        return problem::invalid_token("The user of this token is not there (any more).");
    }
    no_user()
}

/// 404: there is no such user.
pub(super) fn no_user() -> Problem {
    problem::not_found("such user")
}

/// 409 with both values of every field that a person must decide: the caller may read and write this user.
fn of_conflicts(conflicts: &[Conflict]) -> Problem {
    let shown: Vec<Value> = conflicts
        .iter()
        .map(|conflict| {
            json!({
                "field": conflict.field, "rule": conflict.rule, "cause": conflict.cause,
                "base": conflict.base, "current": conflict.current, "proposed": conflict.proposed,
            })
        })
        .collect();
    let problem = problem::conflict(
        "merge-conflict",
        "A person must decide",
        "These fields were changed since to other values. Nothing was changed; decide, and send the current ETag.",
    );
    let told = |problem: Problem, conflict: &Conflict| problem.error(conflict.field.to_string(), "both changed it");
    conflicts.iter().fold(problem, told).with("conflicts", shown.into())
}

fn taken(fields: &[ChangedField]) -> Problem {
    let problem = problem::conflict("user-exists", "Already registered", "Another user has these fields already.");
    fields.iter().fold(problem, |problem, field| match field {
        ChangedField::Email => problem.error("/email", "this e-mail address is registered already"),
        ChangedField::Username => problem.error("/username", "this user name is taken already"),
        ChangedField::Profile => problem,
    })
}

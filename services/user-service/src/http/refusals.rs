//! Refusals as problems.

use std::time::Duration;

use axum::http::StatusCode;
use madrigal_http::{Caller, Problem, Role, problem};

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

fn taken(fields: &[ChangedField]) -> Problem {
    let problem = problem::conflict("user-exists", "Already registered", "Another user has these fields already.");
    fields.iter().fold(problem, |problem, field| match field {
        ChangedField::Email => problem.error("/email", "this e-mail address is registered already"),
        ChangedField::Username => problem.error("/username", "this user name is taken already"),
        ChangedField::Profile => problem,
    })
}

//! Logging in.

use madrigal_core::{CallContext, Fault, PersonId, Secret, Timestamp};
use madrigal_http::Role;

use crate::events::{UserFact, UserLoggedIn};
use crate::passwords::PasswordError;
use crate::repositories::{events, users};
use crate::state::ServiceState;

/// A log-in that was granted.
pub(crate) struct Session {
    /// The bearer token.
    pub(crate) token: String,
    /// When it stops counting.
    pub(crate) expires_at: Timestamp,
    /// Who logged in.
    pub(crate) user_id: PersonId,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogInError {
    /// No such user, or another password: which of the two is not told.
    #[error("login and password do not belong together")]
    Wrong,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Checks the password of the user with that e-mail address or name. An unknown user takes as long as a wrong password.
///
/// The log-in is an event of the user, so that `lastActivity` knows of it.
///
/// # Cancellation
/// The event may be written or not.
pub(crate) async fn log_in(
    state: &ServiceState,
    login: &str,
    password: Secret<String>,
    context: CallContext,
) -> Result<Session, LogInError> {
    // As addresses are kept; names are compared regardless of case by their column.
    let login = login.trim().to_lowercase();
    let found = state.users.read("credentials", move |connection| users::credentials(connection, &login)).await?;
    let (user_id, hash) = found.unzip();
    if !state.passwords.check(password, hash).await? {
        return Err(LogInError::Wrong);
    }
    let user_id = user_id.ok_or(LogInError::Wrong)?;
    let host = state.host.clone();
    let context = CallContext { user_id: Some(user_id.to_string().into()), ..context };
    let known = state
        .users
        .decide("log-in", move |transaction| {
            // The user may have been erased while the password was checked.
            let Some((_, version)) = users::password(transaction, user_id)? else { return Ok(Err(LogInError::Wrong)) };
            let fact = UserFact::LoggedIn(UserLoggedIn {});
            events::insert(transaction, &host, (user_id, version), &fact, &context)?;
            Ok(Ok(()))
        })
        .await?;
    known?;
    let (token, expires_at) =
        state.signer.issue(&state.host, &user_id.to_string(), Role::Customer, state.session_lifetime);
    Ok(Session { token, expires_at, user_id })
}

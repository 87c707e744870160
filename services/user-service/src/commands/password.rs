//! Changing a password.

use std::sync::Arc;

use madrigal_core::{CallContext, Fault, PersonId, Secret, StreamVersion};

use crate::events::{UserFact, UserPasswordChanged};
use crate::passwords::PasswordError;
use crate::repositories::{events, users};
use crate::state::ServiceState;

/// Why a password was not changed; nothing was changed, but for a fault that says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangePasswordError {
    #[error("no such user")]
    Unknown,
    #[error("the current password is another one")]
    Wrong,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Gives the user another password, and says the user's version after it. Tokens that were issued before stay good until
/// they expire.
///
/// # Cancellation
/// The password may be changed or not.
pub(crate) async fn change_password(
    state: &Arc<ServiceState>,
    id: PersonId,
    current: Secret<String>,
    new: Secret<String>,
    context: CallContext,
) -> Result<StreamVersion, ChangePasswordError> {
    let found = state.users.read("password", move |connection| users::password(connection, id)).await?;
    let (checked, _) = found.ok_or(ChangePasswordError::Unknown)?;
    if !state.passwords.check(current, Some(checked.clone())).await? {
        return Err(ChangePasswordError::Wrong);
    }
    let new = state.passwords.hash(new).await?;
    let host = state.host.clone();
    state
        .users
        .decide("change-password", move |transaction| {
            match users::password(transaction, id)? {
                None => return Ok(Err(ChangePasswordError::Unknown)),
                // Changed by somebody else meanwhile: what was checked is not the current one any more.
                Some((now, _)) if now.expose() != checked.expose() => return Ok(Err(ChangePasswordError::Wrong)),
                Some(_) => {}
            }
            let Some(version) = users::set_password(transaction, id, &new, host.now())? else {
                return Ok(Err(ChangePasswordError::Unknown));
            };
            let fact = UserFact::PasswordChanged(UserPasswordChanged {});
            events::insert(transaction, &host, (id, version), &fact, &context)?;
            Ok(Ok(version))
        })
        .await?
}

//! Registering a user.

use std::sync::Arc;

use madrigal_core::{CallContext, Fault, PersonId, Secret, StreamVersion, Timestamp, tasks};

use crate::events::{ChangedField, UserFact, UserRegistered, seal};
use crate::models::{Email, Profile, User, Username};
use crate::passwords::PasswordError;
use crate::repositories::{events, users};
use crate::state::{ServiceState, ended};

/// A user who wants to be.
#[derive(Debug)]
pub(crate) struct RegisterUser {
    pub(crate) email: Email,
    pub(crate) username: Username,
    pub(crate) password: Secret<String>,
    pub(crate) profile: Profile,
    /// When the user registered elsewhere; only operators may say so.
    pub(crate) imported_from: Option<Timestamp>,
}

/// Why a user was not registered; nothing was changed, but for a fault that says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    #[error("already registered: {0:?}")]
    Taken(Vec<ChangedField>),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Registers a user: the person's key first, then user and event in one transaction.
///
/// A crash in between leaves a key that nothing was sealed with, and an id that nobody gets.
///
/// # Cancellation
/// The user may be registered or not.
pub(crate) async fn register(
    state: &Arc<ServiceState>,
    command: RegisterUser,
    context: CallContext,
) -> Result<User, RegisterError> {
    let RegisterUser { email, username, password, profile, imported_from } = command;
    // Before the password is hashed, which is dear; whether it holds is decided in the transaction.
    let (wanted_email, wanted_name) = (email.clone(), username.clone());
    let taken = state
        .users
        .read("taken", move |connection| users::taken(connection, &wanted_email, &wanted_name, None))
        .await?;
    if !taken.is_empty() {
        return Err(RegisterError::Taken(taken));
    }
    let password = state.passwords.hash(password).await?;
    let now = state.host.now();
    let user = User {
        id: state.ids.next(),
        email,
        username,
        profile,
        created_at: imported_from.unwrap_or(now),
        updated_at: now,
        version: StreamVersion(1),
    };
    let key = state.keys.make(user.id).await?;
    let fact = UserFact::Registered(UserRegistered {
        imported: imported_from.is_some(),
        person: seal(&state.host, &user, &key)?,
    });
    let (id, host) = (user.id, state.host.clone());
    let written = state
        .users
        .decide("register", move |transaction| {
            let taken = users::taken(transaction, &user.email, &user.username, None)?;
            if taken.is_empty() {
                users::insert(transaction, &user, &password)?;
                events::insert(transaction, &host, (user.id, user.version), &fact, &context)?;
                return Ok(Ok(user));
            }
            Ok(Err(taken))
        })
        .await?;
    match written {
        Ok(user) => Ok(user),
        Err(taken) => {
            take_back_key(state, id).await;
            Err(RegisterError::Taken(taken))
        }
    }
}

/// A key that stays is only untidy, so the refusal does not wait for better times.
async fn take_back_key(state: &Arc<ServiceState>, id: PersonId) {
    let of = Arc::clone(state);
    let taken_back = tasks::spawn("take-back-key", async move { of.keys.take_back(id).await }).await;
    if let Err(fault) = taken_back.map_err(ended).flatten() {
        tracing::warn!(cause = %fault.chain(), "a key without a person stays in the key store");
    }
}

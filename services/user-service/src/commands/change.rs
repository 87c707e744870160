//! Changing a user.

use std::sync::Arc;

use madrigal_core::{CallContext, Fault, PersonId, PersonKeys, StreamVersion, tasks};
use madrigal_sqlite::sql::{self, Connection};

use crate::events::{ChangedField, UserChanged, UserFact, seal};
use crate::models::{Email, InvalidField, ProfilePatch, User, Username};
use crate::repositories::{events, users};
use crate::state::{ServiceState, ended};

/// A change, based on one version.
#[derive(Debug)]
pub(crate) struct ChangeUser {
    pub(crate) id: PersonId,
    pub(crate) expected: StreamVersion,
    pub(crate) email: Option<Email>,
    pub(crate) username: Option<Username>,
    pub(crate) profile: ProfilePatch,
}

/// Why a user was not changed; nothing was changed, but for a fault that says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("no such user")]
    Unknown,
    #[error("the user is at version {0}")]
    WrongVersion(StreamVersion),
    #[error("the profile would break its rules")]
    Invalid(Vec<InvalidField>),
    #[error("already registered: {0:?}")]
    Taken(Vec<ChangedField>),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Changes a user and writes the event, in one transaction. A change that changes nothing is none: same version, no event.
///
/// # Cancellation
/// Goes on to its end: what is kept in memory for orders must follow what was written.
pub(crate) async fn change(
    state: &Arc<ServiceState>,
    command: ChangeUser,
    context: CallContext,
) -> Result<User, ChangeError> {
    let state = Arc::clone(state);
    tasks::spawn("change-user", async move { to_the_end(&state, command, context).await }).await.map_err(ended)?
}

async fn to_the_end(state: &ServiceState, command: ChangeUser, context: CallContext) -> Result<User, ChangeError> {
    // Without a key the person is erased: there is nobody to change.
    let key = state.keys.person_key(command.id).await?.ok_or(ChangeError::Unknown)?;
    let (host, sealing_key) = (state.host.clone(), key.clone());
    let changed = state
        .users
        .decide("change", move |transaction| {
            let (user, changed) = match decide(transaction, &command)? {
                Ok(decided) => decided,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if changed.is_empty() {
                return Ok(Ok(user));
            }
            users::update(transaction, &User { updated_at: host.now(), ..user })?;
            // Read back: the version is the store's.
            let Some(user) = users::find(transaction, command.id)? else { return Ok(Err(ChangeError::Unknown)) };
            let person = match seal(&host, &user, &sealing_key) {
                Ok(person) => person,
                Err(fault) => return Err(sql::Error::ToSqlConversionFailure(Box::new(fault))),
            };
            let fact = UserFact::Changed(UserChanged { changed, person });
            events::insert(transaction, &host, (user.id, user.version), &fact, &context)?;
            Ok(Ok(user))
        })
        .await??;
    state.buyers.remember(&changed, key);
    Ok(changed)
}

/// The user as it is to be, and which fields that touches.
fn decide(
    transaction: &Connection,
    command: &ChangeUser,
) -> sql::Result<Result<(User, Vec<ChangedField>), ChangeError>> {
    let Some(before) = users::find(transaction, command.id)? else { return Ok(Err(ChangeError::Unknown)) };
    if before.version != command.expected {
        return Ok(Err(ChangeError::WrongVersion(before.version)));
    }
    let profile = match before.profile.patched(&command.profile) {
        Ok(profile) => profile,
        Err(broken) => return Ok(Err(ChangeError::Invalid(broken))),
    };
    let after = User {
        email: command.email.clone().unwrap_or_else(|| before.email.clone()),
        username: command.username.clone().unwrap_or_else(|| before.username.clone()),
        profile,
        ..before.clone()
    };
    let taken = users::taken(transaction, &after.email, &after.username, Some(before.id))?;
    if !taken.is_empty() {
        return Ok(Err(ChangeError::Taken(taken)));
    }
    let touched = [
        (before.email != after.email, ChangedField::Email),
        (before.username != after.username, ChangedField::Username),
        (before.profile != after.profile, ChangedField::Profile),
    ];
    let changed = touched.into_iter().filter(|(differs, _)| *differs).map(|(_, field)| field).collect();
    Ok(Ok((after, changed)))
}

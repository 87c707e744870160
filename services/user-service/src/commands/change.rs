//! Changing a user.

use std::sync::Arc;

use madrigal_conflict::{Conflict, Rules};
use madrigal_core::{CallContext, Fault, PersonId, PersonKeys, StreamVersion, tasks};
use madrigal_sqlite::sql::{self, Connection};

use crate::commands::merge::{MergedFields, merged, record};
use crate::commands::save::{Writing, save};
use crate::events::{ChangedField, PersonalFields};
use crate::models::{Email, InvalidField, ProfilePatch, User, UserConflict, Username};
use crate::repositories::users;
use crate::state::{ServiceState, ended};

/// A change, based on one version.
#[derive(Debug)]
pub(crate) struct ChangeUser {
    pub(crate) id: PersonId,
    pub(crate) expected: StreamVersion,
    pub(crate) email: Option<Email>,
    pub(crate) username: Option<Username>,
    pub(crate) profile: ProfilePatch,
    /// Whether it is merged where the user changed since that version.
    pub(crate) merge: bool,
}

/// A user after a change.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) user: User,
    /// What merging did not take.
    pub(crate) losers: Vec<UserConflict>,
}

/// Why a user was not changed; nothing was changed, but for a fault that says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("no such user")]
    Unknown,
    #[error("the user is at version {0}")]
    WrongVersion(StreamVersion),
    #[error("it is not known what the user was at the version that is to be merged; now it is {0}")]
    UnknownBase(StreamVersion),
    #[error("{} fields are for a person to decide", .0.len())]
    Conflicts(Vec<Conflict>),
    #[error("too many conflicts of the user are open")]
    TooManyConflicts,
    #[error("the profile would break its rules")]
    Invalid(Vec<InvalidField>),
    #[error("already registered: {0:?}")]
    Taken(Vec<ChangedField>),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl ChangeUser {
    /// These fields with the change.
    pub(crate) fn applied_to(&self, fields: &PersonalFields) -> Result<PersonalFields, Vec<InvalidField>> {
        Ok(PersonalFields {
            email: self.email.clone().unwrap_or_else(|| fields.email.clone()),
            username: self.username.clone().unwrap_or_else(|| fields.username.clone()),
            profile: fields.profile.patched(&self.profile)?,
        })
    }
}

/// Changes a user and writes the event, and what merging did not take, in one transaction. A change that changes nothing is
/// none: same version, no event.
///
/// # Cancellation
/// Goes on to its end: what is kept in memory for orders must follow what was written.
pub(crate) async fn change(
    state: &Arc<ServiceState>,
    command: ChangeUser,
    context: CallContext,
) -> Result<Changed, ChangeError> {
    let state = Arc::clone(state);
    tasks::spawn("change-user", async move { to_the_end(&state, command, context).await }).await.map_err(ended)?
}

async fn to_the_end(state: &ServiceState, command: ChangeUser, context: CallContext) -> Result<Changed, ChangeError> {
    // Without a key the person is erased: there is nobody to change.
    let key = state.keys.person_key(command.id).await?.ok_or(ChangeError::Unknown)?;
    let writing = Writing { host: state.host.clone(), key: key.clone(), context };
    let rules = state.merge_rules.clone();
    let changed =
        state.users.decide("change", move |transaction| decide(transaction, &rules, &command, &writing)).await??;
    state.buyers.remember(&changed.user, key);
    Ok(changed)
}

fn decide(
    transaction: &Connection,
    rules: &Rules,
    command: &ChangeUser,
    writing: &Writing,
) -> sql::Result<Result<Changed, ChangeError>> {
    let Some(before) = users::find(transaction, command.id)? else { return Ok(Err(ChangeError::Unknown)) };
    let wanted = if before.version == command.expected {
        let fields = command.applied_to(&PersonalFields::of(&before));
        fields.map(|fields| MergedFields { fields, losers: Vec::new() }).map_err(ChangeError::Invalid)
    } else if command.merge {
        merged(transaction, rules, &before, command, writing)?
    } else {
        Err(ChangeError::WrongVersion(before.version))
    };
    let MergedFields { fields, losers } = match wanted {
        Ok(wanted) => wanted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let user = match save(transaction, before, fields, writing)? {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let recorded = record(transaction, &user, losers, writing)?;
    Ok(recorded.map(|losers| Changed { user, losers }))
}

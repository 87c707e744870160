//! Choosing between the two values of a conflict.

use std::sync::Arc;

use madrigal_conflict::FieldPath;
use madrigal_core::{CallContext, Fault, PersonId, PersonKeys, StreamVersion, tasks};
use madrigal_sqlite::sql::{self, Connection};
use serde_json::Value;

use crate::commands::ChangeError;
use crate::commands::save::{Writing, broken, save};
use crate::events::PersonalFields;
use crate::models::{Choice, Email, InvalidField, ProfilePatch, User, UserConflict, Username};
use crate::repositories::{conflicts, users};
use crate::state::{ServiceState, ended};

/// A choice, based on one version of the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChooseValue {
    pub(crate) user: PersonId,
    pub(crate) conflict: i64,
    pub(crate) choice: Choice,
    pub(crate) expected: StreamVersion,
}

/// Why nothing was chosen; nothing was changed, but for a fault that says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    #[error("no such conflict")]
    NoSuchConflict,
    #[error("somebody chose the other value")]
    Settled,
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<Fault> for ChooseError {
    fn from(fault: Fault) -> Self {
        Self::Change(ChangeError::Fault(fault))
    }
}

/// Settles a conflict: the loser becomes the field's value, or what stands goes on standing. Choosing the same again changes
/// nothing.
///
/// # Cancellation
/// Goes on to its end, as a change does.
pub(crate) async fn choose(
    state: &Arc<ServiceState>,
    command: ChooseValue,
    context: CallContext,
) -> Result<User, ChooseError> {
    let state = Arc::clone(state);
    tasks::spawn("choose-value", async move { to_the_end(&state, command, context).await }).await.map_err(ended)?
}

async fn to_the_end(state: &ServiceState, command: ChooseValue, context: CallContext) -> Result<User, ChooseError> {
    let key = state.keys.person_key(command.user).await?.ok_or(ChangeError::Unknown)?;
    let writing = Writing { host: state.host.clone(), key: key.clone(), context };
    let user = state.users.decide("choose", move |transaction| decide(transaction, command, &writing)).await??;
    state.buyers.remember(&user, key);
    Ok(user)
}

fn decide(transaction: &Connection, command: ChooseValue, writing: &Writing) -> sql::Result<Result<User, ChooseError>> {
    let Some(user) = users::find(transaction, command.user)? else { return Ok(Err(ChangeError::Unknown.into())) };
    let Some(stored) = conflicts::find(transaction, command.user, command.conflict)? else {
        return Ok(Err(ChooseError::NoSuchConflict));
    };
    match &stored.settled {
        Some(settled) if settled.choice == command.choice => return Ok(Ok(user)),
        Some(_) => return Ok(Err(ChooseError::Settled)),
        None => {}
    }
    if user.version != command.expected {
        return Ok(Err(ChangeError::WrongVersion(user.version).into()));
    }
    let opened =
        stored.open(Some(&writing.key)).map_err(|error| broken(Fault::permanent("user-service", "open", error)))?;
    let Some(conflict) = opened else { return Ok(Err(ChangeError::Unknown.into())) };
    let saved = match command.choice {
        Choice::Standing => Ok(user),
        Choice::Loser => match with_the_loser(&user, conflict) {
            Ok(fields) => save(transaction, user, fields, writing)?,
            Err(invalid) => Err(ChangeError::Invalid(invalid)),
        },
    };
    let user = match saved {
        Ok(user) => user,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let (which, by) = ((command.user, command.conflict), writing.context.user_id.as_deref());
    conflicts::settle(transaction, which, command.choice, by, writing.host.now())?;
    Ok(Ok(user))
}

/// The user's fields with the loser in its place.
fn with_the_loser(user: &User, conflict: UserConflict) -> Result<PersonalFields, Vec<InvalidField>> {
    let mut fields = PersonalFields::of(user);
    let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    match names(&conflict.field)[..] {
        ["email"] => fields.email = Email::parse(&text(conflict.loser)).map_err(|invalid| vec![invalid])?,
        ["username"] => fields.username = Username::parse(&text(conflict.loser)).map_err(|invalid| vec![invalid])?,
        ["profile", name] => {
            // What was a profile's value is one: it was read from one.
            let value = conflict.loser.and_then(|value| serde_json::from_value(value).ok());
            fields.profile = fields.profile.patched(&ProfilePatch([(name.to_owned(), value)].into()))?;
        }
        _ => {}
    }
    Ok(fields)
}

fn names(field: &FieldPath) -> Vec<&str> {
    field.names().iter().map(String::as_str).collect()
}

//! Erasing a person.

use std::sync::Arc;

use madrigal_core::{CallContext, Fault, PersonId, StreamVersion, tasks};

use crate::capture;
use crate::events::{UserErased, UserFact};
use crate::repositories::{events, users};
use crate::state::{ServiceState, ended};

/// Why a person was not erased; nothing was changed, but for a fault that says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EraseError {
    #[error("no such user")]
    Unknown,
    #[error("the user is at version {0}")]
    WrongVersion(StreamVersion),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Erases a person: the row goes, from the captured changes too, and the erasure is written in one transaction; then the
/// person's key is destroyed, and with it everything personal in events, views and mails of every service.
///
/// A crash in between is made good when the service opens again ([`finish`]); so is a fault, by repeating. Durable when
/// this returns, in the files too: deleted rows are overwritten, and the write-ahead logs are emptied. Name and address
/// are free again; the id never returns.
///
/// # Cancellation
/// Goes on to its end.
pub(crate) async fn erase(
    state: &Arc<ServiceState>,
    id: PersonId,
    expected: StreamVersion,
    context: CallContext,
) -> Result<(), EraseError> {
    let state = Arc::clone(state);
    tasks::spawn("erase-user", async move { to_the_end(&state, id, expected, context).await }).await.map_err(ended)?
}

/// Destroys the keys of persons whose erasure was written and not finished.
///
/// # Errors
/// A [`Fault`] from a store; then some may be left.
pub(crate) async fn finish(state: &ServiceState) -> Result<(), Fault> {
    for person in state.users.read("list-erased", events::erased).await? {
        if state.keys.has(person).await? {
            tracing::warn!(person = person.0, "an erasure was cut short and is finished now");
            let changes = state.changes.clone();
            state.users.write("forget-changes", move |tx| capture::forget(tx, &changes, person)).await?;
            destroy(state, person).await?;
        }
    }
    Ok(())
}

async fn to_the_end(
    state: &ServiceState,
    id: PersonId,
    expected: StreamVersion,
    context: CallContext,
) -> Result<(), EraseError> {
    let (host, changes) = (state.host.clone(), state.changes.clone());
    let erased = state
        .users
        .decide("erase", move |transaction| {
            let Some(user) = users::find(transaction, id)? else {
                return Ok(Err((EraseError::Unknown, events::is_erased(transaction, id)?)));
            };
            if user.version != expected {
                return Ok(Err((EraseError::WrongVersion(user.version), false)));
            }
            users::delete(transaction, id)?;
            capture::forget(transaction, &changes, id)?;
            let fact = UserFact::Erased(UserErased {});
            events::insert(transaction, &host, (id, StreamVersion(user.version.0 + 1)), &fact, &context)?;
            Ok(Ok(()))
        })
        .await?;
    match erased {
        Ok(()) => Ok(destroy(state, id).await?),
        Err((refusal, finish)) => {
            if finish {
                destroy(state, id).await?;
            }
            Err(refusal)
        }
    }
}

async fn destroy(state: &ServiceState, person: PersonId) -> Result<(), Fault> {
    state.keys.destroy(person).await?;
    state.buyers.forget(person);
    state.users.checkpoint().await
}

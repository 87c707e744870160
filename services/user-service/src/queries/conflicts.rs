//! What merges did not take, for somebody who may see it.

use madrigal_core::{Fault, PersonId, PersonKeys};

use crate::models::UserConflict;
use crate::repositories::{conflicts, users};
use crate::state::ServiceState;

/// The user's conflicts after that number, oldest first; `None` if there is no such user.
pub(crate) async fn conflicts_of(
    state: &ServiceState,
    id: PersonId,
    after: i64,
    only_open: bool,
    limit: usize,
) -> Result<Option<Vec<UserConflict>>, Fault> {
    let key = state.keys.person_key(id).await?;
    let found = state
        .users
        .read("list-conflicts", move |connection| {
            let there = users::find(connection, id)?.is_some();
            there.then(|| conflicts::of_user(connection, id, after, only_open, limit)).transpose()
        })
        .await?;
    let Some(found) = found else { return Ok(None) };
    let opened = found.into_iter().map(|stored| stored.open(key.as_ref()));
    let opened: Result<Vec<Option<UserConflict>>, _> = opened.collect();
    let opened = opened.map_err(|error| Fault::permanent("user-service", "open", error))?;
    // Between the two reads the person may have been erased.
    Ok(Some(opened.into_iter().flatten().collect()))
}

//! What happened to a user, for somebody who may see it.

use async_trait::async_trait;
use madrigal_core::sealed::open_all;
use madrigal_core::{Fault, PersonId, PersonKey, PersonKeys, Position};

use crate::models::UserEvent;
use crate::repositories::events;
use crate::state::ServiceState;

/// The user's events after that place, oldest first, their personal fields opened; `None` if there never was such a user.
/// Of an erased person it is still told what happened and when, without anything personal.
pub(crate) async fn events_of(
    state: &ServiceState,
    id: PersonId,
    after: Position,
    limit: usize,
) -> Result<Option<Vec<UserEvent>>, Fault> {
    let found = state
        .users
        .read("list-events", move |connection| {
            events::has_past(connection, id)?.then(|| events::of_user(connection, id, after, limit)).transpose()
        })
        .await?;
    let Some(mut found) = found else { return Ok(None) };
    let keys = OneKey { person: id, key: state.keys.person_key(id).await? };
    for event in &mut found {
        open_all(&mut event.event_data, &keys).await?;
    }
    Ok(Some(found))
}

/// A page of events is about one person: the key is asked for once.
struct OneKey {
    person: PersonId,
    key: Option<PersonKey>,
}

#[async_trait]
impl PersonKeys for OneKey {
    async fn person_key(&self, person: PersonId) -> Result<Option<PersonKey>, Fault> {
        Ok(self.key.clone().filter(|_| person == self.person))
    }
}

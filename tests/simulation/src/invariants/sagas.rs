//! Sagas: ended, readable, fenced.

use madrigal_saga::SagaState;
use madrigal_saga::directory::summary;

use crate::books::{Books, data};
use crate::shop::Role;

/// After a runner took a saga over, nothing of an earlier runner is in its stream.
pub(super) fn no_zombie_writes(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for (stream, events) in books.streams(Role::Order, "saga") {
        let mut current = 0;
        for event in events {
            let epoch = data(event)["epoch"].as_u64().unwrap_or_default();
            if epoch < current {
                let (kind, version) = (&event.event_type, event.version());
                found.push(format!("{stream} version {version}: {kind} of epoch {epoch} after epoch {current}"));
                break;
            }
            let claims = event.event_type.as_str() == "SagaEpochClaimed";
            if claims && epoch == current {
                found.push(format!("{stream} version {}: epoch {epoch} is claimed twice", event.version()));
                break;
            }
            current = epoch;
        }
    }
    found
}

/// Every saga ends, and can be read.
pub(super) fn sagas_end(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for (stream, events) in books.streams(Role::Order, "saga") {
        let state = events.into_iter().fold(None, summary::apply).map(|row| (row.state, row.reason));
        match state {
            Some((SagaState::Completed | SagaState::Compensated, _)) => {}
            Some((state, reason)) => {
                found.push(format!("{stream} is {}: {}", state.as_str(), reason.unwrap_or_default()))
            }
            None => found.push(format!("{stream} cannot be read")),
        }
    }
    found
}

//! What another service is told about a saga: whether it still needs what is held for it.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::order::{GetSagaStanding, SagaStanding};
use madrigal_core::{CallContext, Fault};
use madrigal_http::Answer;
use madrigal_saga::{SagaEngine, SagaId, SagaProgress, SagaState};

/// Answers [`GetSagaStanding`] from this engine's sagas.
#[derive(Clone)]
pub struct Standing(pub SagaEngine);

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standing").finish_non_exhaustive()
    }
}

#[async_trait]
impl Answer<GetSagaStanding> for Standing {
    async fn answer(&self, _context: CallContext, call: GetSagaStanding) -> Result<SagaStanding, Fault> {
        let Ok(id) = call.saga_id.parse::<SagaId>() else { return Ok(SagaStanding::Unknown) };
        let Some(story) = self.0.show(&id).await? else {
            // A saga whose first record this program cannot read has no story, and may need what it holds all the same.
            let unknown = self.0.outcome(&id, Duration::ZERO).await? == SagaProgress::Unknown;
            return Ok(if unknown { SagaStanding::Unknown } else { SagaStanding::Live });
        };
        Ok(match story.state {
            SagaState::Completed => SagaStanding::Committed,
            SagaState::Compensated | SagaState::CompensatedByHand => SagaStanding::Undone,
            SagaState::Abandoned => match self.0.outcome(&id, Duration::ZERO).await? {
                SagaProgress::Committed { .. } => SagaStanding::Committed,
                _ => SagaStanding::Undone,
            },
            _ => SagaStanding::Live,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use madrigal_core::{EventId, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent};
    use madrigal_event_store::{DynEventStore, MemoryEventStore};
    use madrigal_saga::{MemoryDirectory, SagaOptions};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_saga_that_cannot_be_read_still_needs_what_it_holds() {
        let host = Host::seeded(1);
        let store: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
        let directory = Arc::new(MemoryDirectory::new(store.clone()));
        let engine = SagaEngine::new(store.clone(), Vec::new(), directory, host.clone(), SagaOptions::default());
        let id = SagaId::derive("42", "place-order", "a");
        let standing = Standing(engine);
        let call = || GetSagaStanding { saga_id: id.to_string() };
        assert_eq!(standing.answer(CallContext::new(&host), call()).await.unwrap(), SagaStanding::Unknown);

        let of_tomorrow = EventType::parse("SagaStarted").unwrap();
        let data = JsonBytes::of(&json!({ "form": "of a later program" })).unwrap();
        let started = NewEvent::new(EventId::derived("started"), of_tomorrow, 2, data, &CallContext::new(&host));
        store.append(id.stream(), ExpectedVersion::NoStream, vec![started]).await.unwrap();
        assert_eq!(standing.answer(CallContext::new(&host), call()).await.unwrap(), SagaStanding::Live);
    }
}

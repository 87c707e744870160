//! The directory as a view: a projection of the sagas' streams, kept in any view store.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, PositionToken, RecordedEvent};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{ApplyError, Columns, Interest, Projection, Query, ViewReader, Viewed};

use super::{SagaDirectory, SagaFilter, SagaPage, SagaSummary, summary};
use crate::id::SAGA_CATEGORY;
use crate::state::SagaState;

/// The projection of every saga's stream into its [`SagaSummary`]; the key is the saga's id.
#[derive(Debug, Clone, Copy, Default)]
pub struct SagaSummaries;

impl Projection for SagaSummaries {
    type Row = SagaSummary;

    fn name(&self) -> &'static str {
        "saga-summaries"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["open", "state", "definition", "owner"]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Ok(if event.stream.category() == SAGA_CATEGORY { Interest::own(event) } else { Interest::Skip })
    }

    fn apply(
        &self,
        _key: &str,
        row: Option<SagaSummary>,
        event: &RecordedEvent,
    ) -> Result<Option<SagaSummary>, ApplyError> {
        Ok(summary::apply(row, event))
    }

    fn columns(&self, row: &SagaSummary) -> Columns {
        let columns = Columns::none()
            .with("open", i64::from(!row.state.is_ended()))
            .with("state", row.state.as_str())
            .with("definition", &*row.definition);
        match row.owner {
            Some(owner) => columns.with("owner", owner.0),
            None => columns,
        }
    }
}

/// A directory over the view of [`SagaSummaries`]. Whoever makes it runs the projection.
#[derive(Clone)]
pub struct ViewDirectory {
    store: DynEventStore,
    reader: ViewReader<SagaSummaries>,
}

impl ViewDirectory {
    /// The directory of this store's sagas, read from their view.
    pub const fn new(store: DynEventStore, reader: ViewReader<SagaSummaries>) -> Self {
        Self { store, reader }
    }

    async fn page(&self, query: Query, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        let limit = limit.clamp(1, Query::MAX_ROWS - 1);
        let mut found: Vec<Viewed<SagaSummary>> =
            self.reader.query(Query { limit: limit + 1, ..query.after(cursor) }).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.key.clone());
        Ok(SagaPage { items: found.into_iter().map(|viewed| viewed.row).collect(), next })
    }
}

#[async_trait]
impl SagaDirectory for ViewDirectory {
    async fn caught_up(&self, limit: Duration) -> Result<(), Fault> {
        let token = PositionToken::of(self.store.log().clone(), self.store.epoch(), self.store.end());
        let waited = self.reader.wait_for(&token, limit).await;
        waited.map_err(|behind| Fault::not_applied("saga-directory", "catch up", behind))
    }

    async fn open(&self, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        self.page(Query::oldest(limit).having("open", 1), cursor, limit).await
    }

    async fn list(&self, filter: &SagaFilter, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        let mut query = Query::oldest(limit);
        if let Some(state) = filter.state {
            query = query.having("state", SagaState::as_str(state));
        }
        if let Some(definition) = &filter.definition {
            query = query.having("definition", definition.as_str());
        }
        if let Some(owner) = filter.owner {
            query = query.having("owner", owner.0);
        }
        self.page(query, cursor, limit).await
    }
}

//! The directory as a view: a projection of the sagas' streams, kept in any view store.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, RecordedEvent};
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
        2
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["open", "state", "owner"]
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

    /// Saga ids are hashes, so that each column costs a page of an index that no other saga of the batch touches. What nearly
    /// all sagas have (completed, one of a few definitions) is therefore no column: a list finds it by looking.
    fn columns(&self, row: &SagaSummary) -> Columns {
        let mut columns = Columns::none();
        if !row.state.is_ended() {
            columns = columns.with("open", 1);
        }
        if row.state != SagaState::Completed {
            columns = columns.with("state", row.state.as_str());
        }
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

    /// The rows of a query that are asked for. Looks at [`LOOKED_AT`] rows at most: a page may be short, or empty, and
    /// have a next one.
    async fn page(
        &self,
        query: Query,
        admits: impl Fn(&SagaSummary) -> bool + Send,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<SagaPage, Fault> {
        let limit = limit.clamp(1, Query::MAX_ROWS - 1);
        let (mut items, mut cursor) = (Vec::new(), cursor.map(str::to_owned));
        for _ in 0..LOOKED_AT / (Query::MAX_ROWS - 1) {
            let size = if items.is_empty() { limit } else { Query::MAX_ROWS - 1 };
            let mut found: Vec<Viewed<SagaSummary>> =
                self.reader.query(Query { limit: size + 1, ..query.clone().after(cursor.take()) }).await?;
            let mut more = found.len() > size;
            found.truncate(size);
            let mut last = None;
            for viewed in found {
                if items.len() == limit {
                    more = true;
                    break;
                }
                last = Some(viewed.key);
                if admits(&viewed.row) {
                    items.push(viewed.row);
                }
            }
            cursor = last.filter(|_| more);
            if cursor.is_none() || items.len() == limit {
                break;
            }
        }
        Ok(SagaPage { items, next: cursor })
    }
}

/// How many rows one page of a list looks at, at most.
const LOOKED_AT: usize = 10 * (Query::MAX_ROWS - 1);

#[async_trait]
impl SagaDirectory for ViewDirectory {
    async fn caught_up(&self, limit: Duration) -> Result<(), Fault> {
        let token = self.store.token(self.store.end());
        let waited = self.reader.wait_for(&token, limit).await;
        waited.map_err(|behind| Fault::not_applied("saga-directory", "catch up", behind))
    }

    async fn open(&self, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        self.page(Query::oldest(limit).having("open", 1), |_| true, cursor, limit).await
    }

    async fn list(&self, filter: &SagaFilter, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        let mut query = Query::oldest(limit);
        if let Some(state) = filter.state.filter(|state| *state != SagaState::Completed) {
            query = query.having("state", SagaState::as_str(state));
        }
        if let Some(owner) = filter.owner {
            query = query.having("owner", owner.0);
        }
        self.page(query, |summary| filter.admits(summary), cursor, limit).await
    }
}

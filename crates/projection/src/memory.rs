//! The in-memory view store: the rules, written as plainly as possible. For tests and for views that may be lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use madrigal_core::{Fault, Position};

use crate::generations::Generations;
use crate::parking::{ParkedEvent, ParkedFilter};
use crate::store::{DynViewSnapshot, ViewSnapshot, ViewStore};
use crate::view::{Checkpoint, Columns, Query, StoredRow, ViewBatch, ViewId, is_name};

const ENGINE: &str = "memory-views";

/// Views in memory, unbounded: as large as their rows.
#[derive(Debug, Default)]
pub struct MemoryViews {
    views: Mutex<HashMap<ViewId, View>>,
    generations: Mutex<HashMap<String, Generations>>,
}

#[derive(Debug, Clone, Default)]
struct View {
    columns: &'static [&'static str],
    rows: BTreeMap<String, StoredRow>,
    parked: BTreeMap<(Position, String), ParkedEvent>,
    checkpoint: Option<Checkpoint>,
}

impl MemoryViews {
    /// No views.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ViewId, View>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        view: &ViewId,
        operation: &'static str,
        work: impl FnOnce(&mut View) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut views = self.lock();
        let known = views
            .get_mut(view)
            .ok_or_else(|| Fault::permanent(ENGINE, operation, format!("view {view} was not prepared")))?;
        work(known)
    }
}

/// Checks the names of a view's columns, for every implementation of [`ViewStore::prepare`].
///
/// # Errors
/// What is wrong with them, in words.
pub fn check_columns(columns: &[&str]) -> Result<(), String> {
    if columns.len() > Columns::MAX {
        return Err(format!("a view has at most {} columns, not {}", Columns::MAX, columns.len()));
    }
    for (index, name) in columns.iter().enumerate() {
        if !is_name(name, b'_') {
            return Err(format!("{name:?} cannot name a column: lower-case letters, digits and underscores"));
        }
        if columns[..index].contains(name) {
            return Err(format!("column {name} is declared twice"));
        }
    }
    Ok(())
}

/// Checks that a batch may follow a checkpoint, for every implementation of [`ViewStore::commit`].
///
/// # Errors
/// Why it may not, in words.
pub fn check_progress(stored: Option<Checkpoint>, next: Checkpoint) -> Result<(), String> {
    match stored {
        Some(stored) if stored.epoch != next.epoch => {
            Err(format!("the view stands in epoch {}, the batch is of epoch {}", stored.epoch, next.epoch))
        }
        Some(stored) if stored.position > next.position => {
            Err(format!("the view stands at {}, the batch would set it back to {}", stored.position, next.position))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl ViewStore for MemoryViews {
    async fn prepare(&self, view: &ViewId, columns: &'static [&'static str]) -> Result<(), Fault> {
        check_columns(columns).map_err(|why| Fault::permanent(ENGINE, "prepare", why))?;
        let mut views = self.lock();
        let known = views.entry(view.clone()).or_insert_with(|| View { columns, ..View::default() });
        if known.columns == columns {
            return Ok(());
        }
        let why = format!("view {view} has columns {:?}, not {columns:?}: raise its version", known.columns);
        Err(Fault::permanent(ENGINE, "prepare", why))
    }

    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault> {
        self.with(view, "checkpoint", |view| Ok(view.checkpoint))
    }

    async fn load(&self, view: &ViewId, keys: Vec<String>) -> Result<HashMap<String, StoredRow>, Fault> {
        self.with(view, "load", |view| {
            let found = keys.into_iter().filter_map(|key| view.rows.get(&key).cloned().map(|row| (key, row)));
            Ok(found.collect())
        })
    }

    async fn commit(&self, view: &ViewId, batch: ViewBatch) -> Result<(), Fault> {
        self.with(view, "commit", |view| {
            check_progress(view.checkpoint, batch.checkpoint).map_err(|why| Fault::permanent(ENGINE, "commit", why))?;
            view.rows.extend(batch.puts);
            for key in batch.deletes {
                view.rows.remove(&key);
            }
            for event in batch.parked {
                view.parked.insert((event.position, event.lane.clone()), event);
            }
            for (lane, position) in batch.unparked {
                view.parked.remove(&(position, lane));
            }
            for skip in batch.skipped {
                if let Some(event) = view.parked.get_mut(&(skip.position, skip.lane)) {
                    event.skipped = Some(skip.reason);
                    event.last_at = skip.at;
                }
            }
            view.checkpoint = Some(batch.checkpoint);
            Ok(())
        })
    }

    async fn get(&self, view: &ViewId, key: &str) -> Result<Option<StoredRow>, Fault> {
        self.with(view, "get", |view| Ok(view.rows.get(key).cloned()))
    }

    async fn query(&self, view: &ViewId, query: Query) -> Result<Vec<(String, StoredRow)>, Fault> {
        self.with(view, "query", |view| {
            if let Some((odd, _)) = query.filters.iter().find(|(name, _)| !view.columns.contains(&name.as_str())) {
                return Err(Fault::permanent(ENGINE, "query", format!("there is no column {odd}")));
            }
            let admits = |key: &str, row: &StoredRow| {
                let beyond = query.after.as_deref().is_none_or(|after| match query.newest_first {
                    true => key < after,
                    false => key > after,
                });
                beyond && query.filters.iter().all(|(name, value)| row.columns.get(name) == Some(value))
            };
            let limit = query.bounded_limit();
            let own = |(key, row): (&String, &StoredRow)| (key.clone(), row.clone());
            let rows = view.rows.iter().filter(|(key, row)| admits(key, row));
            Ok(if query.newest_first {
                rows.rev().take(limit).map(own).collect()
            } else {
                rows.take(limit).map(own).collect()
            })
        })
    }

    async fn parked(&self, view: &ViewId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        self.with(view, "parked", |view| {
            let shown = view.parked.values().filter(|event| filter.admits(event));
            Ok(shown.take(filter.bounded_limit()).cloned().collect())
        })
    }

    async fn parked_lanes(&self, view: &ViewId, limit: usize) -> Result<Vec<String>, Fault> {
        self.with(view, "parked-lanes", |view| {
            let mut lanes: Vec<String> =
                view.parked.values().filter(|event| event.skipped.is_none()).map(|event| event.lane.clone()).collect();
            lanes.sort_unstable();
            lanes.dedup();
            lanes.truncate(limit);
            Ok(lanes)
        })
    }

    async fn generations(&self, name: &str) -> Result<Option<Generations>, Fault> {
        Ok(self.generations.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }

    async fn arrange(&self, name: &str, next: &Generations) -> Result<(), Fault> {
        let mut known = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        next.check_follows(known.get(name)).map_err(|why| Fault::permanent(ENGINE, "arrange", why))?;
        known.insert(name.to_owned(), next.clone());
        Ok(())
    }

    async fn snapshot(&self) -> Result<DynViewSnapshot, Fault> {
        Ok(Arc::new(MemorySnapshot(self.lock().clone())))
    }

    async fn clear(&self, view: &ViewId, at_most: usize) -> Result<bool, Fault> {
        let mut views = self.lock();
        let Some(known) = views.get_mut(view) else { return Ok(true) };
        if known.rows.len() > at_most {
            let first: Vec<String> = known.rows.keys().take(at_most).cloned().collect();
            first.iter().for_each(|key| drop(known.rows.remove(key)));
            return Ok(false);
        }
        views.remove(view);
        Ok(true)
    }
}

/// A copy of everything.
struct MemorySnapshot(HashMap<ViewId, View>);

#[async_trait]
impl ViewSnapshot for MemorySnapshot {
    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault> {
        Ok(self.0.get(view).and_then(|view| view.checkpoint))
    }

    async fn rows(
        &self,
        view: &ViewId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, StoredRow)>, Fault> {
        let beyond = |key: &str| after.as_deref().is_none_or(|after| key > after);
        let rows = self.0.get(view).into_iter().flat_map(|view| &view.rows);
        let own = |(key, row): (&String, &StoredRow)| (key.clone(), row.clone());
        Ok(rows.filter(|(key, _)| beyond(key)).take(limit.clamp(1, Query::MAX_ROWS)).map(own).collect())
    }
}

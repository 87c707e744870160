//! A candidate is built beside what serves, compared, and switched to in one step.

mod parked_keys;
mod restarts;
mod switching;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use madrigal_core::{Host, RecordedEvent, tasks};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{
    ApplyError, Columns, DynManaged, DynViewStore, Interest, MemoryViews, OperateError, Projection, ProjectionRunner,
    ProjectionStatus, Refusal, RunnerOptions,
};

use crate::shop::{Cart, Carts, cart, item, log};

/// Carts whose code can be of another version: prices count `factor` times, `strict` ones have other columns.
struct Versioned {
    version: u32,
    factor: Arc<AtomicI64>,
    columns: &'static [&'static str],
    mended: Arc<AtomicBool>,
}

impl Versioned {
    fn of(version: u32, factor: i64) -> Self {
        let mended = Arc::new(AtomicBool::new(false));
        Self { version, factor: Arc::new(AtomicI64::new(factor)), columns: &["owner"], mended }
    }
}

impl Projection for Versioned {
    type Row = Cart;

    fn name(&self) -> &'static str {
        "carts"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn column_names(&self) -> &'static [&'static str] {
        self.columns
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Carts.keys(event)
    }

    fn apply(&self, key: &str, row: Option<Cart>, event: &RecordedEvent) -> Result<Option<Cart>, ApplyError> {
        if self.mended.load(Ordering::SeqCst) && event.decode::<serde_json::Value>()?["price"] == -1 {
            return Ok(row);
        }
        let before = row.as_ref().map_or(0, |cart| cart.total);
        let after = Carts.apply(key, row, event)?;
        let factor = self.factor.load(Ordering::SeqCst);
        Ok(after.map(|cart| Cart { total: before + (cart.total - before) * factor, ..cart }))
    }

    fn columns(&self, row: &Cart) -> Columns {
        self.columns.iter().fold(Columns::none(), |columns, name| columns.with(name, row.owner))
    }
}

fn runner<P: Projection>(projection: P, log: &DynEventStore, views: &DynViewStore) -> ProjectionRunner<P> {
    let options = RunnerOptions { batch: 10, batch_behind: 10, ..RunnerOptions::for_service("tests") };
    ProjectionRunner::new(projection, Arc::clone(log), Arc::clone(views), Host::system(), options).unwrap()
}

fn views() -> DynViewStore {
    Arc::new(MemoryViews::new())
}

/// A log with `carts` carts of two items.
async fn filled(carts: usize) -> DynEventStore {
    let log = log();
    for n in 0..carts {
        cart(&log, &format!("{n:03}"), i64::try_from(n).unwrap()).await;
        item(&log, &format!("{n:03}"), 2).await;
        item(&log, &format!("{n:03}"), 3).await;
    }
    log
}

fn refusal<T: std::fmt::Debug>(result: Result<T, OperateError>) -> Refusal {
    match result.unwrap_err() {
        OperateError::Refused(refusal) => refusal,
        OperateError::Fault(fault) => panic!("{}", fault.chain()),
    }
}

async fn until(what: &str, managed: &DynManaged, holds: impl Fn(&ProjectionStatus) -> bool) {
    let waited = tasks::within(Duration::from_secs(60), async {
        while !holds(&managed.status().await.unwrap()) {
            tasks::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_some(), "never: {what}");
}

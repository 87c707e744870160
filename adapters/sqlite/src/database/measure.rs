//! How long operations take: `db_operation_duration_seconds`.

use std::sync::Arc;

use madrigal_core::tasks::{self, Instant};
use metrics::Label;

/// Measures one operation from its making to its end, whatever its outcome: the statements and the commit, without the wait
/// for a connection. Less than a microsecond, beside a hop to another thread.
pub(crate) struct Measured {
    started: Instant,
    labels: [Label; 3],
}

impl Measured {
    /// Begins.
    pub(crate) fn new(database: &Arc<str>, operation: &'static str, table: Arc<str>) -> Self {
        let labels = [
            Label::new("database", Arc::clone(database)),
            Label::from_static_parts("operation", operation),
            Label::new("table", table),
        ];
        Self { started: tasks::instant(), labels }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let took = self.started.elapsed().as_secs_f64();
        metrics::histogram!("db_operation_duration_seconds", self.labels.iter()).record(took);
    }
}

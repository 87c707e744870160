//! Reads of a view while it is built.

use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_order_service::projections::order_view::OrderViewProjection;
use madrigal_projection::{Query, ViewReader};

use crate::latency::Latencies;

/// Rows of a page.
const PAGE: usize = 50;

/// How the reads went.
pub(super) struct Outcome {
    pub(super) latencies: Latencies,
    pub(super) failures: u64,
}

/// Reads until `done`: every other time one order, else the newest page. A read that is due while another is under way waits, and its
/// latency counts from when it was due.
pub(super) async fn read(
    reader: ViewReader<OrderViewProjection>,
    per_second: u32,
    done: StopSignal,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome { latencies: Latencies::new()?, failures: 0 };
    let (began, mut number, mut known) = (tasks::instant(), 0u32, String::new());
    loop {
        let due = began + Duration::from_secs_f64(f64::from(number) / f64::from(per_second));
        tokio::select! {
            () = done.cancelled() => return Ok(outcome),
            () = tokio::time::sleep_until(due) => {}
        }
        number += 1;
        let answered = if number.is_multiple_of(2) && !known.is_empty() {
            reader.get(&known).await.map(|_| ())
        } else {
            reader.query(Query::newest(PAGE)).await.map(|rows| {
                if let Some(row) = rows.into_iter().next() {
                    known = row.key;
                }
            })
        };
        match answered {
            Ok(()) => outcome.latencies.record(due.elapsed()),
            Err(_) => outcome.failures += 1,
        }
    }
}

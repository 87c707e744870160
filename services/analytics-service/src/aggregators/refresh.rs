//! The refresh: rollups recomputed from the facts, compared with what the increments made of them, and mended.
//!
//! Day by day, each in one snapshot, so that what comes meanwhile disturbs nobody; then customer by customer. A difference is a
//! mistake of this program or of the disk: it is logged, counted and mended at once, in a transaction that looks again first.

mod customers;
mod days;

use std::time::Duration;

use madrigal_core::Fault;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_sqlite::Database;
use madrigal_sqlite::sql::{self, Transaction};
use madrigal_telemetry::names;
use serde::Serialize;

/// How much longer than its work a refresh rests, so that it takes a tenth of one core at most.
const REST: u32 = 9;

/// What a refresh found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshReport {
    /// Days that were recomputed.
    pub days: u64,
    /// Customers that were recomputed.
    pub customers: u64,
    /// Rows of rollups that differed, and were mended.
    pub mended: u64,
}

/// Recomputes the rollups of a file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Refresh {
    database: Database,
}

impl Refresh {
    /// Of this file.
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Recomputes everything every so often, until `stop`, at a tenth of one core's pace.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn run(&self, every: Duration, stop: StopSignal) {
        while !tasks::sleep_or_stopped(every, &stop).await {
            match self.paced(&stop).await {
                Ok(report) => {
                    let RefreshReport { days, customers, mended } = report;
                    tracing::debug!(days, customers, mended, "rollups were recomputed");
                }
                Err(fault) => {
                    tracing::warn!(cause = %fault.chain(), "rollups could not be recomputed, trying again later")
                }
            }
        }
    }

    /// Recomputes everything now, without rests.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke; what was mended stays mended.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn once(&self) -> Result<RefreshReport, Fault> {
        self.through(None).await
    }

    async fn paced(&self, stop: &StopSignal) -> Result<RefreshReport, Fault> {
        self.through(Some(stop)).await
    }

    async fn through(&self, paced: Option<&StopSignal>) -> Result<RefreshReport, Fault> {
        let mut report = RefreshReport::default();
        let mut after = i64::MIN;
        while let Some(day) = self.database.read("next-day", move |connection| days::next(connection, after)).await? {
            let begun = tasks::instant();
            report.days += 1;
            let differ = self.database.read("check-day", move |connection| days::differences(connection, day)).await?;
            if differ > 0 {
                let mended = self.database.write("mend-day", move |tx| days::mend(tx, day)).await?;
                report.mended += found("days", mended);
            }
            after = day;
            if rested(paced, begun).await {
                return Ok(report);
            }
        }
        let mut after = i64::MIN;
        loop {
            let begun = tasks::instant();
            let check = self.database.read("check-customers", move |connection| customers::check(connection, after));
            let page = check.await?;
            report.customers += page.customers;
            if page.differ > 0 {
                let mend = self.database.write("mend-customers", move |tx| customers::mend(tx, after, page.through));
                report.mended += found("customers", mend.await?);
            }
            if page.through == i64::MAX || rested(paced, begun).await {
                return Ok(report);
            }
            after = page.through;
        }
    }
}

/// Makes a day's rows what the facts come to.
pub(crate) fn mend_day(tx: &Transaction<'_>, day: i64) -> sql::Result<u64> {
    days::mend(tx, day)
}

/// Makes a customer's rows what the facts come to.
pub(crate) fn mend_customer(tx: &Transaction<'_>, user_id: i64) -> sql::Result<u64> {
    customers::mend(tx, user_id - 1, user_id)
}

/// Counts rows that were mended.
fn found(rollup: &'static str, mended: u64) -> u64 {
    if mended > 0 {
        tracing::error!(rollup, mended, "rollups differed from what the facts come to, and were mended");
        metrics::counter!(names::ROLLUPS_MENDED, "rollup" => rollup).increment(mended);
    }
    mended
}

/// True where it was stopped.
async fn rested(paced: Option<&StopSignal>, begun: tasks::Instant) -> bool {
    match paced {
        Some(stop) => tasks::sleep_or_stopped(begun.elapsed() * REST, stop).await,
        None => false,
    }
}

//! The refresh: rollups recomputed from the facts, compared with what the increments made of them, and mended.
//!
//! Day by day, each in one snapshot, so that what comes meanwhile disturbs nobody; then customer by customer. A difference is a
//! mistake of this program or of the disk: it is logged, counted and mended at once, in a transaction that looks again first.
//! What was found stands in [`standing`], for whoever asks.

mod customers;
mod days;
pub mod standing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host};
use madrigal_sqlite::Database;
use madrigal_sqlite::sql::{self, Transaction};
use madrigal_telemetry::names;
use serde::Serialize;
use utoipa::ToSchema;

use self::standing::{Difference, RefreshStanding};
use crate::dashboards::period::day_text;

/// How much longer than its work a refresh rests, so that it takes a tenth of one core at most.
const REST: u32 = 9;

/// What a refresh found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
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
    every: Duration,
    host: Host,
    standing: Arc<Mutex<RefreshStanding>>,
}

impl Refresh {
    /// Of this file, every so often.
    pub fn new(database: Database, every: Duration, host: Host) -> Self {
        Self { database, every, host, standing: Arc::default() }
    }

    /// How often everything is recomputed.
    pub const fn every(&self) -> Duration {
        self.every
    }

    /// What was found since this process started.
    pub fn standing(&self) -> RefreshStanding {
        self.known().clone()
    }

    /// Recomputes everything every so often, until `stop`, at a tenth of one core's pace.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn run(&self, stop: StopSignal) {
        while !tasks::sleep_or_stopped(self.every, &stop).await {
            // A fault is logged and kept in the standing: the next time may do better.
            drop(self.noted(Some(&stop)).await);
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
        Ok(self.noted(None).await?.unwrap_or_default())
    }

    /// Goes through everything and notes how that ended; `None` where it was stopped before.
    async fn noted(&self, paced: Option<&StopSignal>) -> Result<Option<RefreshReport>, Fault> {
        let went = self.through(paced).await;
        let at = self.host.now();
        match &went {
            Ok(Some(report)) => {
                let RefreshReport { days, customers, mended } = *report;
                tracing::debug!(days, customers, mended, "rollups were recomputed");
                self.known().ended(at, *report);
            }
            Ok(None) => {}
            Err(fault) => {
                tracing::warn!(cause = %fault.chain(), "rollups could not be recomputed, trying again later");
                self.known().failed(at);
            }
        }
        went
    }

    async fn through(&self, paced: Option<&StopSignal>) -> Result<Option<RefreshReport>, Fault> {
        let mut report = RefreshReport::default();
        let mut after = i64::MIN;
        while let Some(day) = self.database.read("next-day", move |connection| days::next(connection, after)).await? {
            let begun = tasks::instant();
            report.days += 1;
            let differ = self.database.read("check-day", move |connection| days::differences(connection, day)).await?;
            if differ > 0 {
                let mended = self.database.write("mend-day", move |tx| days::mend(tx, day)).await?;
                report.mended += self.found("days", day_text(day), mended);
            }
            after = day;
            if rested(paced, begun).await {
                return Ok(None);
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
                report.mended += self.found("customers", customers_text(after, page.through), mend.await?);
            }
            if page.through == i64::MAX {
                return Ok(Some(report));
            }
            if rested(paced, begun).await {
                return Ok(None);
            }
            after = page.through;
        }
    }

    /// Counts rows that were mended, and keeps where.
    fn found(&self, rollup: &'static str, of: String, mended: u64) -> u64 {
        if mended > 0 {
            tracing::error!(rollup, of, mended, "rollups differed from what the facts come to, and were mended");
            metrics::counter!(names::ROLLUPS_MENDED, "rollup" => rollup).increment(mended);
            self.known().found(Difference { at: self.host.now(), rollup, of, mended });
        }
        mended
    }

    fn known(&self) -> std::sync::MutexGuard<'_, RefreshStanding> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `1 to 200`, `201 and above`.
fn customers_text(after: i64, through: i64) -> String {
    let first = after.max(0).saturating_add(1);
    if through == i64::MAX { format!("{first} and above") } else { format!("{first} to {through}") }
}

/// Makes a day's rows what the facts come to.
pub(crate) fn mend_day(tx: &Transaction<'_>, day: i64) -> sql::Result<u64> {
    days::mend(tx, day)
}

/// Makes a customer's rows what the facts come to.
pub(crate) fn mend_customer(tx: &Transaction<'_>, user_id: i64) -> sql::Result<u64> {
    customers::mend(tx, user_id - 1, user_id)
}

/// True where it was stopped.
async fn rested(paced: Option<&StopSignal>, begun: tasks::Instant) -> bool {
    match paced {
        Some(stop) => tasks::sleep_or_stopped(begun.elapsed() * REST, stop).await,
        None => false,
    }
}

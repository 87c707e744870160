//! What others hear of the tables: changes of `users` and `user_events`, captured by the database itself.

use std::sync::Arc;
use std::time::Duration;

use madrigal_bus::DynTopicSource;
use madrigal_cdc::{ChangeTopic, Key, RowVersions};
use madrigal_contracts::copies::fresh::USERS_LOG;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, LogName, PersonId};
use madrigal_sqlite::changes::{CaptureOptions, CaptureTable, SqliteChanges};
use madrigal_sqlite::{Database, sql};
use madrigal_telemetry::Check;

/// The topic of the table `users`.
const USERS: &str = "users";

/// The topic of the table `user_events`.
const USER_EVENTS: &str = "user_events";

/// Who says it.
const OWNER: &str = "/user-service";

/// The name of the check.
const CHECK: &str = "changeCapture";

/// How often changes are looked through for those that need not be kept any more.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// Captures both tables. The hash of a password never leaves its column; in events personal fields are sealed.
///
/// # Errors
/// A [`Fault`] where the triggers cannot be made.
pub(crate) async fn open(users: &Database, host: &Host) -> Result<SqliteChanges, Fault> {
    let log =
        LogName::parse(USERS_LOG).ok_or_else(|| Fault::permanent("user-service", "capture", "no name of a log"))?;
    let tables = vec![
        CaptureTable { table: USERS, versions: user_versions(), secret: &["password_hash"] },
        CaptureTable { table: USER_EVENTS, versions: RowVersions::immutable(), secret: &[] },
    ];
    SqliteChanges::open(users.clone(), tables, CaptureOptions::new(log), host).await
}

/// The topics of both tables.
pub(crate) fn topics(changes: &SqliteChanges) -> Vec<DynTopicSource> {
    let topic = |name, versions| -> DynTopicSource {
        Arc::new(ChangeTopic::new(Arc::new(changes.clone()), name, OWNER, name, versions))
    };
    vec![topic(USERS, user_versions()), topic(USER_EVENTS, RowVersions::immutable())]
}

/// Takes what an erased person was out of the changes, in the transaction that deletes the row.
///
/// # Errors
/// An SQL error if the engine broke.
pub(crate) fn forget(transaction: &sql::Transaction<'_>, changes: &SqliteChanges, person: PersonId) -> sql::Result<()> {
    match Key::of("id", person.0) {
        Some(key) => changes.forget_row(transaction, USERS, &key),
        None => Ok(()),
    }
}

/// How much of the changes is kept, and whether everybody who counts on them got them.
pub(crate) async fn check(changes: &SqliteChanges) -> Check {
    let status = match changes.status().await {
        Ok(status) => status,
        Err(fault) => {
            tracing::error!(cause = %fault.chain(), "captured changes do not answer");
            return Check::unhealthy(CHECK, "captured changes do not answer");
        }
    };
    let behind = status.consumers.iter().map(|consumer| consumer.behind).max().unwrap_or(0);
    let kept = format!("{} of at most {} changes kept, the slowest reader is {behind} behind", status.kept, status.cap);
    let lost: Vec<&str> =
        status.consumers.iter().filter(|consumer| consumer.lost).map(|consumer| consumer.name.as_str()).collect();
    match lost.is_empty() {
        true => Check::healthy(CHECK, kept),
        false => Check::degraded(CHECK, format!("{kept}; must take a snapshot: {}", lost.join(", "))),
    }
}

/// Prunes until it is stopped.
pub(crate) async fn keep_pruned(changes: &SqliteChanges, stop: &StopSignal) {
    loop {
        match changes.prune().await {
            // As much as one transaction should delete: there may be more.
            Ok(pruned) if pruned > 0 => {
                tracing::debug!(pruned, "old changes of users are pruned");
                if stop.is_cancelled() {
                    return;
                }
                continue;
            }
            Ok(_) => {}
            Err(fault) => tracing::warn!(cause = %fault.chain(), "old changes of users stay until the next try"),
        }
        if tasks::sleep_or_stopped(PRUNE_EVERY, stop).await {
            return;
        }
    }
}

/// A user's version is kept by the store, in its first epoch.
fn user_versions() -> RowVersions {
    RowVersions::column("version")
}

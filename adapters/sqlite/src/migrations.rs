//! Numbered steps that bring a component's tables to their current form.

use madrigal_core::{Fault, Fingerprint};
use rusqlite::params;

use crate::database::Database;
use crate::sql;

/// One step. A released step is never changed: its text is fingerprinted when it runs, and checked ever after.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// From 1, without gaps.
    pub version: u32,
    /// What it does, in words.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// A step that has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Whose tables it is about; a file may keep several components'.
    pub component: String,
    /// Its number.
    pub version: u32,
    /// What it did, in words.
    pub name: String,
}

/// The steps that have run in a file, by component and number; none where nothing was ever brought to a form.
///
/// # Errors
/// A [`Fault`] if the engine broke.
///
/// # Cancellation
/// Safe: reads only.
pub async fn applied(database: &Database) -> Result<Vec<Applied>, Fault> {
    let steps = |connection: &sql::Connection| {
        let known: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations')",
            [],
            |row| row.get(0),
        )?;
        if !known {
            return Ok(Vec::new());
        }
        connection
            .prepare("SELECT component, version, name FROM schema_migrations ORDER BY component, version")?
            .query_map([], |row| Ok(Applied { component: row.get(0)?, version: row.get(1)?, name: row.get(2)? }))?
            .collect()
    };
    database.read("applied-migrations", steps).await
}

/// Runs the missing steps; the inner error says why they must not run.
pub(crate) fn run(tx: &sql::Transaction<'_>, component: &str, steps: &[Migration]) -> sql::Result<Result<(), String>> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
           component TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, fingerprint TEXT NOT NULL,
           PRIMARY KEY (component, version)) WITHOUT ROWID, STRICT",
    )?;
    let mut done: Vec<(u32, String)> = Vec::new();
    let mut select =
        tx.prepare("SELECT version, fingerprint FROM schema_migrations WHERE component = ?1 ORDER BY version")?;
    for row in select.query_map([component], |row| Ok((row.get(0)?, row.get(1)?)))? {
        done.push(row?);
    }
    if done.len() > steps.len() {
        return Ok(Err(format!(
            "the tables of {component} are of version {}, this program knows {}: use a newer program",
            done.len(),
            steps.len()
        )));
    }
    for (index, step) in steps.iter().enumerate() {
        if usize::try_from(step.version) != Ok(index + 1) {
            return Ok(Err(format!("step {} of {component} is numbered {}", index + 1, step.version)));
        }
        let fingerprint = Fingerprint::of(step.sql.as_bytes());
        match done.get(index) {
            Some((_, known)) if known == fingerprint.as_str() => {}
            Some(_) => {
                return Ok(Err(format!(
                    "step {} ({}) of {component} was changed after it ran",
                    step.version, step.name
                )));
            }
            None => {
                tx.execute_batch(step.sql)?;
                tx.execute(
                    "INSERT INTO schema_migrations (component, version, name, fingerprint) VALUES (?1, ?2, ?3, ?4)",
                    params![component, step.version, step.name, fingerprint.as_str()],
                )?;
            }
        }
    }
    Ok(Ok(()))
}

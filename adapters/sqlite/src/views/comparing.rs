//! A view as whoever compares it with its owner reads it: keys and versions without the rows, ranges of rows as they are
//! stored; and writing behind the view's back, to see whether that is found.

use std::sync::Arc;

use madrigal_core::{Fault, StreamVersion};
use madrigal_projection::{Query, StoredRow, ViewId, ViewStore};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

use super::table::Table;
use super::{SqliteViews, row_of};
use crate::parked::{number, unsigned};
use crate::sql;

impl SqliteViews {
    /// The keys after one and through another, in the order of their bytes, with their versions; at most `limit`, and no
    /// more than [`Query::MAX_ROWS`].
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn versions(
        &self,
        view: &ViewId,
        after: Option<String>,
        through: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, StreamVersion)>, Fault> {
        let of = |row: &Row<'_>| Ok((row.get(0)?, StreamVersion(unsigned(row.get(1)?))));
        self.range(view, "key, version", after, through, limit, of).await
    }

    /// As [`SqliteViews::versions`], with the rows.
    ///
    /// # Errors
    /// As [`SqliteViews::versions`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn rows(
        &self,
        view: &ViewId,
        after: Option<String>,
        through: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, StoredRow)>, Fault> {
        let of = |row: &Row<'_>| Ok((row.get(0)?, row_of(row, 1)?));
        self.range(view, "key, version, position, body", after, through, limit, of).await
    }

    async fn range<T: Send + 'static>(
        &self,
        view: &ViewId,
        columns: &'static str,
        after: Option<String>,
        through: Option<String>,
        limit: usize,
        of: impl Fn(&Row<'_>) -> sql::Result<T> + Send + 'static,
    ) -> Result<Vec<T>, Fault> {
        let table = self.table(view, "compare")?;
        let limit = limit.clamp(1, Query::MAX_ROWS);
        self.database
            .read("compare", move |connection| {
                let mut statement = format!("SELECT {columns} FROM {}", table.name);
                let mut values = Vec::new();
                for (bound, beyond) in [(after, ">"), (through, "<=")] {
                    if let Some(bound) = bound {
                        values.push(Value::Text(bound));
                        let word = if values.len() == 1 { "WHERE" } else { "AND" };
                        statement.push_str(&format!(" {word} key {beyond} ?{}", values.len()));
                    }
                }
                statement.push_str(&format!(" ORDER BY key LIMIT {limit}"));
                let mut select = connection.prepare_cached(&statement)?;
                let rows = select.query_map(params_from_iter(values), of)?;
                rows.collect()
            })
            .await
    }

    /// Puts a row into the table, or takes it out, behind everybody's back: columns and checkpoint stay as they are, and who
    /// remembers the row goes on remembering it. For tests and demonstrations of damage.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// The write may still happen, as a whole.
    pub async fn tamper(
        &self,
        view: &ViewId,
        key: &str,
        change: impl FnOnce(Option<StoredRow>) -> Option<StoredRow> + Send + 'static,
    ) -> Result<(), Fault> {
        // Known to the store even where the view was not read yet.
        self.checkpoint(view).await?;
        let (table, key) = (self.table(view, "tamper")?, key.to_owned());
        self.database.write("tamper", move |tx| write(tx, &table, &key, change)).await
    }
}

fn write(
    tx: &sql::Transaction<'_>,
    table: &Arc<Table>,
    key: &str,
    change: impl FnOnce(Option<StoredRow>) -> Option<StoredRow>,
) -> sql::Result<()> {
    let known = tx.prepare_cached(&table.select)?.query_row([key], |row| row_of(row, 0)).optional()?;
    match change(known) {
        Some(row) => {
            let statement = format!(
                "INSERT INTO {} (key, version, position, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE \
                 SET version = excluded.version, position = excluded.position, body = excluded.body",
                table.name
            );
            let body = String::from_utf8_lossy(row.body.as_bytes()).into_owned();
            tx.execute(&statement, params![key, number(row.version.0), number(row.position.0), body])?;
        }
        None => {
            tx.execute(&table.delete, [key])?;
        }
    }
    Ok(())
}

//! Which generations of a view there are, reading two of them as of one moment, and removing what is not needed.

use std::sync::PoisonError;

use async_trait::async_trait;
use madrigal_core::Fault;
use madrigal_projection::{Checkpoint, ColumnValue, Columns, Generations, Query, StoredRow, ViewId, ViewSnapshot};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::table::{Table, name_of};
use super::{Tables, checkpoint, row_of, scope};
use crate::database::DatabaseSnapshot;
use crate::parked::number;
use crate::sql;

/// One row for each name, so that a switch is one statement. A file from before knew one generation of each view, numbered
/// by the version of the code.
pub(super) const TABLE: &str = "CREATE TABLE view_generations (
    name TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID, STRICT;
  INSERT INTO view_generations (name, revision, body)
    SELECT name, 1, json_object('revision', 1, 'serving', json_object('number', max(generation),
      'version', max(generation), 'since', strftime('%Y-%m-%dT%H:%M:%SZ', 'now')), 'candidate', NULL, 'previous', NULL,
      'last', max(generation), 'dropped', json_array())
    FROM views GROUP BY name;";

pub(super) fn read(connection: &Connection, name: &str) -> sql::Result<Option<Generations>> {
    let mut select = connection.prepare_cached("SELECT body FROM view_generations WHERE name = ?1")?;
    let body: Option<String> = select.query_row([name], |row| row.get(0)).optional()?;
    let parsed = body.map(|body| serde_json::from_str(&body)).transpose();
    parsed.map_err(|error| sql::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

pub(super) fn arrange(tx: &sql::Transaction<'_>, name: &str, next: &Generations) -> sql::Result<Result<(), String>> {
    if let Err(why) = next.check_follows(read(tx, name)?.as_ref()) {
        return Ok(Err(why));
    }
    let body = serde_json::to_string(next).map_err(|error| sql::Error::ToSqlConversionFailure(Box::new(error)))?;
    tx.execute(
        "INSERT INTO view_generations (name, revision, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, body = excluded.body",
        params![name, number(next.revision), body],
    )?;
    Ok(Ok(()))
}

/// Dropping a large table at once would hold up every writer; and its indices by column, in no order of the rows, would
/// make each row's deletion dear, so they go first. True when nothing is left.
pub(super) fn clear(tx: &sql::Transaction<'_>, view: &ViewId, at_most: usize) -> sql::Result<bool> {
    let name = name_of(view);
    let known: bool = tx
        .prepare("SELECT 1 FROM views WHERE name = ?1 AND generation = ?2")?
        .exists(params![view.name(), view.generation()])?;
    if !known {
        return Ok(true);
    }
    let index: Option<String> = tx
        .query_row(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL LIMIT 1",
            [&name],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(index) = index {
        tx.execute_batch(&format!("DROP INDEX {index}"))?;
        return Ok(false);
    }
    let gone = tx.execute(
        &format!("DELETE FROM {name} WHERE id IN (SELECT id FROM {name} ORDER BY id LIMIT ?1)"),
        [number(at_most as u64)],
    )?;
    if gone >= at_most {
        return Ok(false);
    }
    tx.execute_batch(&format!("DROP TABLE {name}"))?;
    tx.execute("DELETE FROM parked WHERE scope = ?1", [scope(view)])?;
    tx.execute("DELETE FROM views WHERE name = ?1 AND generation = ?2", params![view.name(), view.generation()])?;
    Ok(true)
}

/// All views of a file as of one moment.
pub(super) struct SqliteSnapshot {
    pub(super) snapshot: DatabaseSnapshot,
    pub(super) tables: Tables,
}

#[async_trait]
impl ViewSnapshot for SqliteSnapshot {
    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault> {
        let view = view.clone();
        self.snapshot.read("checkpoint", move |connection| checkpoint(connection, &view)).await
    }

    async fn rows(
        &self,
        view: &ViewId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, StoredRow)>, Fault> {
        let table = self.tables.lock().unwrap_or_else(PoisonError::into_inner).get(view).cloned();
        let Some(table) = table else {
            return Err(crate::fault::permanent("snapshot-rows", format!("view {view} was not prepared")));
        };
        let limit = number(limit.clamp(1, Query::MAX_ROWS) as u64);
        self.snapshot
            .read("snapshot-rows", move |connection| {
                let shown = |row: &Row<'_>| {
                    Ok((row.get(3)?, StoredRow { columns: columns_of(row, &table)?, ..row_of(row, 0)? }))
                };
                match after {
                    None => connection.prepare_cached(&table.first_rows)?.query_map([limit], shown)?.collect(),
                    Some(after) => {
                        connection.prepare_cached(&table.next_rows)?.query_map(params![limit, after], shown)?.collect()
                    }
                }
            })
            .await
    }
}

/// The columns behind the first four of a row.
fn columns_of(row: &Row<'_>, table: &Table) -> sql::Result<Columns> {
    let mut columns = Columns::none();
    for (index, name) in table.columns.iter().enumerate() {
        let value = match row.get_ref(index + 4)? {
            ValueRef::Integer(number) => ColumnValue::Integer(number),
            ValueRef::Text(text) => ColumnValue::Text(String::from_utf8_lossy(text).into_owned()),
            _ => continue,
        };
        columns = match value {
            ColumnValue::Integer(number) => columns.with(name, number),
            ColumnValue::Text(text) => columns.with(name, text),
        };
    }
    Ok(columns)
}

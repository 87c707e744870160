//! Views in SQLite: one rowid table per view and generation, its checkpoint and parked events in the same file.

mod comparing;
mod generations;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use madrigal_core::{Fault, JsonBytes, LogEpoch, Position, StreamVersion};
use madrigal_projection::memory::{check_columns, check_progress};
use madrigal_projection::{
    Checkpoint, ColumnValue, Columns, DynViewSnapshot, Generations, ParkedEvent, ParkedFilter, Query, StoredRow,
    ViewBatch, ViewId, ViewStore,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use self::table::Table;
use crate::database::Database;
use crate::fault;
use crate::migrations::Migration;
use crate::parked::{self, number, unsigned};
use crate::sql;

const STEPS: &[Migration] = &[
    Migration {
        version: 1,
        name: "views and what they parked",
        sql: "CREATE TABLE views (
        name TEXT NOT NULL, generation INTEGER NOT NULL, columns TEXT NOT NULL, epoch TEXT, position INTEGER,
        PRIMARY KEY (name, generation)) STRICT;",
    },
    Migration { version: 2, name: "generations", sql: generations::TABLE },
];

/// Views in one SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteViews {
    database: Database,
    tables: Tables,
}

type Tables = Arc<Mutex<HashMap<ViewId, Arc<Table>>>>;

impl SqliteViews {
    /// The views of this file.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(database: Database) -> Result<Self, Fault> {
        database.migrate("parked", crate::offsets::PARKED_STEPS).await?;
        database.migrate("views", STEPS).await?;
        Ok(Self { database, tables: Arc::default() })
    }

    /// The file.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    fn table(&self, view: &ViewId, operation: &'static str) -> Result<Arc<Table>, Fault> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tables.get(view).cloned();
        known.ok_or_else(|| fault::permanent(operation, format!("view {view} was not prepared")))
    }
}

#[async_trait]
impl ViewStore for SqliteViews {
    async fn prepare(&self, view: &ViewId, columns: &'static [&'static str]) -> Result<(), Fault> {
        check_columns(columns).map_err(|why| fault::permanent("prepare", why))?;
        let table = Arc::new(Table::new(view, columns));
        let (id, made) = (view.clone(), Arc::clone(&table));
        let refused = self.database.decide("prepare", move |tx| prepare(tx, &id, &made)).await?;
        refused.map_err(|why| fault::permanent("prepare", why))?;
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).insert(view.clone(), table);
        Ok(())
    }

    async fn checkpoint(&self, view: &ViewId) -> Result<Option<Checkpoint>, Fault> {
        let view = view.clone();
        self.database.read("checkpoint", move |connection| checkpoint(connection, &view)).await
    }

    async fn load(&self, view: &ViewId, keys: Vec<String>) -> Result<HashMap<String, StoredRow>, Fault> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let table = self.table(view, "load")?;
        self.database
            .on_table(view.name())
            .read("load", move |connection| {
                // In process a prepared statement per key costs no more than one statement over a list of keys.
                let mut select = connection.prepare_cached(&table.select)?;
                let mut rows = HashMap::with_capacity(keys.len());
                for key in keys {
                    if let Some(row) = select.query_row([&key], |row| row_of(row, 0)).optional()? {
                        rows.insert(key, row);
                    }
                }
                Ok(rows)
            })
            .await
    }

    async fn commit(&self, view: &ViewId, batch: ViewBatch) -> Result<(), Fault> {
        let (view, table) = (view.clone(), self.table(view, "commit")?);
        let named = self.database.on_table(view.name());
        let refused = named.decide("commit-view", move |tx| commit(tx, &view, &table, &batch)).await?;
        refused.map_err(|why| fault::permanent("commit-view", why))
    }

    async fn get(&self, view: &ViewId, key: &str) -> Result<Option<StoredRow>, Fault> {
        let (table, key) = (self.table(view, "get")?, key.to_owned());
        self.database
            .on_table(view.name())
            .read("get", move |connection| {
                connection.prepare_cached(&table.select)?.query_row([key], |row| row_of(row, 0)).optional()
            })
            .await
    }

    async fn query(&self, view: &ViewId, query: Query) -> Result<Vec<(String, StoredRow)>, Fault> {
        let table = self.table(view, "query")?;
        let statement = table.query(&query).map_err(|why| fault::permanent("query", why))?;
        self.database
            .on_table(view.name())
            .read("query", move |connection| {
                let mut values: Vec<Value> = query.filters.into_iter().map(|(_, value)| value_of(value)).collect();
                values.extend(query.after.clone().map(Value::Text));
                let mut select = connection.prepare_cached(&statement)?;
                let rows = select.query_map(params_from_iter(values), |row| Ok((row.get(3)?, row_of(row, 0)?)))?;
                rows.collect()
            })
            .await
    }

    async fn parked(&self, view: &ViewId, filter: ParkedFilter) -> Result<Vec<ParkedEvent>, Fault> {
        let scope = scope(view);
        self.database.read("parked", move |connection| parked::list(connection, &scope, &filter)).await
    }

    async fn parked_lanes(&self, view: &ViewId, limit: usize) -> Result<Vec<String>, Fault> {
        let scope = scope(view);
        self.database.read("parked-lanes", move |connection| parked::lanes(connection, &scope, limit)).await
    }

    async fn generations(&self, name: &str) -> Result<Option<Generations>, Fault> {
        let name = name.to_owned();
        self.database.read("generations", move |connection| generations::read(connection, &name)).await
    }

    async fn arrange(&self, name: &str, next: &Generations) -> Result<(), Fault> {
        let (name, next) = (name.to_owned(), next.clone());
        let refused = self.database.decide("arrange", move |tx| generations::arrange(tx, &name, &next)).await?;
        refused.map_err(|why| fault::permanent("arrange", why))
    }

    async fn snapshot(&self) -> Result<DynViewSnapshot, Fault> {
        let snapshot = self.database.snapshot().await?;
        Ok(Arc::new(generations::SqliteSnapshot { snapshot, tables: Arc::clone(&self.tables) }))
    }

    async fn clear(&self, view: &ViewId, at_most: usize) -> Result<bool, Fault> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).remove(view);
        let id = view.clone();
        self.database.write("clear-view", move |tx| generations::clear(tx, &id, at_most)).await
    }
}

fn scope(view: &ViewId) -> String {
    format!("view:{view}")
}

fn prepare(tx: &sql::Transaction<'_>, view: &ViewId, table: &Table) -> sql::Result<Result<(), String>> {
    let columns = table.columns.join(",");
    let known: Option<String> = tx
        .query_row(
            "SELECT columns FROM views WHERE name = ?1 AND generation = ?2",
            params![view.name(), view.generation()],
            |row| row.get(0),
        )
        .optional()?;
    match known {
        Some(known) if known == columns => {}
        Some(known) => {
            return Ok(Err(format!("view {view} has columns [{known}], not [{columns}]: raise its version")));
        }
        None => {
            tx.execute_batch(&table.create)?;
            tx.execute(
                "INSERT INTO views (name, generation, columns) VALUES (?1, ?2, ?3)",
                params![view.name(), view.generation(), columns],
            )?;
        }
    }
    Ok(Ok(()))
}

fn commit(
    tx: &sql::Transaction<'_>,
    view: &ViewId,
    table: &Table,
    batch: &ViewBatch,
) -> sql::Result<Result<(), String>> {
    if let Err(why) = check_progress(checkpoint(tx, view)?, batch.checkpoint) {
        return Ok(Err(why));
    }
    {
        let mut upsert = tx.prepare_cached(&table.upsert)?;
        for (key, row) in &batch.puts {
            let body = std::str::from_utf8(row.body.as_bytes()).map_err(|error| sql::Error::Utf8Error(3, error))?;
            upsert.raw_bind_parameter(1, key)?;
            upsert.raw_bind_parameter(2, number(row.version.0))?;
            upsert.raw_bind_parameter(3, number(row.position.0))?;
            upsert.raw_bind_parameter(4, body)?;
            for (index, name) in table.columns.iter().enumerate() {
                match row.columns.get(name) {
                    Some(ColumnValue::Integer(value)) => upsert.raw_bind_parameter(index + 5, value)?,
                    Some(ColumnValue::Text(text)) => upsert.raw_bind_parameter(index + 5, text)?,
                    None => upsert.raw_bind_parameter(index + 5, rusqlite::types::Null)?,
                }
            }
            upsert.raw_execute()?;
        }
        let mut delete = tx.prepare_cached(&table.delete)?;
        for key in &batch.deletes {
            delete.execute([key])?;
        }
    }
    parked::change(tx, &scope(view), &batch.parked, &batch.unparked, &batch.skipped)?;
    tx.prepare_cached("UPDATE views SET epoch = ?3, position = ?4 WHERE name = ?1 AND generation = ?2")?.execute(
        params![
            view.name(),
            view.generation(),
            batch.checkpoint.epoch.to_string(),
            number(batch.checkpoint.position.0)
        ],
    )?;
    Ok(Ok(()))
}

fn checkpoint(connection: &Connection, view: &ViewId) -> sql::Result<Option<Checkpoint>> {
    let mut select = connection.prepare_cached(
        "SELECT epoch, position FROM views WHERE name = ?1 AND generation = ?2 AND epoch IS NOT NULL",
    )?;
    select.query_row(params![view.name(), view.generation()], checkpoint_of).optional()
}

/// The checkpoint in the first two columns of a row.
pub(crate) fn checkpoint_of(row: &Row<'_>) -> sql::Result<Checkpoint> {
    let text: String = row.get(0)?;
    let epoch = text.parse().map(LogEpoch::from_uuid).map_err(|error: <uuid::Uuid as std::str::FromStr>::Err| {
        sql::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Checkpoint { epoch, position: Position(unsigned(row.get(1)?)) })
}

fn row_of(row: &Row<'_>, first: usize) -> sql::Result<StoredRow> {
    let body: String = row.get(first + 2)?;
    Ok(StoredRow {
        version: StreamVersion(unsigned(row.get(first)?)),
        position: Position(unsigned(row.get(first + 1)?)),
        body: JsonBytes::trusted(body.into()),
        columns: Columns::none(),
    })
}

fn value_of(value: ColumnValue) -> Value {
    match value {
        ColumnValue::Integer(number) => Value::Integer(number),
        ColumnValue::Text(text) => Value::Text(text),
    }
}

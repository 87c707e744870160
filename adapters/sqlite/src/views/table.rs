//! The statements of one view's table.
//!
//! A rowid table: new rows go to its end, and an index leads from the key. With time-ordered keys and batches near 1,000
//! this was eight times as fast as a table ordered by a random key. Names are put into the text because they cannot be
//! parameters; [`ViewId`] and `check_columns` admit only lower-case letters, digits and separators.

use madrigal_projection::{Query, ViewId};

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: &'static [&'static str],
    pub(super) create: String,
    pub(super) select: String,
    pub(super) upsert: String,
    pub(super) delete: String,
    /// The first rows in the order of their keys, with their columns.
    pub(super) first_rows: String,
    /// The rows beyond a key. Apart from the first, so that it begins with a look-up in the index.
    pub(super) next_rows: String,
}

/// The name of a view's table.
pub(super) fn name_of(view: &ViewId) -> String {
    format!("view_{}_{}", view.name().replace('-', "_"), view.generation())
}

impl Table {
    pub(super) fn new(view: &ViewId, columns: &'static [&'static str]) -> Self {
        let name = name_of(view);
        let mut create = format!(
            "CREATE TABLE {name} (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, \
             position INTEGER NOT NULL, body TEXT NOT NULL"
        );
        let (mut names, mut places, mut sets) = (String::new(), String::new(), String::new());
        let mut indices = String::new();
        for (index, column) in columns.iter().enumerate() {
            create.push_str(&format!(", c_{column} ANY"));
            names.push_str(&format!(", c_{column}"));
            places.push_str(&format!(", ?{}", index + 5));
            sets.push_str(&format!(", c_{column} = excluded.c_{column}"));
            indices.push_str(&format!(
                " CREATE INDEX {name}_by_{column} ON {name} (c_{column}, key) WHERE c_{column} IS NOT NULL;"
            ));
        }
        create.push_str(") STRICT;");
        create.push_str(&indices);
        Self {
            columns,
            create,
            select: format!("SELECT version, position, body FROM {name} WHERE key = ?1"),
            upsert: format!(
                "INSERT INTO {name} (key, version, position, body{names}) VALUES (?1, ?2, ?3, ?4{places}) \
                 ON CONFLICT (key) DO UPDATE SET version = excluded.version, position = excluded.position, \
                 body = excluded.body{sets}"
            ),
            delete: format!("DELETE FROM {name} WHERE key = ?1"),
            first_rows: format!("SELECT version, position, body, key{names} FROM {name} ORDER BY key LIMIT ?1"),
            next_rows: format!(
                "SELECT version, position, body, key{names} FROM {name} WHERE key > ?2 ORDER BY key LIMIT ?1"
            ),
            name,
        }
    }

    /// The statement of a query: its filters' values first, then the cursor if there is one.
    pub(super) fn query(&self, query: &Query) -> Result<String, String> {
        let mut statement = format!("SELECT version, position, body, key FROM {}", self.name);
        let mut conditions = Vec::new();
        for (index, (column, _)) in query.filters.iter().enumerate() {
            if !self.columns.contains(&column.as_str()) {
                return Err(format!("there is no column {column:?}"));
            }
            conditions.push(format!("c_{column} = ?{}", index + 1));
        }
        let (beyond, order) = if query.newest_first { ("<", "DESC") } else { (">", "ASC") };
        if query.after.is_some() {
            conditions.push(format!("key {beyond} ?{}", query.filters.len() + 1));
        }
        if !conditions.is_empty() {
            statement.push_str(" WHERE ");
            statement.push_str(&conditions.join(" AND "));
        }
        statement.push_str(&format!(" ORDER BY key {order} LIMIT {}", query.bounded_limit()));
        Ok(statement)
    }
}

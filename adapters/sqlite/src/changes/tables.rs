//! What a captured table looks like, and the SQL that is made of it.

use madrigal_cdc::{CapturedColumn, CapturedTable, RowVersions};

use super::CaptureTable;
use crate::sql::{Connection, Result};

/// A captured table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) described: CapturedTable,
    /// The declared types that may hold bytes, which JSON cannot.
    bytes: Vec<bool>,
}

/// The table, or why it cannot be captured.
pub(super) fn describe(connection: &Connection, capture: &CaptureTable) -> Result<std::result::Result<Table, String>> {
    let name = capture.table;
    let strict: Option<bool> = {
        let mut list = connection.prepare("SELECT strict FROM pragma_table_list WHERE name = ?1 AND type = 'table'")?;
        let mut rows = list.query([name])?;
        rows.next()?.map(|row| row.get(0)).transpose()?
    };
    let Some(strict) = strict else { return Ok(Err(format!("there is no table {name} to capture"))) };
    // `hidden` is 1 for columns of virtual tables; generated columns (2 and 3) are values like others.
    let mut info =
        connection.prepare("SELECT name, type, pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid")?;
    let found: Vec<(String, String, i64)> =
        info.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_>>()?;
    for secret in capture.secret {
        if !found.iter().any(|(column, ..)| column == secret) {
            return Ok(Err(format!("table {name} has no column {secret} to keep secret")));
        }
    }
    let mut key: Vec<(i64, String)> =
        found.iter().filter(|(.., pk)| *pk > 0).map(|(column, _, pk)| (*pk, column.clone())).collect();
    key.sort();
    let key: Vec<String> = key.into_iter().map(|(_, column)| column).collect();
    if key.is_empty() {
        return Ok(Err(format!("table {name} has no primary key")));
    }
    let is_secret = |column: &str| capture.secret.contains(&column);
    if let Some(column) = key.iter().find(|column| is_secret(column)) {
        return Ok(Err(format!("column {column} of table {name} is its key and cannot be kept secret")));
    }
    if let RowVersions::Column { column, .. } = &capture.versions
        && (is_secret(column) || !found.iter().any(|(name, ..)| name == column))
    {
        return Ok(Err(format!("table {name} has no column {column} that tells a version")));
    }
    let bytes = found.iter().map(|(_, declared, _)| !strict || matches!(declared.as_str(), "BLOB" | "ANY")).collect();
    let columns = found.into_iter().map(|(name, declared, _)| {
        let secret = is_secret(&name);
        CapturedColumn { name, declared, secret }
    });
    let described = CapturedTable {
        schema: "main".to_owned(),
        table: name.to_owned(),
        columns: columns.collect(),
        key,
        versions: capture.versions.clone(),
    };
    Ok(Ok(Table { described, bytes }))
}

impl Table {
    /// The row `of` (`NEW`, `OLD` or the table's name) as a JSON object, without secret columns. Bytes are told in
    /// hexadecimal digits.
    pub(super) fn image(&self, of: &str) -> String {
        let told = self.described.columns.iter().zip(&self.bytes).filter(|(column, _)| !column.secret);
        object(told.map(|(column, bytes)| {
            let value = format!("{of}.{}", identifier(&column.name));
            let value = match bytes {
                true => format!("CASE typeof({value}) WHEN 'blob' THEN lower(hex({value})) ELSE {value} END"),
                false => value,
            };
            (column.name.as_str(), value)
        }))
    }

    /// The key of the row `of` as a JSON object.
    pub(super) fn key(&self, of: &str) -> String {
        object(self.described.key.iter().map(|column| (column.as_str(), format!("{of}.{}", identifier(column)))))
    }

    /// The key's columns, quoted, each with this before it.
    pub(super) fn key_columns(&self, of: &str) -> Vec<String> {
        self.described.key.iter().map(|column| format!("{of}{}", identifier(column))).collect()
    }

    /// The table's name, quoted.
    pub(super) fn name(&self) -> String {
        identifier(&self.described.table)
    }
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> String {
    let fields: Vec<String> = fields.map(|(name, value)| format!("{}, {value}", text(name))).collect();
    format!("json_object({})", fields.join(", "))
}

/// A name, quoted.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text, quoted.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

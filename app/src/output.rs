//! How commands print: data to standard output, messages to standard error.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people: columns, or one field per line.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document per line and item.
    Ndjson,
}

/// Prints one document; as a table, its plain fields one per line.
///
/// # Errors
/// Where standard output cannot be written.
pub fn document(format: Format, value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{value:#}"),
        Format::Ndjson => writeln!(out, "{value}"),
        Format::Table => {
            let mut rows = Vec::new();
            flatten("", value, &mut rows);
            let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            for (name, text) in rows {
                writeln!(out, "{name:width$}  {text}")?;
            }
            Ok(())
        }
    }
}

/// Prints items; as a table, these columns of each (JSON pointers without the first slash).
///
/// # Errors
/// Where standard output cannot be written.
pub fn items(format: Format, items: &[Value], columns: &[&str]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => writeln!(out, "{:#}", Value::from(items.to_vec())),
        Format::Ndjson => items.iter().try_for_each(|item| writeln!(out, "{item}")),
        Format::Table => {
            let header: Vec<String> =
                columns.iter().map(|column| column.rsplit(['/', '=']).next().unwrap_or(column).to_owned()).collect();
            let rows: Vec<Vec<String>> = items
                .iter()
                .map(|item| columns.iter().map(|column| cell(item.pointer(&pointer(column)))).collect())
                .collect();
            let widths: Vec<usize> = (0..columns.len())
                .map(|index| {
                    std::iter::once(&header).chain(&rows).map(|row| row[index].chars().count()).max().unwrap_or(0)
                })
                .collect();
            for row in std::iter::once(&header).chain(&rows) {
                let line: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
                writeln!(out, "{}", line.join("  ").trim_end())?;
            }
            Ok(())
        }
    }
}

/// Says something to the person, beside the data.
pub fn message(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Where a column's values are: without its heading, if it has one of its own.
fn pointer(column: &str) -> String {
    format!("/{}", column.split('=').next().unwrap_or(column))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.replace(['\n', '\t'], " "),
        Some(other) => other.to_string(),
    }
}

fn flatten(prefix: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&name, value, rows);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                flatten(&format!("{prefix}.{index}"), value, rows);
            }
        }
        leaf => rows.push((prefix.to_owned(), cell(Some(leaf)))),
    }
}

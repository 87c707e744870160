//! How commands print: data to standard output, messages to standard error.

use std::io::{self, StdoutLock, Write};

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

/// Whoever read the output went away, as `head` does: what is left is for nobody.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct NobodyReads;

impl NobodyReads {
    /// Whether this is why a command ended. A connection that broke is another matter, although the system calls it the
    /// same.
    pub fn ended(error: &anyhow::Error) -> bool {
        error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(Self::is_in)
    }

    fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

/// Standard output, held until it is dropped; errors say [`NobodyReads`] where that is what is wrong. All that a command
/// prints goes this way.
#[derive(Debug)]
pub struct Out(StdoutLock<'static>);

impl Out {
    /// Waits for whoever prints now.
    pub fn lock() -> Self {
        Self(io::stdout().lock())
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(told_apart)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(told_apart)
    }
}

fn told_apart(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, NobodyReads),
        _ => error,
    }
}

/// Prints one document; as a table, its plain fields one per line.
///
/// # Errors
/// Where standard output cannot be written.
pub fn document(format: Format, value: &Value) -> io::Result<()> {
    let mut out = Out::lock();
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
    let mut out = Out::lock();
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

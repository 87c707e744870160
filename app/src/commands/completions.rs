//! `madrigal completions`.

use std::io::Write;

use clap_complete::Shell;
use serde_json::json;

use crate::cli;
use crate::output::{self, Format, Out};

/// Prints the script for a shell; as JSON, as a text in a document.
pub(super) fn print(format: Format, shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "madrigal", &mut script);
    if format == Format::Table {
        Out::lock().write_all(&script)?;
    } else {
        let script = String::from_utf8_lossy(&script);
        output::document(format, &json!({ "shell": shell.to_string(), "script": script }))?;
    }
    Ok(())
}

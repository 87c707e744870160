//! Bringing a file in with the command that brings it into every shop.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_core::tasks;
use serde_json::Value;
use tokio::process::Command;

use crate::process::ShopProcess;

/// Imports a file of `products`, `users` or `orders`: how many came in, and what it took over HTTP.
///
/// # Errors
/// Where the command fails, or brings nothing in.
///
/// # Cancellation
/// The command is killed; what came in stays.
pub(crate) async fn import(
    binary: &Path,
    data: &Path,
    dir: &Path,
    process: &ShopProcess,
    (kind, file): (&str, &Path),
) -> anyhow::Result<(u64, Duration)> {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MADRIGAL_")) {
        command.env_remove(name);
    }
    let began = tasks::instant();
    let output = command
        .current_dir(dir)
        .arg("--data")
        .arg(std::path::absolute(data)?)
        .args(["--url", &process.url(), "--output", "json", "import", kind])
        .arg(std::path::absolute(file)?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} does not start", binary.display()))?;
    let took = began.elapsed();
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = told.lines().rev().take(5).collect();
        bail!("the {kind} were not imported ({}): {}", output.status, last.join("; "));
    }
    let told: Value = serde_json::from_slice(&output.stdout).context("the import did not say what it did")?;
    let imported = told["imported"].as_u64().with_context(|| format!("the import did not say how many {kind}"))?;
    anyhow::ensure!(imported > 0, "the import brought no {kind} in");
    Ok((imported, took))
}

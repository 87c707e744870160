//! Opening a store in a process of its own, so that its memory is that of the opened store and nothing else.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::cold;
use crate::report::{Report, Wanted, interruptible};

/// The binary that is measured: `given`, or the one that runs.
///
/// # Errors
/// Where there is no such file.
pub fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let binary = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("the running binary is not known: name one with --binary")?,
    };
    binary.canonicalize().with_context(|| format!("there is no binary {}", binary.display()))
}

/// Opens the store in `dir` with `madrigal bench NAME --open`: as its files lie in memory after they were written, and again with files
/// that are read from the disk.
///
/// # Errors
/// Where the process cannot be started or fails.
pub async fn measure(name: &str, dir: &Path, given: Option<&Path>, report: &Report) -> anyhow::Result<Value> {
    let mut opened = json!({});
    for state in ["warm", "cold"] {
        if state == "cold" {
            cold::forget(dir)?;
        }
        let output = Command::new(binary(given)?)
            .args(["--output", "json", "bench", name, "--device-seconds", "0", "--open"])
            .arg(dir)
            .arg("--dir")
            .arg(report.dir())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = async { output.await.context("the process that opens the store does not start") };
        let output = interruptible(report.stop(), output).await?;
        if !output.status.success() {
            bail!("the process that opens the store ended with {}", output.status);
        }
        let document: Value = serde_json::from_slice(&output.stdout).context("no figures of the opened store")?;
        let figures = &document["open"];
        report.line(&format!(
            "open        {state}: {:.2} s, {} MiB resident (at most {} MiB), {} MiB on the disk",
            figures["seconds"].as_f64().unwrap_or(f64::NAN),
            figures["residentBytes"].as_u64().unwrap_or(0) >> 20,
            figures["mostResidentBytes"].as_u64().unwrap_or(0) >> 20,
            figures["bytesOnDisk"].as_u64().unwrap_or(0) >> 20
        ));
        opened[state] = figures.clone();
    }
    Ok(opened)
}

/// Compares the slower opening and the larger memory with the goals.
pub fn goals(report: &mut Report, opened: &Value, seconds: f64, mebibytes: u64) {
    let worst =
        |field: &str| ["warm", "cold"].iter().filter_map(|state| opened[*state][field].as_f64()).fold(0.0, f64::max);
    report.goal("seconds to open 10 million", Wanted::AtMost(seconds), worst("seconds"));
    let most = worst("mostResidentBytes") / f64::from(1 << 20);
    report.goal("MiB at most when 10 million are open", Wanted::AtMost(mebibytes as f64), most);
}

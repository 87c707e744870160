//! Bringing the products in, with the command that brings them into every shop.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use madrigal_core::tasks;
use serde_json::Value;
use tokio::process::Command;

use crate::orders::settle;
use crate::orders::wire::{self, Connection};
use crate::process::ShopProcess;
use crate::report::Report;

/// How long the index may take until it shows everything that was imported.
const LIMIT: Duration = Duration::from_secs(300);

/// The shop is filled.
pub(super) struct Filled {
    pub(super) products: u64,
    /// What the import took, over HTTP.
    pub(super) import: Duration,
    /// From its end until the index showed all of them.
    pub(super) index: Duration,
}

/// Imports the file and waits until a search for everything finds as many.
pub(super) async fn fill(
    binary: &Path,
    data: &Path,
    products: &Path,
    process: &ShopProcess,
    token: &str,
    report: &Report,
) -> anyhow::Result<Filled> {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MADRIGAL_")) {
        command.env_remove(name);
    }
    let began = tasks::instant();
    let output = command
        .current_dir(report.dir())
        .arg("--data")
        .arg(std::path::absolute(data)?)
        .args(["--url", &process.url(), "--output", "json", "import", "products"])
        .arg(std::path::absolute(products)?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} does not start", binary.display()))?;
    let import = began.elapsed();
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = told.lines().rev().take(5).collect();
        bail!("the products were not imported ({}): {}", output.status, last.join("; "));
    }
    let told: Value = serde_json::from_slice(&output.stdout).context("the import did not say what it did")?;
    let imported = told["imported"].as_u64().context("the import did not say how many products there are")?;
    ensure!(imported > 0, "the import brought no product in");
    let began = tasks::instant();
    let mut connection = Connection::open(process.address()).await?;
    // Without a facet nothing is counted.
    let request = wire::request("GET", "/v1/products/search?facet=status&limit=1", token, &[], "");
    loop {
        let total =
            settle::json(&mut connection, &request).await?["total"].as_u64().context("a search has no total")?;
        if total == imported {
            return Ok(Filled { products: imported, import, index: began.elapsed() });
        }
        if began.elapsed() > LIMIT {
            bail!("the index shows {total} of {imported} products after {} s", LIMIT.as_secs());
        }
        tasks::sleep(Duration::from_millis(20)).await;
    }
}

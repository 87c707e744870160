//! Bringing the products in, with the command that brings them into every shop.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_core::tasks;

use crate::imports;
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
    let (imported, import) = imports::import(binary, data, report.dir(), process, ("products", products)).await?;
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

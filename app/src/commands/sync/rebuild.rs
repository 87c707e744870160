//! `madrigal sync rebuild`.

use std::time::Duration;

use madrigal_core::tasks;
use serde_json::json;

use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

/// How often `--wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Asks for a rebuild, and waits for it where that is wanted.
pub(super) async fn run(shop: &Shop, format: Format, copy: &str, wait: bool) -> anyhow::Result<()> {
    if !super::of_letters(copy, "_.-") {
        return Err(Ended::Usage(format!("{copy:?} is no copy's name; `madrigal sync lag` lists them")).into());
    }
    let path = format!("/v1/sync/copies/{copy}/rebuild");
    let mut rebuild = shop.post(&path, &json!({})).await?.ok()?;
    while wait && rebuild["state"] == "running" {
        tasks::sleep(LOOK_EVERY).await;
        rebuild = shop.get(&path).await?;
    }
    output::document(format, &rebuild)?;
    match (rebuild["state"].as_str(), rebuild["cause"].as_str()) {
        (Some("failed"), cause) => anyhow::bail!("{copy} is not rebuilt: {}", cause.unwrap_or_default()),
        _ => Ok(()),
    }
}

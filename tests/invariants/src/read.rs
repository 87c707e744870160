//! Reading whole lists and logs.

use anyhow::Context;
use madrigal::client::Shop;
use serde_json::Value;

/// Every item of a list that is paged by cursors.
pub(crate) async fn all_pages(shop: &Shop, path: &str) -> anyhow::Result<Vec<Value>> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = shop.get(&format!("{path}{separator}limit=200{cursor}")).await?;
        let Value::Array(more) = page["items"].take() else { anyhow::bail!("{path} has no items") };
        items.extend(more);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// Every event of a service's log.
pub(crate) async fn whole_log(shop: &Shop, service: &str) -> anyhow::Result<Vec<Value>> {
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        let mut read = shop.get(&format!("/v1/logs/{service}/events?after={after}&limit=1000")).await?;
        let Value::Array(more) = read["items"].take() else { anyhow::bail!("{service}'s log has no items") };
        events.extend(more);
        after = read["after"].as_u64().context("no position")?;
        if Some(after) >= read["end"].as_u64() {
            return Ok(events);
        }
    }
}

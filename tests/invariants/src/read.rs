//! Reading whole lists and logs, no older than what was durable when the reading began.

use anyhow::Context;
use madrigal_client::Shop;
use madrigal_core::{LogEpoch, LogName, Position, PositionToken};
use reqwest::Method;
use serde_json::Value;

/// The ends of all logs now, as the token that makes reads wait for them: views may be a moment behind.
pub(crate) async fn ends(shop: &Shop) -> anyhow::Result<PositionToken> {
    let mut token = PositionToken::default();
    for log in ["order", "catalog", "payment", "notification"] {
        let read = shop.get(&format!("/v1/logs/{log}-service/events?limit=1")).await?;
        let epoch: uuid::Uuid = read["epoch"].as_str().unwrap_or_default().parse()?;
        let end = Position(read["end"].as_u64().context("the log has no end")?);
        token.raise(LogName::parse(log).context("no name of a log")?, LogEpoch::from_uuid(epoch), end);
    }
    Ok(token)
}

/// GETs a path whose view has seen `token`.
pub(crate) async fn seen(shop: &Shop, path: &str, token: &PositionToken) -> anyhow::Result<Value> {
    let request = shop.request(Method::GET, path).header("Madrigal-Position", token.to_string());
    shop.send(request).await?.ok().with_context(|| path.to_owned())
}

/// Every item of a list that is paged by cursors.
pub(crate) async fn all_pages(shop: &Shop, path: &str, token: &PositionToken) -> anyhow::Result<Vec<Value>> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = seen(shop, &format!("{path}{separator}limit=200{cursor}"), token).await?;
        let Value::Array(more) = page["items"].take() else { anyhow::bail!("{path} has no items") };
        items.extend(more);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// Every event of a service's log, one after the other: a log may be larger than the memory.
pub(crate) async fn each_event(shop: &Shop, service: &str, mut see: impl FnMut(&Value)) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let read = shop.get(&format!("/v1/logs/{service}/events?after={after}&limit=1000")).await?;
        read["items"].as_array().with_context(|| format!("{service}'s log has no items"))?.iter().for_each(&mut see);
        after = read["after"].as_u64().context("no position")?;
        if Some(after) >= read["end"].as_u64() {
            return Ok(());
        }
    }
}

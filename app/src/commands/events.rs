//! `madrigal events …`.

use serde_json::Value;

use crate::cli::EventsCommand;
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

const COLUMNS: &[&str] =
    &["position", "metadata/timestamp", "aggregateType", "aggregateId", "metadata/version", "eventType"];

pub(super) async fn run(shop: &Shop, format: Format, command: EventsCommand) -> anyhow::Result<()> {
    match command {
        EventsCommand::Read { log, stream, after, limit } => {
            let mut events = Vec::new();
            let mut after = after;
            while (events.len() as u64) < limit {
                let page = (limit - events.len() as u64).min(1_000);
                let mut path = format!("/v1/logs/{}/events?after={after}&limit={page}", log_of(&log)?);
                if let Some(stream) = &stream {
                    path.push_str(&format!("&stream={}", name(stream)?));
                }
                let mut read = shop.get(&path).await?;
                let Value::Array(items) = read["items"].take() else { break };
                if items.is_empty() {
                    break;
                }
                after = read["after"].as_u64().unwrap_or(u64::MAX);
                events.extend(items);
            }
            output::items(format, &events, COLUMNS)?;
            Ok(())
        }
        EventsCommand::Tail { log, after } => {
            let log = log_of(&log)?;
            let mut after = match after {
                Some(after) => after,
                None => shop.get(&format!("/v1/logs/{log}/events?limit=1")).await?["end"].as_u64().unwrap_or(0),
            };
            // Rows come one by one, so each is printed as a line of its own, whatever the format.
            let format = if format == Format::Json { Format::Ndjson } else { format };
            loop {
                let mut read = shop.get(&format!("/v1/logs/{log}/events?after={after}&limit=1000&wait=20")).await?;
                let Value::Array(items) = read["items"].take() else { continue };
                if !items.is_empty() {
                    output::items(format, &items, COLUMNS)?;
                }
                after = read["after"].as_u64().unwrap_or(after);
            }
        }
    }
}

/// `order` or `order-service`: the service whose log it is.
fn log_of(text: &str) -> anyhow::Result<String> {
    let name = name(text)?;
    Ok(if name.ends_with("-service") { name.to_owned() } else { format!("{name}-service") })
}

/// A log's or stream's name, which needs no escaping in a URL.
fn name(text: &str) -> anyhow::Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        Ok(text)
    } else {
        Err(Ended::Usage(format!("{text:?} is no name of a log or a stream")).into())
    }
}

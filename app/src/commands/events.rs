//! `madrigal events …`.

use anyhow::Context;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::{EventsCommand, Settings};
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

const COLUMNS: &[&str] =
    &["position", "metadata/timestamp", "aggregateType", "aggregateId", "metadata/version", "eventType"];

pub(super) async fn run(settings: &Settings, command: EventsCommand) -> anyhow::Result<()> {
    let format = settings.output;
    match command {
        EventsCommand::Archive(archive) => super::archive::run(settings, &archive),
        EventsCommand::Read { log, stream, after, limit } => {
            let shop = super::connect(settings)?;
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
        EventsCommand::Append { stream, json, event_type, key, confirm } => {
            let note = Note { stream, json, event_type, key, confirm };
            output::document(format, &append(&super::connect(settings)?, note).await?)?;
            Ok(())
        }
        EventsCommand::Tail { log, after } => {
            let shop = super::connect(settings)?;
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

/// What `events append` was told.
struct Note {
    stream: String,
    json: String,
    event_type: String,
    key: Option<String>,
    confirm: String,
}

/// Appends a note; a stream of a service's own is refused before anything is sent, and by the shop again.
async fn append(shop: &Shop, note: Note) -> anyhow::Result<Value> {
    let Note { stream, json: data, event_type, key, confirm } = note;
    if confirm != stream {
        return Err(Ended::Refused(format!(
            "--confirm {confirm:?} is not the stream {stream:?}: nothing was appended"
        ))
        .into());
    }
    if !stream.starts_with("note-") {
        let text = format!(
            "{stream:?} is not a stream for notes (note-…): services fold their state from their own streams, and an event \
             from outside could break that for ever"
        );
        return Err(Ended::Refused(text).into());
    }
    let data: Map<String, Value> =
        serde_json::from_str(&data).map_err(|error| Ended::Usage(format!("--json is no JSON object: {error}")))?;
    let key = key.unwrap_or_else(|| madrigal_core::Host::system().uuid_v7().to_string());
    let body = json!({ "stream": stream, "eventType": event_type, "eventData": data });
    let request =
        shop.request(Method::POST, "/v1/logs/order-service/events").header("Idempotency-Key", &key).json(&body);
    let answer = shop.send(request).await.with_context(|| {
        format!("it is not known whether the note was appended: say the same again with --key {key}")
    })?;
    if answer.body["code"] == "reserved-stream" {
        return Err(Ended::Refused(answer.problem()).into());
    }
    Ok(answer.ok()?)
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

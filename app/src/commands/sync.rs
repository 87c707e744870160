//! `madrigal sync …`.

mod rebuild;

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::SyncCommand;
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

pub(super) async fn run(shop: &Shop, format: Format, command: SyncCommand) -> anyhow::Result<()> {
    match command {
        SyncCommand::Connectors { declare: None } => {
            let columns = ["name", "state", "class", "detail", "declaredAt"];
            list(shop, format, "/v1/sync/connectors", &columns).await
        }
        SyncCommand::Connectors { declare: Some(file) } => {
            let answer = shop.post("/v1/sync/connectors", &read(&file)?).await?.ok()?;
            output::document(format, &answer)?;
            Ok(())
        }
        SyncCommand::Rebuild { copy, wait } => rebuild::run(shop, format, &copy, wait).await,
        SyncCommand::Lag => {
            let columns = ["copy", "source", "state", "behind", "seconds", "parkedKeys", "snapshotRows", "detail"];
            list(shop, format, "/v1/sync/lag", &columns).await
        }
        SyncCommand::Parked { retry: Some(id), .. } => settle(shop, format, &id, "retry", &json!({})).await,
        SyncCommand::Parked { skip: Some(id), reason, .. } => {
            settle(shop, format, &id, "skip", &json!({ "reason": reason.unwrap_or_default() })).await
        }
        SyncCommand::Parked { limit, .. } => {
            let columns = ["id", "position", "kind", "attempts", "firstAt", "cause", "skipped"];
            list(shop, format, &format!("/v1/sync/parked?limit={limit}"), &columns).await
        }
    }
}

async fn list(shop: &Shop, format: Format, path: &str, columns: &[&str]) -> anyhow::Result<()> {
    let page = shop.get(path).await?;
    output::items(format, page["items"].as_array().map_or(&[], Vec::as_slice), columns)?;
    Ok(())
}

async fn settle(shop: &Shop, format: Format, id: &str, verb: &str, body: &Value) -> anyhow::Result<()> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "_.:-".contains(letter);
    if id.is_empty() || !id.chars().all(letter) {
        return Err(Ended::Usage(format!("{id:?} is no parked key's id; `madrigal sync parked` lists them")).into());
    }
    let answer = shop.post(&format!("/v1/sync/parked/{id}/{verb}"), body).await?.ok()?;
    output::document(format, &answer)?;
    match answer["cause"].as_str() {
        None => Ok(()),
        Some(cause) => anyhow::bail!("{} changes of {id} still wait: {cause}", answer["waiting"]),
    }
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(file).map_err(|error| Ended::Usage(format!("{}: {error}", file.display())))?
    };
    Ok(serde_json::from_str(&text).map_err(|error| Ended::Usage(format!("{} is no JSON: {error}", file.display())))?)
}

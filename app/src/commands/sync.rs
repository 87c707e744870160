//! `madrigal sync …`.

use std::io::Read as _;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::{Parker, SyncCommand};
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

mod parked;
mod rebuild;

pub(super) use parked::still_waiting;

pub(super) async fn run(shop: &Shop, format: Format, command: SyncCommand) -> anyhow::Result<()> {
    match command {
        SyncCommand::Connectors { declare: None, remove: None } => {
            let columns = ["name", "state", "class", "detail", "declaredAt"];
            list(shop, format, "/v1/sync/connectors", &columns).await
        }
        SyncCommand::Connectors { remove: Some(name), .. } => {
            if !of_letters(&name, "._-") {
                let why = "a connector's name has letters, digits, underscores and hyphens, and dots inside";
                return Err(Ended::Usage(format!("{name:?}: {why}")).into());
            }
            shop.send(shop.request(Method::DELETE, &format!("/v1/sync/connectors/{name}"))).await?.ok()?;
            output::document(format, &json!({ "name": name, "state": "removed" }))?;
            Ok(())
        }
        SyncCommand::Connectors { declare: Some(file), .. } => {
            let answer = shop.post("/v1/sync/connectors", &read(&file)?).await?.ok()?;
            output::document(format, &answer)?;
            Ok(())
        }
        SyncCommand::Rebuild { copy, wait } => rebuild::run(shop, format, &copy, wait).await,
        SyncCommand::Lag => {
            let columns = ["copy", "source", "state", "behind", "seconds", "parkedKeys", "snapshotRows", "detail"];
            list(shop, format, "/v1/sync/lag", &columns).await
        }
        SyncCommand::Parked { limit, retry, retry_cause, skip, reason, of } => {
            let of = of.map_or(Parker::ALL.to_vec(), |of| vec![of]);
            match (retry, retry_cause, skip) {
                (Some(id), _, _) => parked::retry(shop, format, &of, &id).await,
                (_, Some(cause), _) => parked::retry_cause(shop, format, &of, &cause).await,
                (_, _, Some(id)) => parked::skip(shop, format, &of, &id, &reason.unwrap_or_default()).await,
                (None, None, None) => parked::list(shop, format, &of, limit).await,
            }
        }
    }
}

/// Whether a name has only ASCII letters, digits and these signs, and is no `.` or `..`, which a URL does not carry but
/// resolves.
fn of_letters(name: &str, signs: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || signs.contains(letter))
        && name.chars().any(|letter| letter != '.')
}

async fn list(shop: &Shop, format: Format, path: &str, columns: &[&str]) -> anyhow::Result<()> {
    let page = shop.get(path).await?;
    output::items(format, page["items"].as_array().map_or(&[], Vec::as_slice), columns)?;
    Ok(())
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

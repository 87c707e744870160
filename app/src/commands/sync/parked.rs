//! `madrigal sync parked`: what services set aside, and what becomes of it.

use serde_json::{Value, json};

use crate::cli::Parker;
use crate::client::{Answer, Shop};
use crate::exit::Ended;
use crate::output::{self, Format};

/// What is parked at these services. One that this shop does not have is left out.
pub(super) async fn list(shop: &Shop, format: Format, of: &[Parker], limit: u32) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for parker in of {
        let request = shop.request(reqwest::Method::GET, &format!("/v1/{}/parked?limit={limit}", parker.name()));
        let answer = shop.send(request).await?;
        if absent(&answer) {
            continue;
        }
        let items = answer.ok()?["items"].as_array().cloned().unwrap_or_default();
        all.extend(items.into_iter().map(|mut item| {
            item["service"] = json!(parker.name());
            item
        }));
    }
    let columns = ["service", "id", "position", "kind", "attempts", "firstAt", "cause", "skipped"];
    Ok(output::items(format, &all, &columns)?)
}

/// Tries a key again, at every service that has it parked.
pub(super) async fn retry(shop: &Shop, format: Format, of: &[Parker], id: &str) -> anyhow::Result<()> {
    let mut settled = Vec::new();
    for parker in of {
        settled.extend(settle(shop, *parker, id, "retry", &json!({})).await?);
    }
    shown(format, id, &settled)
}

/// Leaves out a key's first item, at the first of these services that has it parked.
pub(super) async fn skip(shop: &Shop, format: Format, of: &[Parker], id: &str, reason: &str) -> anyhow::Result<()> {
    for parker in of {
        let settled = settle(shop, *parker, id, "skip", &json!({ "reason": reason })).await?;
        if !settled.is_empty() {
            return shown(format, id, &settled);
        }
    }
    shown(format, id, &[])
}

/// Tries all keys again that are parked for this cause.
pub(super) async fn retry_cause(shop: &Shop, format: Format, of: &[Parker], cause: &str) -> anyhow::Result<()> {
    let mut settled = Vec::new();
    for parker in of {
        let path = format!("/v1/{}/parked/retry", parker.name());
        let answer = shop.post(&path, &json!({ "cause": cause })).await?;
        if !absent(&answer) {
            settled.extend(answer.ok()?["items"].as_array().cloned().unwrap_or_default());
        }
    }
    if settled.is_empty() {
        anyhow::bail!("no key is parked for that cause; `madrigal sync parked` lists causes as they are written");
    }
    output::items(format, &settled, &["id", "applied", "waiting", "cause"])?;
    waiting(&settled)
}

/// What became of a key at this service; empty where nothing of it is parked there.
async fn settle(shop: &Shop, parker: Parker, id: &str, verb: &str, body: &Value) -> anyhow::Result<Vec<Value>> {
    if !super::of_letters(id, "_.:-") {
        return Err(Ended::Usage(format!("{id:?} is no parked key's id; `madrigal sync parked` lists them")).into());
    }
    let answer = shop.post(&format!("/v1/{}/parked/{id}/{verb}", parker.name()), body).await?;
    if absent(&answer) || answer.body["code"] == "nothing-parked" {
        return Ok(Vec::new());
    }
    Ok(vec![answer.ok()?])
}

/// Whether this shop has no such service.
fn absent(answer: &Answer) -> bool {
    answer.body["code"] == "unknown-path"
}

fn shown(format: Format, id: &str, settled: &[Value]) -> anyhow::Result<()> {
    if settled.is_empty() {
        anyhow::bail!("nothing is parked under {id}; it may have been settled meanwhile");
    }
    for one in settled {
        output::document(format, one)?;
    }
    waiting(settled)
}

/// An error where something still waits.
fn waiting(settled: &[Value]) -> anyhow::Result<()> {
    match settled.iter().find(|one| one["cause"].is_string()) {
        None => Ok(()),
        Some(one) => Err(still_waiting(one["id"].as_str().unwrap_or_default(), one)),
    }
}

/// Says how many changes of a key or a lane still wait, and for what.
pub(in crate::commands) fn still_waiting(of: &str, report: &Value) -> anyhow::Error {
    anyhow::anyhow!("{} of {of} still wait: {}", report["waiting"], report["cause"].as_str().unwrap_or_default())
}

//! `madrigal projections …`.

use std::time::Duration;

use madrigal_core::tasks;
use serde_json::{Value, json};

use super::sync::still_waiting;
use crate::cli::{Named, ProjectionsCommand};
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

/// How often `rebuild --wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A comparison reads all rows of both generations.
const COMPARE_AT_MOST: Duration = Duration::from_secs(600);

pub(super) async fn run(shop: &Shop, format: Format, command: ProjectionsCommand) -> anyhow::Result<()> {
    match command {
        ProjectionsCommand::List => list(shop, format).await,
        ProjectionsCommand::Show(named) => {
            output::document(format, &shop.get(&path(&named, "")?).await?)?;
            Ok(())
        }
        ProjectionsCommand::Rebuild { named, wait } => {
            let begun = post(shop, &named, "/rebuild", &json!({})).await?;
            let shown = if wait { caught_up(shop, &named).await? } else { begun };
            output::document(format, &shown)?;
            Ok(())
        }
        ProjectionsCommand::Compare(named) => compare(shop, format, &named).await,
        ProjectionsCommand::Switch { named, accept_differences, reason } => {
            let mut body = json!({ "acceptDifferences": accept_differences });
            if let Some(reason) = reason {
                body["reason"] = Value::from(reason);
            }
            tell(format, &post(shop, &named, "/switch", &body).await?)
        }
        ProjectionsCommand::Discard(named) => tell(format, &post(shop, &named, "/discard", &json!({})).await?),
        ProjectionsCommand::Confirm(named) => tell(format, &post(shop, &named, "/confirm", &json!({})).await?),
        ProjectionsCommand::Parked { named, limit } => {
            let page = shop.get(&path(&named, &format!("/parked?limit={limit}"))?).await?;
            let items = page["items"].as_array().cloned().unwrap_or_default();
            output::items(format, &items, &["lane", "generation", "position", "kind", "attempts", "cause", "skipped"])?;
            Ok(())
        }
        ProjectionsCommand::Retry { named, key } => {
            let report = post(shop, &named, "/parked/retry", &json!({ "key": key })).await?;
            tell(format, &report)?;
            match report["waiting"].as_u64() {
                None | Some(0) => Ok(()),
                Some(_) => Err(still_waiting(&key, &report)),
            }
        }
        ProjectionsCommand::Skip { named, key, reason } => {
            tell(format, &post(shop, &named, "/parked/skip", &json!({ "key": key, "reason": reason })).await?)
        }
        ProjectionsCommand::WhyStalled(named) => {
            output::document(format, &shop.get(&path(&named, "/why-stalled")?).await?)?;
            Ok(())
        }
    }
}

async fn list(shop: &Shop, format: Format) -> anyhow::Result<()> {
    let page = shop.get("/v1/projections").await?;
    let items = page["items"].as_array().cloned().unwrap_or_default();
    let columns = [
        "name",
        "service",
        "state",
        "version",
        "generation",
        "lag/events",
        "parkedKeys",
        "candidate/state=candidate",
        "candidate/secondsLeft",
        "candidate/compared/verdict",
    ];
    output::items(format, &items, &columns)?;
    for missing in page["missing"].as_array().into_iter().flatten() {
        let text = |key: &str| missing[key].as_str().unwrap_or_default();
        output::message(&format!("without {}: {}", text("service"), text("detail")));
    }
    Ok(())
}

async fn compare(shop: &Shop, format: Format, named: &Named) -> anyhow::Result<()> {
    let request = shop.request(reqwest::Method::POST, &path(named, "/compare")?).timeout(COMPARE_AT_MOST);
    let compared = shop.send(request).await?.ok()?;
    output::document(format, &compared)?;
    if compared["verdict"] == "equal" {
        return Ok(());
    }
    Err(Ended::Diverged(format!("{} of {} rows differ", compared["differing"], compared["rows"])).into())
}

/// Tells how far the candidate is until it has caught up.
async fn caught_up(shop: &Shop, named: &Named) -> anyhow::Result<Value> {
    loop {
        let shown = shop.get(&path(named, "")?).await?;
        let candidate = &shown["candidate"];
        if candidate.is_null() || candidate["state"] == "caught-up" {
            return Ok(shown);
        }
        if let Some(trouble) = candidate["trouble"].as_str() {
            anyhow::bail!("the candidate is held up: {trouble}");
        }
        let rate = candidate["eventsPerSecond"].as_f64().unwrap_or_default();
        output::message(&format!("{} of {} events, {rate:.0} a second", candidate["position"], candidate["end"]));
        tasks::sleep(LOOK_EVERY).await;
    }
}

async fn post(shop: &Shop, named: &Named, verb: &str, body: &Value) -> anyhow::Result<Value> {
    Ok(shop.post(&path(named, verb)?, body).await?.ok()?)
}

fn tell(format: Format, answer: &Value) -> anyhow::Result<()> {
    output::document(format, answer)?;
    Ok(())
}

fn path(named: &Named, rest: &str) -> anyhow::Result<String> {
    let name = &named.name;
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(letters) {
        return Err(
            Ended::Usage(format!("{name:?} is no projection's name; `madrigal projections list` lists them")).into()
        );
    }
    Ok(format!("/v1/projections/{name}{rest}"))
}

//! `madrigal consistency …`.

use std::time::Duration;

use madrigal_core::tasks;
use serde_json::{Value, json};

use crate::cli::{ConsistencyCheck, ConsistencyCommand};
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

/// How often a check that is under way is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The server answers after ten seconds at the latest.
const ANSWER_AT_MOST: Duration = Duration::from_secs(60);
/// The columns of rows that diverge.
const ROW: [&str; 6] = ["id", "pair", "key", "issue", "owner/version=ownerVersion", "copy/version=copyVersion"];

pub(super) async fn run(shop: &Shop, format: Format, command: ConsistencyCommand) -> anyhow::Result<()> {
    match command {
        ConsistencyCommand::Check(check) => {
            let report = checked(shop, &check).await?;
            show(format, &report)?;
            verdict(&report)
        }
        ConsistencyCommand::Report => show(format, &shop.get("/v1/consistency/report").await?),
        ConsistencyCommand::Divergences => {
            let page = shop.get("/v1/consistency/divergences").await?;
            output::items(format, &list(&page["items"]), &ROW)?;
            Ok(())
        }
        ConsistencyCommand::Repair { id, apply } => {
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let why = format!("{id:?} is no row's id; `madrigal consistency divergences` lists them");
                return Err(Ended::Usage(why).into());
            }
            let path = format!("/v1/consistency/divergences/{id}/repair");
            output::document(format, &shop.post(&path, &json!({ "apply": apply })).await?.ok()?)?;
            Ok(())
        }
        ConsistencyCommand::Repairs => {
            let page = shop.get("/v1/consistency/repairs").await?;
            let columns = ["at", "by", "pair", "divergence/key", "divergence/issue", "outcome/outcome"];
            output::items(format, &list(&page["items"]), &columns)?;
            Ok(())
        }
        ConsistencyCommand::Damage { copy, key, damage } => {
            let body = json!({ "copy": copy, "key": key, "damage": damage });
            output::document(format, &shop.post("/v1/consistency/damage", &body).await?.ok()?)?;
            Ok(())
        }
    }
}

/// Begins the check and waits for its report.
async fn checked(shop: &Shop, check: &ConsistencyCheck) -> anyhow::Result<Value> {
    let mut body = json!({ "deep": check.deep, "repair": check.repair });
    if let Some(pair) = &check.pair {
        body["pair"] = Value::from(pair.as_str());
    }
    let request = shop.request(reqwest::Method::POST, "/v1/consistency/checks").json(&body).timeout(ANSWER_AT_MOST);
    let mut answer = shop.send(request).await?.ok()?;
    let mut told = false;
    while let Some(id) = answer["checkId"].as_str() {
        if !told {
            output::message("checking");
            told = true;
        }
        let path = format!("/v1/consistency/checks/{id}");
        tasks::sleep(LOOK_EVERY).await;
        answer = shop.get(&path).await?;
    }
    Ok(answer)
}

fn show(format: Format, report: &Value) -> anyhow::Result<()> {
    if format != Format::Table {
        output::document(format, report)?;
        return Ok(());
    }
    let columns = [
        "name",
        "verdict",
        "totalEntities",
        "inconsistentEntities",
        "unverifiedEntities",
        "behindBy",
        "sweep",
        "verifiedThrough",
        "millisAPage",
        "trouble",
    ];
    let checks = list(&report["checks"]);
    output::items(format, &checks, &columns)?;
    let rows: Vec<Value> = checks.iter().flat_map(|check| list(&check["inconsistencies"])).collect();
    if !rows.is_empty() {
        output::message("");
        output::items(format, &rows, &ROW)?;
    }
    Ok(())
}

fn verdict(report: &Value) -> anyhow::Result<()> {
    let (rows, all) = (&report["metrics"]["inconsistentEntities"], &report["metrics"]["totalEntities"]);
    match report["overallStatus"].as_str() {
        Some("consistent") => Ok(()),
        Some("inconsistent") => Err(Ended::Diverged(format!("{rows} of {all} rows diverge")).into()),
        _ => {
            let left = &report["metrics"]["unverifiedEntities"];
            Err(Ended::CouldNotCheck(format!("not everything could be verified: {left} of {all} rows were not")).into())
        }
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

//! `madrigal consistency …`.

use std::collections::BTreeMap;
use std::time::Duration;

use madrigal_core::tasks;
use serde_json::{Value, json};

use crate::cli::{ConsistencyCheck, ConsistencyCommand};
use crate::client::{Answer, AskError, Shop};
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
    let mut answer = answered(shop.send(request).await)?;
    let mut told = false;
    while let Some(id) = answer["checkId"].as_str() {
        if !told {
            output::message("checking");
            told = true;
        }
        let path = format!("/v1/consistency/checks/{id}");
        tasks::sleep(LOOK_EVERY).await;
        answer = answered(shop.send(shop.request(reqwest::Method::GET, &path)).await)?;
    }
    Ok(answer)
}

/// The body of a success. Where nobody answers who could check, nothing was verified; that is not a failure of the command.
fn answered(answer: Result<Answer, AskError>) -> anyhow::Result<Value> {
    match answer {
        Ok(answer) if matches!(answer.status.as_u16(), 502..=504) => {
            Err(Ended::CouldNotCheck(format!("nothing could be verified: {}", answer.problem())).into())
        }
        Ok(answer) => Ok(answer.ok()?),
        Err(error @ (AskError::NoAnswer(_) | AskError::CutShort(_))) => {
            Err(Ended::CouldNotCheck(format!("nothing could be verified: {error}")).into())
        }
        Err(error) => Err(error.into()),
    }
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
            let mut why = format!("not everything could be verified: {left} of {all} rows were not");
            for (trouble, pairs) in troubles(report) {
                why.push_str(&format!("\n  {}: {trouble}", pairs.join(", ")));
            }
            Err(Ended::CouldNotCheck(why).into())
        }
    }
}

/// What kept pairs from being checked, and which.
fn troubles(report: &Value) -> BTreeMap<String, Vec<String>> {
    let mut troubles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for check in list(&report["checks"]) {
        if let (Some(trouble), Some(name)) = (check["trouble"].as_str(), check["name"].as_str()) {
            troubles.entry(trouble.to_owned()).or_default().push(name.to_owned());
        }
    }
    troubles
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    #[test]
    fn where_nobody_answers_who_could_check_nothing_was_verified() {
        let answer = |status| Ok(Answer { status, body: json!({"title": "x"}), position: None, etag: None });
        for status in [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT] {
            let error = answered(answer(status)).unwrap_err();
            assert!(matches!(error.downcast_ref::<Ended>(), Some(Ended::CouldNotCheck(_))), "{error}");
        }
        assert!(answered(answer(StatusCode::FORBIDDEN)).unwrap_err().downcast_ref::<Ended>().is_none());
        assert!(answered(answer(StatusCode::OK)).is_ok());
    }

    #[test]
    fn every_trouble_is_named_once_with_its_pairs() {
        let check = |name: &str| json!({"name": name, "trouble": "analytics-service is gone"});
        let metrics = json!({"unverifiedEntities": 20, "totalEntities": 44, "inconsistentEntities": 0});
        let report = json!({"overallStatus": "unverified", "metrics": metrics,
            "checks": [check("orders.analytics"), {"name": "orders.view", "trouble": null}, check("users.analytics")]});
        let told = verdict(&report).unwrap_err().to_string();
        assert!(told.contains("20 of 44 rows were not"), "{told}");
        assert!(told.ends_with("orders.analytics, users.analytics: analytics-service is gone"), "{told}");
    }
}

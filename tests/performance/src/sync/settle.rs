//! What happens after a load: the copies catch up, and the monitor compares them.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use madrigal_core::tasks;
use serde_json::{Value, json};

use super::changes::User;
use crate::orders::settle;
use crate::orders::wire::{self, Connection};

/// How long the copies, or a check of them, may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The copies that have a user's row under the user's id, with its version.
const COPIES_OF_ROWS: [&str; 3] = ["users.key-value", "users.index", "users.analytics"];

/// The copies have everything.
pub(crate) struct Settled {
    /// Their names.
    pub(crate) copies: Vec<String>,
    /// How long that took.
    pub(crate) took: Duration,
}

/// Waits until every copy says that it has everything, and has this user's row.
///
/// A copy's lag is against the end of its owner's log *as it was last read*, so that none alone could be an old answer: the row of
/// the change that was acknowledged last must be there, too.
pub(crate) async fn settle(address: &str, operator: &str, last: Option<&User>) -> anyhow::Result<Settled> {
    let began = tasks::instant();
    let mut connection = Connection::open(address).await?;
    let lag = wire::request("GET", "/v1/sync/lag", operator, &[], "");
    ensure!(
        connection.send(&lag).await?.status != 404,
        "this shop has no /v1/sync/lag: nothing says how far its copies are, so that nothing can be measured"
    );
    loop {
        let told = settle::json(&mut connection, &lag).await?;
        let copies: Vec<&Value> =
            told["items"].as_array().into_iter().flatten().filter(|item| item["copy"].is_string()).collect();
        ensure!(!copies.is_empty(), "the shop names no copy in /v1/sync/lag");
        if let Some(parked) = copies.iter().find(|item| item["parkedKeys"] != 0) {
            bail!("keys are parked, so that a copy will never be complete: {parked}");
        }
        let names: Vec<String> = copies.iter().filter_map(|item| item["copy"].as_str()).map(str::to_owned).collect();
        let behind = copies.iter().find(|item| item["behind"] != 0 || item["snapshotRows"].is_u64());
        if behind.is_none() && has_row(&mut connection, operator, &names, last).await? {
            return Ok(Settled { copies: names, took: began.elapsed() });
        }
        if began.elapsed() > LIMIT {
            bail!("the copies are not complete after {} s: {}", LIMIT.as_secs(), told["items"]);
        }
        tasks::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether all copies have this user's row in this version or a later one.
async fn has_row(
    connection: &mut Connection,
    operator: &str,
    copies: &[String],
    user: Option<&User>,
) -> anyhow::Result<bool> {
    let Some(user) = user else { return Ok(true) };
    for copy in copies.iter().filter(|copy| COPIES_OF_ROWS.contains(&copy.as_str())) {
        let path = format!("/v1/sync/copies/{copy}/{}", user.id);
        let answer = connection.send(&wire::request("GET", &path, operator, &[], "")).await?;
        let row: Value = match answer.status {
            200 => serde_json::from_slice(answer.body)?,
            404 => return Ok(false),
            status => bail!("{path} answered {status}"),
        };
        if row["version"].as_u64().context("a row without a version")? < user.version {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The report of a check of all pairs, which is asked for and then looked at every so often, for at most so long.
pub(crate) async fn checked(
    connection: &mut Connection,
    operator: &str,
    deep: bool,
    limit: Duration,
    look_every: Duration,
) -> anyhow::Result<Value> {
    let began = tasks::instant();
    let body = json!({ "deep": deep }).to_string();
    let mut request = wire::request("POST", "/v1/consistency/checks", operator, &[], &body);
    loop {
        let answer = connection.send(&request).await?;
        match answer.status {
            200 => return Ok(serde_json::from_slice(answer.body)?),
            202 if began.elapsed() < limit => {
                let place = answer.header("location").context("a check without its place")?.to_owned();
                request = wire::request("GET", &place, operator, &[], "");
            }
            status => bail!("the check answered {status}: {}", String::from_utf8_lossy(answer.body)),
        }
        tasks::sleep(look_every).await;
    }
}

/// Has the monitor compare the contents of all copies; says, too, what is wrong where it does not call them consistent.
pub(crate) async fn check(address: &str, operator: &str) -> anyhow::Result<(Value, Option<String>)> {
    let began = tasks::instant();
    let mut connection = Connection::open(address).await?;
    let report = checked(&mut connection, operator, true, LIMIT, Duration::from_millis(50)).await?;
    let pairs: Vec<Value> = report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|pair| json!({ "pair": pair["name"], "verdict": pair["verdict"], "rows": pair["totalEntities"] }))
        .collect();
    let overall = &report["overallStatus"];
    let verdict = json!({ "overallStatus": overall, "pairs": pairs, "seconds": began.elapsed().as_secs_f64() });
    let problem = (overall != "consistent").then(|| {
        let wrong = report["checks"].as_array().into_iter().flatten().filter(|pair| pair["verdict"] != "consistent");
        let told = |pair: &Value| {
            format!(
                "{} {} ({} diverge, {} unverified, behind {}, {})",
                pair["name"],
                pair["verdict"],
                pair["inconsistentEntities"],
                pair["unverifiedEntities"],
                pair["behindBy"],
                pair["trouble"]
            )
        };
        format!("{overall}: {}", wrong.map(told).collect::<Vec<_>>().join("; "))
    });
    Ok((verdict, problem))
}

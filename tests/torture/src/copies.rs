//! What the monitor says of every copy when everything has come to its end, and whom the owner of users has.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use madrigal_client::Shop;
use madrigal_core::tasks;
use serde_json::{Value, json};

/// How long copies may take to have everything, parked keys and snapshots included.
const CATCHING_UP: Duration = Duration::from_secs(60);
/// How long a check may take.
const CHECK: Duration = Duration::from_secs(300);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is said of copies and of their owner.
#[derive(Debug, Clone, Default)]
pub struct Copied {
    /// Pairs that were compared by content, with the rows of each.
    pub pairs: BTreeMap<String, u64>,
    /// Pairs that are not consistent, with what the monitor says of them.
    pub troubles: Vec<(String, String)>,
    /// Rows that the monitor repaired in the run: copies have to converge by themselves.
    pub repairs: Vec<Value>,
    /// Changes that are parked.
    pub parked: Vec<Value>,
    /// The owner's users: version and first name by their number.
    pub users: BTreeMap<i64, (u64, String)>,
}

impl Copied {
    /// Asks the running shop; copies that are still behind are waited for, in bounded time.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn of_running(operator: &Shop) -> anyhow::Result<Self> {
        let began = tasks::instant();
        let mut copied = Self::default();
        loop {
            let report = deep_check(operator).await.context("the copies cannot be checked")?;
            copied.take(&report);
            let behind = report["overallStatus"] == "unverified";
            if !behind || began.elapsed() > CATCHING_UP {
                break;
            }
            tasks::sleep(LOOK_EVERY).await;
        }
        copied.repairs = items(operator, "/v1/consistency/repairs").await?;
        // One that healed by itself was called divergent when it was only behind: not even that may be.
        copied
            .repairs
            .retain(|entry| ["repaired", "healed"].iter().any(|outcome| entry["outcome"]["outcome"] == *outcome));
        copied.parked = items(operator, "/v1/sync/parked").await?;
        copied.users = users(operator).await?;
        Ok(copied)
    }

    fn take(&mut self, report: &Value) {
        let checks = || report["checks"].as_array().into_iter().flatten();
        let name = |check: &Value| check["name"].as_str().unwrap_or_default().to_owned();
        self.pairs = checks().map(|check| (name(check), check["totalEntities"].as_u64().unwrap_or(0))).collect();
        self.troubles =
            checks().filter(|check| check["verdict"] != "consistent").map(|check| (name(check), told(check))).collect();
    }
}

/// Rows that diverge, or why a pair could not be verified.
fn told(check: &Value) -> String {
    let rows: Vec<String> = check["inconsistencies"]
        .as_array()
        .into_iter()
        .flatten()
        .take(5)
        .map(|row| format!("{} {}: {} / {}", row["key"], row["issue"], row["owner"], row["copy"]))
        .collect();
    format!(
        "{}: {} rows diverge, {} unverified, behind by {}, {}; {}",
        check["verdict"],
        check["inconsistentEntities"],
        check["unverifiedEntities"],
        check["behindBy"],
        check["trouble"],
        rows.join("; ")
    )
}

/// Has the monitor compare all copies by content.
async fn deep_check(operator: &Shop) -> anyhow::Result<Value> {
    let mut answer = operator.post("/v1/consistency/checks", &json!({ "deep": true })).await?.ok()?;
    let done = tasks::within(CHECK, async {
        while let Some(id) = answer["checkId"].as_str().filter(|_| answer["overallStatus"].is_null()) {
            tasks::sleep(LOOK_EVERY).await;
            answer = operator.get(&format!("/v1/consistency/checks/{id}")).await?;
        }
        anyhow::Ok(answer)
    });
    done.await.with_context(|| format!("the check is not done after {} s", CHECK.as_secs()))?
}

async fn items(operator: &Shop, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut page = operator.get(path).await.with_context(|| path.to_owned())?;
    match page["items"].take() {
        Value::Array(items) => Ok(items),
        _ => anyhow::bail!("{path} has no items"),
    }
}

/// The owner's users, page by page.
async fn users(operator: &Shop) -> anyhow::Result<BTreeMap<i64, (u64, String)>> {
    let (mut users, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = operator.get(&format!("/v1/users?limit=200{cursor}")).await.context("the users cannot be listed")?;
        for user in page["items"].as_array().into_iter().flatten() {
            let (id, version) = (user["id"].as_i64().unwrap_or_default(), user["version"].as_u64().unwrap_or_default());
            users.insert(id, (version, user["profile"]["firstName"].as_str().unwrap_or_default().to_owned()));
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(users),
        }
    }
}

//! What the shop says of itself when everything has come to its end.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_client::Shop;
use madrigal_core::tasks;
use madrigal_invariants::{Books, Violation};
use reqwest::Method;
use serde_json::{Value, json};

use crate::copies::Copied;
use crate::shop::ShopProcesses;

/// How long one projection may take to be built anew, and to be compared.
const REBUILD: Duration = Duration::from_secs(600);
/// How often a candidate is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the doctor is asked until it is content: what is late for a moment is no finding.
const DOCTOR_TRIES: usize = 20;
/// Lines of one log that are kept.
const LINES: usize = 10;

/// What the shop says.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The books.
    pub books: Books,
    /// Sagas that have not ended, as the shop lists them.
    pub open: Vec<Value>,
    /// Each projection beside one built anew from its log.
    pub rebuilt: Vec<Rebuilt>,
    /// What the monitor says of every copy, and whom the owner of users has.
    pub copied: Copied,
    /// What `madrigal doctor` found wrong with the running shop, and `doctor --repair` with the logs of the stopped one.
    pub doctor: Vec<String>,
    /// Lines of processes' logs that tell of a panic, with the process.
    pub panics: Vec<(String, String)>,
    /// Processes that did not start or end as they should.
    pub processes: Vec<Violation>,
}

/// A projection beside one built anew.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// Its name, as in `order-view`.
    pub name: String,
    /// Keys that it could not apply.
    pub parked: u64,
    /// Rows that were compared.
    pub rows: u64,
    /// What differs, or why it could not be compared; none where both are equal.
    pub trouble: Option<String>,
}

impl Findings {
    /// Asks the running shop.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn of_running(processes: &ShopProcesses, operator: &Shop) -> anyhow::Result<Self> {
        let books = Books::read(operator).await.context("the books cannot be read")?;
        let rebuilt = rebuilt(operator).await.context("the projections cannot be compared")?;
        let copied = Copied::of_running(operator).await?;
        let doctor = doctor(processes).await?;
        Ok(Self { books, rebuilt, copied, doctor, ..Self::default() })
    }

    /// Looks at what a stopped shop left.
    ///
    /// # Errors
    /// Where the binary does not run or a log cannot be read.
    pub async fn look_at_stopped(&mut self, processes: &ShopProcesses) -> anyhow::Result<()> {
        let (content, text) = processes.run(&["doctor", "--repair", "--output", "json"]).await?;
        self.doctor.extend(wrong(content, &text));
        for (name, log) in processes.logs() {
            let lines = panics(log).with_context(|| format!("{} cannot be read", log.display()))?;
            self.panics.extend(lines.into_iter().map(|line| (name.to_owned(), line)));
        }
        Ok(())
    }
}

/// What the doctor says is wrong.
async fn doctor(processes: &ShopProcesses) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for _ in 0..DOCTOR_TRIES {
        let (content, text) = processes.run(&["doctor", "--output", "json"]).await?;
        found = wrong(content, &text);
        if found.is_empty() {
            break;
        }
        tasks::sleep(Duration::from_millis(500)).await;
    }
    Ok(found)
}

fn wrong(content: bool, text: &str) -> Vec<String> {
    if content {
        return Vec::new();
    }
    // What follows the document is standard error's.
    let checks = serde_json::Deserializer::from_str(text).into_iter::<Value>().next().and_then(Result::ok);
    let lines: Vec<String> = checks
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|check| check["result"] != "ok")
        .map(|check| format!("{}: {}", word(&check["check"]), word(&check["detail"])))
        .collect();
    if lines.is_empty() { vec![text.to_owned()] } else { lines }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Builds every projection anew beside the one that serves, compares them, and lets the new one go.
async fn rebuilt(operator: &Shop) -> anyhow::Result<Vec<Rebuilt>> {
    let page = operator.get("/v1/projections").await?;
    if let Some(missing) = page["missing"].as_array().filter(|missing| !missing.is_empty()) {
        bail!("not all services tell their projections: {missing:?}");
    }
    let mut all = Vec::new();
    for shown in page["items"].as_array().context("no projections")? {
        let name = word(&shown["name"]).to_owned();
        let compared = compared(operator, &name).await.with_context(|| name.clone())?;
        let (rows, trouble) = match compared {
            Ok(rows) => (rows, None),
            Err(trouble) => (0, Some(trouble)),
        };
        // Asked again: the list is told by each service's runner, some time after the start.
        let shown = operator.get(&format!("/v1/projections/{name}")).await?;
        all.push(Rebuilt { name, parked: shown["parkedKeys"].as_u64().unwrap_or(0), rows, trouble });
    }
    Ok(all)
}

/// How many rows are equal, or what differs.
async fn compared(operator: &Shop, name: &str) -> anyhow::Result<Result<u64, String>> {
    let path = |verb: &str| format!("/v1/projections/{name}/{verb}");
    let begun = operator.post(&path("rebuild"), &json!({})).await?;
    if begun.status != 202 {
        return Ok(Err(begun.problem()));
    }
    let caught_up = tasks::within(REBUILD, async {
        loop {
            let shown = operator.get(&format!("/v1/projections/{name}")).await?;
            let candidate = &shown["candidate"];
            if candidate["state"] == "caught-up" {
                return anyhow::Ok(Ok(()));
            }
            if let Some(trouble) = candidate["trouble"].as_str() {
                return Ok(Err(format!("the candidate is held up: {trouble}")));
            }
            tasks::sleep(LOOK_EVERY).await;
        }
    });
    let result = match caught_up.await {
        None => Err(format!("the candidate has not caught up after {} s", REBUILD.as_secs())),
        Some(Err(error)) => return Err(error),
        Some(Ok(Err(trouble))) => Err(trouble),
        Some(Ok(Ok(()))) => {
            let request = operator.request(Method::POST, &path("compare")).timeout(REBUILD);
            let answer = operator.send(request).await?;
            if answer.body["verdict"] == "equal" {
                Ok(answer.body["rows"].as_u64().unwrap_or(0))
            } else if answer.status.is_success() {
                Err(answer.body.to_string())
            } else {
                Err(answer.problem())
            }
        }
    };
    operator.post(&path("discard"), &json!({})).await?.ok()?;
    Ok(result)
}

fn panics(log: &Path) -> std::io::Result<Vec<String>> {
    let text = std::fs::read(log)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter(|line| line.contains("panicked at")).take(LINES).map(str::to_owned).collect())
}

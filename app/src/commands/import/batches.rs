//! Kinds that the shop imports by the batch: many lines a request, a result per line.

use anyhow::{Context, bail, ensure};
use futures::{Stream, StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::lines::{FileLines, NumberedLine};
use super::{Done, Fate, PATIENCE, pause};
use crate::client::{Answer, Shop};

/// The most lines of one request: what is sent again after a kill.
const BATCH_LINES: usize = 1_000;
/// A batch ends with the line that brings it to so many bytes.
const BATCH_BYTES: usize = 2 << 20;
/// The most batches under way: more do not make it faster, as the shop works on several appends of each.
const MOST_BATCHES: usize = 4;

/// Sends the lines to `path`, some requests at the same time; what comes out is in the order of the file.
pub(super) fn send<'a>(
    shop: &'a Shop,
    path: &'static str,
    lines: FileLines,
    concurrency: usize,
) -> impl Stream<Item = anyhow::Result<Done>> + 'a {
    batches(lines)
        .map(move |batch| async move { batch?.imported(shop, path).await })
        .buffered(concurrency.min(MOST_BATCHES))
}

struct Batch {
    offset: u64,
    lines: Vec<NumberedLine>,
}

fn batches(lines: FileLines) -> impl Stream<Item = anyhow::Result<Batch>> {
    stream::unfold(lines, |mut lines| async move {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_LINES && bytes < BATCH_BYTES {
            match lines.next().await {
                Ok(Some(line)) => {
                    bytes += line.text.as_ref().map_or(0, Vec::len);
                    batch.push(line);
                }
                Ok(None) => break,
                Err(error) => return Some((Err(error), lines)),
            }
        }
        let read = Batch { offset: lines.offset(), lines: batch };
        (!read.lines.is_empty()).then_some((Ok(read), lines))
    })
}

/// What the shop says of a line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineResult {
    line: usize,
    outcome: String,
    problem: Option<Value>,
    /// What merging did not take.
    #[serde(default)]
    losers: Vec<Value>,
}

impl Batch {
    async fn imported(self, shop: &Shop, path: &str) -> anyhow::Result<Done> {
        let mut fates: Vec<Option<Fate>> = self
            .lines
            .iter()
            .map(|line| line.text.is_none().then(|| Fate::Refused(NumberedLine::too_long())))
            .collect();
        for attempt in 0..PATIENCE {
            let open: Vec<usize> = (0..fates.len()).filter(|index| fates[*index].is_none()).collect();
            if open.is_empty() {
                break;
            }
            if attempt > 0 {
                pause(attempt).await;
            }
            let last = attempt + 1 == PATIENCE;
            for (index, result) in open.iter().zip(self.asked(shop, path, &open).await?) {
                fates[*index] = result.fate(last)?;
            }
        }
        let fates = fates.into_iter().collect::<Option<Vec<_>>>().context("the shop stayed too busy for a minute")?;
        Ok(Done { offset: self.offset, fates: self.lines.into_iter().zip(fates).collect() })
    }

    /// The results of these lines, one for each.
    async fn asked(&self, shop: &Shop, path: &str, open: &[usize]) -> anyhow::Result<Vec<LineResult>> {
        let mut body = Vec::new();
        for text in open.iter().filter_map(|index| self.lines[*index].text.as_ref()) {
            body.extend_from_slice(text);
            body.push(b'\n');
        }
        let request = shop.request(Method::POST, path).header("Content-Type", "application/x-ndjson").body(body);
        let (status, answer) = shop.send_for_text(request).await?;
        if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
            return Ok((1..=open.len()).map(LineResult::busy).collect());
        }
        if !status.is_success() {
            let body = serde_json::from_slice(&answer).unwrap_or_default();
            bail!("{}", Answer { status, body, position: None, etag: None }.problem());
        }
        let results: Vec<LineResult> = serde_json::Deserializer::from_slice(&answer)
            .into_iter()
            .collect::<Result<_, _>>()
            .context("the shop answered no results of lines")?;
        let whole =
            results.len() == open.len() && results.iter().enumerate().all(|(index, result)| result.line == index + 1);
        ensure!(whole, "the shop's answer was cut short");
        Ok(results)
    }
}

impl LineResult {
    fn busy(line: usize) -> Self {
        Self {
            line,
            outcome: "refused".to_owned(),
            problem: Some(serde_json::json!({ "retryable": true })),
            losers: Vec::new(),
        }
    }

    /// What became of the line; `None` where it should be sent again.
    fn fate(self, last: bool) -> anyhow::Result<Option<Fate>> {
        let problem = self.problem.unwrap_or_default();
        Ok(match self.outcome.as_str() {
            "merged" if !self.losers.is_empty() => Some(Fate::Merged(not_taken(&self.losers))),
            "imported" | "created" | "changed" | "applied" | "merged" => Some(Fate::Imported),
            "known" | "unchanged" => Some(Fate::Known),
            "refused" if problem["code"] == "import-cut-off" => bail!("the connection to the shop broke"),
            "refused" if problem["retryable"] == true && !last => None,
            "refused" | "conflict" => Some(Fate::Refused(words(problem))),
            other => bail!("the shop answered an unknown outcome: {other}"),
        })
    }
}

/// What merging did not take, and what stands instead.
fn not_taken(losers: &[Value]) -> String {
    let text = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    let told = losers.iter().map(|loser| {
        let (current, proposed) = (text(&loser["current"]), text(&loser["proposed"]));
        let (stands, lost) = if loser["taken"] == "current" { (current, proposed) } else { (proposed, current) };
        format!("{} is {stands}, not {lost}", loser["field"].as_str().unwrap_or_default())
    });
    told.collect::<Vec<_>>().join("; ")
}

fn words(problem: Value) -> String {
    let status = problem["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::BAD_REQUEST);
    Answer { status, body: problem, position: None, etag: None }.problem()
}

//! How fast a pair is checked: sweeps by versions and by contents over rows that are made as they are read.

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use madrigal_consistency::row_set::{MAX_PAGE, PageRead};
use madrigal_consistency::{
    CheckOptions, Content, Detail, Pair, PairReport, Row, RowSet, SetDescription, SetKind, number_key, row::key_number,
};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, LogEpoch, LogName, Position, PositionToken, RowVersion};
use serde_json::{Value, json};

use crate::machine::own_memory;
use crate::report::{Common, Report, Tell, check, count, on_one_thread};

const FIELDS: &[&str] = &["status", "userId", "finalAmount", "items", "createdAt"];

/// Checks a pair of row sets on one thread, at full speed.
///
/// Rows are made as they are read, so that this is the check's own speed: what a store takes to read them comes on top
/// (`madrigal consistency check --output json` tells it for each pair, as `cost`). Memory is what the process grows by,
/// beside four bytes for each row's version.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Rows at each side.
    #[arg(long, value_name = "NUMBER", default_value = "2000000", value_parser = count)]
    pub rows: u64,
    /// Rows that diverge, spread evenly, in the last two sweeps.
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = count)]
    pub divergent: u64,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// Runs it.
///
/// # Errors
/// Where a sweep finds something else than was planted, or [`crate::Interrupted`].
pub async fn run(options: &Options, tell: Tell, stop: &StopSignal) -> anyhow::Result<Value> {
    let settings = json!({ "rows": options.rows, "divergent": options.divergent });
    let mut report = Report::begin("consistency", &options.common, &settings, "none: rows in memory", tell, stop)?;
    let (wanted, stop) = (options.clone(), stop.clone());
    let measured = on_one_thread(move || async move {
        let mut lines = Vec::new();
        for divergent in [0, wanted.divergent.min(wanted.rows)] {
            for detail in [Detail::Versions, Detail::Content] {
                check(&stop)?;
                lines.push(sweep(wanted.rows, divergent, detail).await?);
            }
        }
        Ok(lines)
    });
    let measured = measured.await?;
    report.line(&format!(
        "{:<36} {:>12} {:>9} {:>9} {:>10}",
        "one thread", "rows a s", "seconds", "divergent", "MiB more"
    ));
    for line in &measured {
        report.line(&format!(
            "{:<36} {:>12.0} {:>9.2} {:>9} {:>10.1}",
            line["what"].as_str().unwrap_or_default(),
            line["rowsPerSecond"].as_f64().unwrap_or_default(),
            line["seconds"].as_f64().unwrap_or_default(),
            line["divergent"],
            line["mibMore"].as_f64().unwrap_or_default(),
        ));
    }
    report.put("lines", json!(measured));
    report.finish()
}

async fn sweep(rows: u64, divergent: u64, detail: Detail) -> anyhow::Result<Value> {
    let host = Host::system();
    let (_, before) = own_memory();
    let made = Made::new(rows, 0, SetKind::Owner, &host)?;
    let every = rows.checked_div(divergent).unwrap_or(0);
    let copy = Made { spoiled_every: every, kind: SetKind::Copy, ..made.clone() };
    let pair = Pair::new("bench", Arc::new(made), Arc::new(copy))?;
    let began = tasks::instant();
    let PairReport { consistent, divergent: found, unverified, trouble, cost, .. } =
        pair.check(&CheckOptions::of(detail), &host).await;
    let seconds = began.elapsed().as_secs_f64();
    let (_, after) = own_memory();
    anyhow::ensure!(
        trouble.is_none() && unverified == 0 && consistent + found == rows && (found == 0) == (divergent == 0),
        "the sweep found {consistent} consistent, {found} divergent, {unverified} unverified rows of {rows}: {trouble:?}"
    );
    let kind = if detail == Detail::Versions { "versions" } else { "contents" };
    let what = if divergent == 0 { kind.to_owned() } else { format!("{kind}, some rows diverge") };
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (per_second, mib) = (rows as f64 / seconds, after.saturating_sub(before) as f64 / f64::from(1 << 20));
    Ok(json!({ "what": what, "rowsPerSecond": per_second, "seconds": seconds, "divergent": found, "mibMore": mib,
        "mostRowsHeld": cost.most_rows_held, "rowsJudged": cost.rows_judged }))
}

/// Rows that are made as they are read: of orders, with five fields.
#[derive(Clone)]
struct Made {
    versions: Arc<[u32]>,
    spoiled_every: u64,
    kind: SetKind,
    position: PositionToken,
}

impl Made {
    fn new(rows: u64, spoiled_every: u64, kind: SetKind, host: &Host) -> anyhow::Result<Self> {
        let versions = (0..rows).map(|row| u32::try_from(row % 9).unwrap_or_default() + 1).collect();
        let log = LogName::parse("bench").ok_or_else(|| anyhow::anyhow!("no name of a log"))?;
        let position = PositionToken::of(log, LogEpoch::new(host), Position(1));
        Ok(Self { versions, spoiled_every, kind, position })
    }

    fn row(&self, number: u64, detail: Detail) -> Option<Row> {
        let version = u64::from(*self.versions.get(usize::try_from(number).ok()?)?);
        let spoiled = self.spoiled_every > 0 && number.is_multiple_of(self.spoiled_every);
        let row = Row::new(number_key(number), RowVersion::new(1, version + u64::from(spoiled)).ok());
        Some(match detail {
            Detail::Versions => row,
            Detail::Content => row.with_content(
                Content::new()
                    .with("status", "confirmed")
                    .with("userId", number % 10_000)
                    .with("finalAmount", number * 100)
                    .with(
                        "items",
                        json!([{ "productId": "lute", "quantity": 2 }, { "productId": "drum", "quantity": 1 }]),
                    )
                    .with("createdAt", "2026-11-22T10:15:00Z"),
            ),
        })
    }
}

#[async_trait]
impl RowSet for Made {
    fn description(&self) -> SetDescription {
        SetDescription { kind: self.kind, ..SetDescription::owner("bench", FIELDS) }
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(self.position.clone())
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let first = read.range.after.as_deref().and_then(key_number).map_or(0, |after| after + 1);
        let last = read.range.through.as_deref().and_then(key_number).unwrap_or(u64::MAX);
        let numbers = (first..=last).take(read.limit.min(MAX_PAGE));
        Ok(numbers.map_while(|number| self.row(number, read.detail)).collect())
    }

    async fn by_key(&self, mut keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        Ok(keys.iter().filter_map(|key| self.row(key_number(key)?, detail)).collect())
    }
}

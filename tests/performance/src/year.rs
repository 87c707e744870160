//! A year of baskets that changes while every copy is compared with its owner, again and again: whether the monitor ever raises a
//! false alarm, how much of each pair it verifies, and how old its word is.
//!
//! * `changes`: users, prices and orders that change, some beside each check; `checks`: one check, and what all of them came to.

mod changes;
mod checks;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use madrigal_core::tasks::StopSignal;
use serde_json::{Value, json};

use self::changes::Changes;
use self::checks::Seen;
use crate::orders::settle::settle as orders_settle;
use crate::orders::stock;
use crate::orders::wire::{self, Connection};
use crate::process::ShopProcess;
use crate::report::{Common, Report, Tell, Wanted, count, interruptible};
use crate::sync::scrape::{self, Histograms};
use crate::sync::settle;
use crate::{imports, reopen};

/// What the shop measures from a commit to each copy.
const LATENCY: &str = "data_sync_latency_seconds";
/// What the goals are about: so many changes of each kind, and so many checks.
const GOAL: (u64, u64) = (1_000, 100);

/// Changes users, prices and orders of a whole year of baskets while all copies are checked.
///
/// Starts `madrigal up` on a new data directory and imports the products, users and orders of --retail. Then it checks all pairs, again
/// and again (by versions; each tenth time by content, too), and beside each check changes its share of users and prices and places and
/// cancels its share of orders, evenly over the time that the last check took. Nothing is damaged and nothing repaired by hand, so that
/// each row that is called divergent is a false alarm. From commit to copy is what the shop measures itself,
/// `data_sync_latency_seconds` of /metrics. At the end, at rest, every pair must be consistent by content.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where `products.ndjson`, `users.ndjson` and `orders.ndjson` are; `data-migration/seeders/retail/run.sh --orders all` makes them.
    #[arg(long, value_name = "DIR", default_value = "target/retail")]
    pub retail: PathBuf,
    /// So many users are changed, prices are changed, orders are placed and cancelled.
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = count)]
    pub changes: u64,
    /// Checks beside them.
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = count)]
    pub checks: u64,
    /// Each so many checks one compares contents.
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = count)]
    pub deep_each: u64,
    /// The binary that is measured; this one by default.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// Runs it, on the thread that asks: give it one of its own.
///
/// # Errors
/// Where a file is missing, the shop does not start or refuses something, cannot be asked, where a row was called divergent or the
/// copies are not consistent at rest (after the figures were written), or [`crate::Interrupted`].
pub async fn run(options: Options, tell: Tell, stop: StopSignal) -> anyhow::Result<Value> {
    // Looked for first: a missing file is said before anything is started.
    for name in FILES {
        let file = file(&options.retail, name);
        ensure!(file.is_file(), "there is no {}", file.display());
    }
    let settings = json!({
        "retail": options.retail, "changes": options.changes, "checks": options.checks, "deepEach": options.deep_each,
        "userHashMemoryKib": 8, "binary": options.binary,
    });
    let durability = "fdatasync before every answer; copies and views rebuildable, all on";
    let mut report = Report::begin("year", &options.common, &settings, durability, tell, &stop)?;
    let troubles = interruptible(&stop, measure(&options, &mut report)).await?;
    let document = report.finish()?;
    // Written first: what was measured is worth looking at all the more.
    if troubles.is_empty() { Ok(document) } else { Err(anyhow!("{}", troubles.join("; "))) }
}

/// What is imported, in this order.
const FILES: [&str; 3] = ["products", "users", "orders"];

fn file(retail: &Path, name: &str) -> PathBuf {
    retail.join(format!("{name}.ndjson"))
}

/// Returns what does not hold.
async fn measure(options: &Options, report: &mut Report) -> anyhow::Result<Vec<String>> {
    let binary = reopen::binary(options.binary.as_deref())?;
    let data = report.dir().join("data");
    // Hashing passwords is not what is measured here.
    let settings = [("MADRIGAL_USER__HASH_MEMORY_KIB", "8")];
    let process = ShopProcess::start(&binary, &data, report.dir(), (&[], &settings), "").await?;
    report.line(&format!("shop        process {}, ready after {:?}", process.id(), process.ready_after()));
    let mut imported = serde_json::Map::new();
    for name in FILES {
        let path = file(&options.retail, name);
        let (rows, took) = imports::import(&binary, &data, report.dir(), &process, (name, &path)).await?;
        report.line(&format!("imported    {rows} {name} in {:.1} s", took.as_secs_f64()));
        imported.insert(name.to_owned(), json!({ "rows": rows, "seconds": took.as_secs_f64() }));
    }
    report.put("imported", Value::Object(imported));
    let signer = stock::signer(&data)?;
    let operator = stock::operator(&signer);
    let address = process.address();
    let mut checks = Connection::open(address).await?;
    // The first one waits for what came in just now.
    let first = checks::at_rest(&mut checks, &operator, false).await?;
    report.line(&format!("before      {}", first.in_words()));
    let mut changes = Changes::of(address, &signer, &operator, options).await?;
    let (began, before) = (first.took, look(address, &operator).await?);
    let mut seen = Seen::default();
    let mut pace = began;
    for number in 0..options.checks {
        let share = share(options.changes, number, options.checks);
        let deep = number % options.deep_each == options.deep_each - 1;
        let (checked, changed) = futures::join!(checks::check(&mut checks, &operator, deep), changes.some(share, pace));
        changed?;
        let checked = checked?;
        // The next one takes about as long, unless it is of the other kind.
        if !deep {
            pace = checked.took;
        }
        seen.take(checked);
    }
    let done = changes.end().await?;
    report.line(&format!("changed     {done}"));
    report.put("changed", done);
    let (resident, most) = process.memory()?;
    report.put("memory", json!({ "residentBytes": resident, "mostResidentBytes": most }));
    tell(&seen, options, report);
    let rest = orders_settle(address, &operator).await?;
    let copies = settle::settle(address, &operator, None).await?;
    let last = checks::at_rest(&mut checks, &operator, true).await?;
    report.line(&format!("at rest     after {:?} and {:?}: {}", rest.view_at_rest, copies.took, last.in_words()));
    tell_latencies(&before, &look(address, &operator).await?, options, report)?;
    let repairs = checks::repairs(&mut checks, &operator).await?;
    report.put("atRest", json!({ "check": last.json(), "repairs": repairs }));
    let mut troubles = seen.false_alarms();
    if !last.is_consistent() {
        troubles.push(format!("at rest: {}", last.in_words()));
    }
    if repairs > 0 {
        troubles.push(format!("{repairs} rows were repaired though nothing was damaged"));
    }
    Ok(troubles)
}

/// How many of `all` belong to the part `number` of `parts`.
fn share(all: u64, number: u64, parts: u64) -> u64 {
    all * (number + 1) / parts - all * number / parts
}

fn tell(seen: &Seen, options: &Options, report: &mut Report) {
    for line in seen.table() {
        report.line(&line);
    }
    report.put("checks", seen.json());
    if (options.changes, options.checks) == GOAL {
        report.goal("rows called divergent in all checks", Wanted::AtMost(0.0), seen.divergent() as f64);
        report.goal("least share of a pair's rows verified in a check, %", Wanted::AtLeast(95.0), seen.least_share());
        for (deep, by) in [(false, "versions"), (true, "content")] {
            let name = format!("oldest verifiedThrough of a pair in checks by {by}, s");
            report.goal(&name, Wanted::AtMost(5.0), seen.oldest(deep).as_secs_f64());
        }
    }
}

/// From commit to each copy, during the changes.
fn tell_latencies(
    before: &Histograms,
    after: &Histograms,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut told = Vec::new();
    for (target, histogram) in scrape::difference(before, after)? {
        // A view that nothing was told meanwhile says nothing.
        if histogram.count() == 0 {
            continue;
        }
        let millis = |quantile| histogram.quantile(quantile).map(|seconds| seconds * 1e3);
        let bound = histogram.bound(0.99).map(|seconds| seconds * 1e3);
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.1}"));
        report.line(&format!(
            "latency     {target}: {} samples, p50 {} ms, p99 {} ms (in the bucket up to {})",
            histogram.count(),
            shown(millis(0.5)),
            shown(millis(0.99)),
            shown(bound)
        ));
        if (options.changes, options.checks) == GOAL && histogram.count() > 0 {
            let goal = format!("p99 in ms from commit to {target}, within its bucket by interpolation");
            report.goal(&goal, Wanted::AtMost(200.0), millis(0.99).unwrap_or(f64::MAX));
        }
        told.push(json!({
            "target": target, "samples": histogram.count(), "p50Millis": millis(0.5), "p99Millis": millis(0.99),
            "p99BucketMillis": bound, "buckets": histogram.buckets(),
        }));
    }
    report.put("latency", Value::Array(told));
    Ok(())
}

/// What the shop has measured so far, by copy.
async fn look(address: &str, operator: &str) -> anyhow::Result<Histograms> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.send(&wire::request("GET", "/metrics", operator, &[], "")).await?;
    ensure!(answer.status == 200, "/metrics answered {}", answer.status);
    scrape::histograms(std::str::from_utf8(answer.body).context("/metrics is no text")?, LATENCY, "target")
}

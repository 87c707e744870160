//! How long a change of a user takes to every copy, over HTTP, against the whole shop as a process of its own.
//!
//! * [`scrape`]: what the shop measures of itself, and the difference of two looks; [`changes`]: changes at a fixed rate;
//! * `settle`: waiting for the copies, and asking the monitor.

pub mod changes;
pub mod scrape;
pub(crate) mod settle;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use clap::Args;
use madrigal_core::tasks::{self, StopSignal};
use serde_json::{Value, json};

use self::changes::Changing;
use self::scrape::{Histogram, Histograms};
use crate::orders::stock;
use crate::process::{ShopProcess, own_cpu};
use crate::reopen;
use crate::report::{Common, Report, Tell, Wanted, count, interruptible, seconds, some_seconds};

/// What the shop measures from a change's commit to each copy.
const LATENCY: &str = "data_sync_latency_seconds";
/// The rate that the goal is about, and what 99 of 100 rows may take then, in milliseconds.
const GOAL: (u64, f64) = (2_000, 200.0);

/// Changes users at fixed rates over HTTP and says how long a change takes to every copy.
///
/// Starts `madrigal up` on a new data directory, registers users, and changes their profiles in open loops (`PATCH` with `If-Match`).
/// From commit to copy is what the shop measures itself, `data_sync_latency_seconds` of /metrics, between two looks: a row that a
/// newer one overtook is not in it, and quantiles are as fine as its buckets are. After each load it waits until every copy says that it
/// has everything; at the end the monitor compares contents and must say that all copies are consistent.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Changes a second, one loop for each.
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "500,1000,2000", value_parser = count)]
    pub rates: Vec<u64>,
    /// Users that are changed in turn.
    #[arg(long, value_name = "NUMBER", default_value = "2000", value_parser = count)]
    pub users: u64,
    /// Connections; never more than users.
    #[arg(long, value_name = "NUMBER", default_value = "256", value_parser = count)]
    pub connections: u64,
    /// Seconds that count of each loop.
    #[arg(long, default_value = "15", value_parser = some_seconds)]
    pub seconds: f64,
    /// Seconds before them, at the same rate.
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub warm_up: f64,
    /// The binary that is measured; this one by default.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// The shop whose users are changed.
struct Synced {
    process: ShopProcess,
    operator: String,
    users: RefCell<Changing>,
}

/// Runs it, on the thread that asks: give it one of its own.
///
/// # Errors
/// Where the shop does not start, does not measure its copies, cannot be asked, where a copy is not there after five minutes or the
/// monitor does not call all of them consistent, or [`crate::Interrupted`].
pub async fn run(options: Options, tell: Tell, stop: StopSignal) -> anyhow::Result<Value> {
    let settings = json!({
        "rates": options.rates, "users": options.users, "connections": options.connections, "seconds": options.seconds,
        "warmUp": options.warm_up, "userHashMemoryKib": 8, "binary": options.binary,
    });
    let durability = "fdatasync before every answer; copies and views rebuildable, all on";
    let mut report = Report::begin("sync", &options.common, &settings, durability, tell, &stop)?;
    let verdict = interruptible(&stop, measure(&options, &mut report)).await?;
    let document = report.finish()?;
    // Written first: what was measured is worth looking at all the more.
    match verdict {
        None => Ok(document),
        Some(verdict) => Err(anyhow!("the monitor does not call the copies consistent: {verdict}")),
    }
}

/// Returns what the monitor says where that is not that all copies are consistent.
async fn measure(options: &Options, report: &mut Report) -> anyhow::Result<Option<String>> {
    let binary = reopen::binary(options.binary.as_deref())?;
    let data = report.dir().join("data");
    // Hashing passwords is not what is measured here.
    let settings = [("MADRIGAL_USER__HASH_MEMORY_KIB", "8")];
    let process = ShopProcess::start(&binary, &data, report.dir(), (&[], &settings), "").await?;
    report.line(&format!("shop        process {}, ready after {:?}", process.id(), process.ready_after()));
    let signer = stock::signer(&data)?;
    let (operator, began) = (stock::operator(&signer), tasks::instant());
    stock::make_customers(process.address(), &signer, usize::try_from(options.users)?).await?;
    let users = changes::users(process.address(), &operator).await?;
    report.line(&format!("set up      {} users in {:?}", users.len(), began.elapsed()));
    let last = users.last().cloned();
    let synced = Synced { process, operator, users: RefCell::new(Changing::new(users)) };
    let settled = settle::settle(synced.process.address(), &synced.operator, last.as_ref()).await?;
    // The registrations were synced just now, so that what is not measured of them is not measured at all.
    let measured = look(&synced).await?;
    ensure!(
        measured.values().any(|histogram| histogram.count() > 0),
        "the shop does not measure {LATENCY} yet: there is nothing to read how long its copies take from"
    );
    report.line(&format!("copies      {}", settled.copies.join(", ")));
    report.line(&format!(
        "{:>9} {:>9} {:>7} {:>8} {:>8} {:>9} {:>9} {:>7} {:>9}",
        "asked/s", "changes/s", "failed", "p50 ms", "p99 ms", "server µs", "client µs", "RSS MiB", "copies ms"
    ));
    let mut loads = Vec::new();
    for rate in &options.rates {
        loads.push(one(options, &synced, *rate, report).await?);
    }
    report.put("loads", Value::Array(loads));
    let (verdict, problem) = settle::check(synced.process.address(), &synced.operator).await?;
    report.line(&format!("check       {verdict}"));
    report.put("check", verdict);
    Ok(problem)
}

/// One load, and until every copy has it.
async fn one(options: &Options, synced: &Synced, rate: u64, report: &mut Report) -> anyhow::Result<Value> {
    let process = &synced.process;
    let before = look(synced).await?;
    let marks = RefCell::new(Vec::new());
    let mark = || marks.borrow_mut().push((process.cpu(), own_cpu()));
    let spans = (Duration::from_secs_f64(options.warm_up), Duration::from_secs_f64(options.seconds));
    let connections = usize::try_from(options.connections)?;
    let asked = (rate as f64, connections);
    let outcome = changes::run(process.address(), &synced.operator, &synced.users, asked, spans, mark).await?;
    let settled = settle::settle(process.address(), &synced.operator, outcome.last.as_ref()).await?;
    let targets = scrape::difference(&before, &look(synced).await?)?;
    let mut cpu = Vec::new();
    for (server, own) in marks.into_inner() {
        cpu.push((server?, own?));
    }
    let [(server_from, own_from), (server_to, own_to)] = cpu[..] else { return Err(anyhow!("two marks are expected")) };
    let per_change = |cpu: Duration| cpu.as_secs_f64() * 1e6 / (outcome.completed.max(1) as f64);
    let (server, own) = (per_change(server_to - server_from), per_change(own_to - own_from));
    let changed = outcome.completed as f64 / spans.1.as_secs_f64();
    let at = |quantile| outcome.latencies.millis(quantile);
    let (resident, most) = process.memory()?;
    let caught_up = settled.took.as_secs_f64() * 1e3;
    report.line(&format!(
        "{rate:>9} {changed:>9.0} {:>7} {:>8.2} {:>8.2} {server:>9.0} {own:>9.0} {:>7} {caught_up:>9.0}",
        outcome.failed(),
        at(0.5),
        at(0.99),
        resident >> 20
    ));
    let mut told = Vec::new();
    // Views that nothing was told meanwhile say nothing.
    for (target, histogram) in targets.iter().filter(|(_, histogram)| histogram.count() > 0) {
        told.push(target_told(target, histogram, rate, report));
    }
    Ok(json!({
        "rate": rate, "changesPerSecond": changed, "completed": outcome.completed,
        "completedWithWarmUp": outcome.completed_ever, "failed": outcome.failed(), "failures": outcome.failures,
        "answerMillis": { "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) },
        "serverCpuMicrosPerChange": server.round(), "clientCpuMicrosPerChange": own.round(),
        "residentBytes": resident, "mostResidentBytes": most, "copiesCaughtUpMillis": caught_up, "targets": told,
    }))
}

/// What one copy took, warm-up included.
fn target_told(target: &str, histogram: &Histogram, rate: u64, report: &mut Report) -> Value {
    let millis = |quantile| histogram.quantile(quantile).map(|seconds| seconds * 1e3);
    let bound = |quantile| histogram.bound(quantile).map(|seconds| seconds * 1e3);
    let shown =
        |millis: Option<f64>| millis.map_or_else(|| "more than any bucket".to_owned(), |it| format!("{it:.1} ms"));
    report.line(&format!(
        "          · {target}: {} rows, p50 {}, p99 {} (in the bucket up to {})",
        histogram.count(),
        shown(millis(0.5)),
        shown(millis(0.99)),
        shown(bound(0.99))
    ));
    if rate == GOAL.0 && histogram.count() > 0 {
        let goal = format!("p99 in ms from commit to {target} at {rate} changes/s, within its bucket by interpolation");
        report.goal(&goal, Wanted::AtMost(GOAL.1), millis(0.99).unwrap_or(f64::MAX));
    }
    json!({
        "target": target, "rows": histogram.count(), "p50Millis": millis(0.5), "p90Millis": millis(0.9),
        "p99Millis": millis(0.99), "p99BucketMillis": bound(0.99),
        "averageMillis": histogram.average().map(|seconds| seconds * 1e3), "buckets": histogram.buckets(),
    })
}

/// What the shop has measured so far, by copy.
async fn look(synced: &Synced) -> anyhow::Result<Histograms> {
    let mut connection = crate::orders::wire::Connection::open(synced.process.address()).await?;
    let request = crate::orders::wire::request("GET", "/metrics", &synced.operator, &[], "");
    let answer = connection.send(&request).await?;
    ensure!(answer.status == 200, "/metrics answered {}", answer.status);
    scrape::histograms(std::str::from_utf8(answer.body)?, LATENCY, "target")
}

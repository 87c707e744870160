//! Searching a whole catalogue of real products over HTTP, against the whole shop as a process of its own.
//!
//! * [`catalogue`]: the products that queries are made from; [`queries`]: which query comes next;
//! * [`load`]: closed loops; `fill`: bringing the products in.

pub mod catalogue;
mod fill;
pub mod load;
pub mod queries;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use madrigal_core::tasks::StopSignal;
use serde_json::{Value, json};

use self::catalogue::Catalogue;
use self::load::Outcome;
use self::queries::{Kind, Queries};
use crate::latency::Latencies;
use crate::orders::stock;
use crate::process::{ShopProcess, own_cpu};
use crate::report::{Common, Report, Tell, count, interruptible, seconds, some_seconds};
use crate::{cold, reopen};

/// Searches the retail products over HTTP: each kind of query by itself, then all of them mixed.
///
/// Starts `madrigal up` on a new data directory, imports the products, waits until the search index shows all of them, and asks in
/// closed loops. Queries are made from the products' own names, categories, brands and prices; the same seed asks the same. Only
/// queries that were answered 200 within the measured time count; everything else is counted as failed. CPU time per query includes what
/// the shop does in the background.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The products, one JSON object a line; `data-migration/seeders/retail/run.sh` makes them.
    #[arg(long, value_name = "FILE", default_value = "target/retail/products.ndjson")]
    pub products: PathBuf,
    /// Clients that ask at the same time, each one query after the other.
    #[arg(long, value_name = "NUMBER", default_value = "8", value_parser = count)]
    pub clients: u64,
    /// Seconds that count of each loop.
    #[arg(long, default_value = "10", value_parser = some_seconds)]
    pub seconds: f64,
    /// Seconds before them.
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub warm_up: f64,
    /// Leaves out the loops of one kind of query.
    #[arg(long)]
    pub mixed_only: bool,
    /// Asks other queries.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
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
/// Where there are no products, the shop does not start or refuses one, cannot be asked, or [`crate::Interrupted`].
pub async fn run(options: Options, tell: Tell, stop: StopSignal) -> anyhow::Result<Value> {
    // Read first: a missing file is said before anything is started.
    let catalogue = Arc::new(Catalogue::read(&options.products)?);
    let mix: Vec<Value> = Kind::ALL.iter().map(|kind| json!({ "kind": kind.name(), "share": kind.share() })).collect();
    let settings = json!({
        "products": options.products, "clients": options.clients, "seconds": options.seconds, "warmUp": options.warm_up,
        "mixedOnly": options.mixed_only, "seed": options.seed, "mix": mix, "pageSize": queries::PAGE,
        "walkPages": queries::WALK_PAGES, "binary": options.binary,
    });
    let durability = "fdatasync before every answer; the search index rebuildable, all views on";
    let mut report = Report::begin("search", &options.common, &settings, durability, tell, &stop)?;
    interruptible(&stop, measure(&options, &catalogue, &mut report)).await?;
    report.finish()
}

async fn measure(options: &Options, catalogue: &Arc<Catalogue>, report: &mut Report) -> anyhow::Result<()> {
    let binary = reopen::binary(options.binary.as_deref())?;
    let data = report.dir().join("data");
    let process = ShopProcess::start(&binary, &data, report.dir(), (&[], &[]), "").await?;
    report.line(&format!("shop        process {}, ready after {:?}", process.id(), process.ready_after()));
    let token = stock::operator(&stock::signer(&data)?);
    let filled = fill::fill(&binary, &data, &options.products, &process, &token, report).await?;
    let (resident, _) = process.memory()?;
    report.line(&format!(
        "products    {} in {:.1} s; the index shows them {:.1} s later; {} MiB resident, {} MiB on the disk",
        filled.products,
        filled.import.as_secs_f64(),
        filled.index.as_secs_f64(),
        resident >> 20,
        cold::bytes_below(&data) >> 20
    ));
    report.put(
        "filled",
        json!({
            "products": filled.products, "importSeconds": filled.import.as_secs_f64(),
            "indexShowsAfterSeconds": filled.index.as_secs_f64(), "residentBytes": resident,
            "bytesOnDisk": cold::bytes_below(&data),
        }),
    );
    report.line(&format!(
        "{:>12} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>7}",
        "queries",
        "queries/s",
        "failed",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms",
        "server µs",
        "client µs",
        "empty %",
        "RSS MiB"
    ));
    let mut loops = Vec::new();
    let alone = Kind::ALL.iter().filter(|_| !options.mixed_only).map(|kind| Some(*kind));
    for only in alone.chain([None]) {
        loops.push(one(options, catalogue, &process, &token, only, report).await?);
    }
    report.put("loops", Value::Array(loops));
    Ok(())
}

/// One loop: of queries of one kind, or of all.
async fn one(
    options: &Options,
    catalogue: &Arc<Catalogue>,
    process: &ShopProcess,
    token: &str,
    only: Option<Kind>,
    report: &Report,
) -> anyhow::Result<Value> {
    let clients = (0..options.clients).map(|client| Queries::new(catalogue, options.seed, client, only)).collect();
    let spans = (Duration::from_secs_f64(options.warm_up), Duration::from_secs_f64(options.seconds));
    let marks = std::cell::RefCell::new(Vec::new());
    let mark = || marks.borrow_mut().push((process.cpu(), own_cpu()));
    let outcome = load::run(process.address(), token, clients, spans, mark).await?;
    let mut cpu = Vec::new();
    for (server, own) in marks.into_inner() {
        cpu.push((server?, own?));
    }
    let [(server_from, own_from), (server_to, own_to)] = cpu[..] else { return Err(anyhow!("two marks are expected")) };
    let mut all = Latencies::new()?;
    for part in outcome.kinds.values() {
        all.add(&part.latencies)?;
    }
    let per_query = |cpu: Duration| cpu.as_secs_f64() * 1e6 / (all.count().max(1) as f64);
    let (server, own) = (per_query(server_to - server_from), per_query(own_to - own_from));
    let empty: u64 = outcome.kinds.values().map(|part| part.empty).sum();
    let (resident, most) = process.memory()?;
    let rest = format!("{server:>9.0} {own:>9.0} {:>9.1} {:>7}", percent(empty, all.count()), resident >> 20);
    let name = only.map_or("mixed", Kind::name);
    line(report, name, &all, spans.1, outcome.failed(), &rest);
    let mut told = figures(name, &all, spans.1, outcome.failed(), empty);
    told["failures"] = json!(outcome.failures);
    told["clients"] = json!(options.clients);
    told["serverCpuMicrosPerQuery"] = json!(server.round());
    told["clientCpuMicrosPerQuery"] = json!(own.round());
    told["residentBytes"] = json!(resident);
    told["mostResidentBytes"] = json!(most);
    if only.is_none() {
        told["kinds"] = Value::Array(parts(&outcome, spans.1, report));
    }
    Ok(told)
}

/// The kinds of a mixed loop, each by itself.
fn parts(outcome: &Outcome, measured: Duration, report: &Report) -> Vec<Value> {
    let of = |(kind, part): (&Kind, &load::Part)| {
        let rest = format!("{:>9} {:>9} {:>9.1}", "", "", percent(part.empty, part.latencies.count()));
        line(report, &format!("· {}", kind.name()), &part.latencies, measured, part.failed, &rest);
        figures(kind.name(), &part.latencies, measured, part.failed, part.empty)
    };
    outcome.kinds.iter().map(of).collect()
}

fn line(report: &Report, name: &str, latencies: &Latencies, measured: Duration, failed: u64, rest: &str) {
    let at = |quantile| latencies.millis(quantile);
    report.line(&format!(
        "{name:>12} {:>9.0} {failed:>7} {:>8.2} {:>8.2} {:>8.2} {:>8.1} {rest}",
        latencies.count() as f64 / measured.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    ));
}

fn figures(name: &str, latencies: &Latencies, measured: Duration, failed: u64, empty: u64) -> Value {
    let at = |quantile| latencies.millis(quantile);
    json!({
        "queries": name, "queriesPerSecond": latencies.count() as f64 / measured.as_secs_f64(),
        "completed": latencies.count(), "failed": failed, "foundNothing": empty,
        "latencyMillis": { "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) },
    })
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

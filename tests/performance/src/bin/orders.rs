//! Orders per second through the saga over HTTP, with everything durable and all views on. `docs/performance.md` says how
//! to read what it prints.
#![expect(clippy::print_stdout, reason = "prints its table")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Parser;
use madrigal::client::Shop;
use madrigal_core::{Host, tasks};
use madrigal_http::TokenSigner;
use madrigal_performance::load::{self, Pace};
use madrigal_performance::process::{ShopProcess, own_cpu};
use madrigal_performance::workload::Workload;
use madrigal_performance::{device, machine, settle, stock};
use serde_json::{Value, json};

/// Loads `madrigal up` with orders: first closed loops of each number of connections, then open loops of each rate.
#[derive(Debug, Parser)]
struct Options {
    /// The binary that is measured.
    #[arg(long, default_value = "target/release/madrigal")]
    binary: PathBuf,
    /// Closed loops, by their number of connections.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_value = "1,8,32,128,256")]
    connections: Vec<usize>,
    /// Open loops, by orders per second.
    #[arg(long, value_delimiter = ',')]
    rates: Vec<f64>,
    /// Connections of an open loop.
    #[arg(long, default_value_t = 512)]
    open_connections: usize,
    /// Seconds that count of each loop.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// Seconds before them.
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,
    /// Products, the popular ones by Zipf 0.99.
    #[arg(long, default_value_t = 10_000)]
    products: usize,
    /// Customers.
    #[arg(long, default_value_t = 2_000)]
    customers: usize,
    /// Makes other orders.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the shop's data directory is made; on the disk that is to be measured.
    #[arg(long, default_value = "target/performance")]
    dir: PathBuf,
    /// Does not read the books at the end, which takes long after many orders.
    #[arg(long)]
    no_check: bool,
    /// Where the figures are written as JSON.
    #[arg(long, default_value = "target/performance/orders.json")]
    json: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // One thread: the generator shares the machine with the shop, and its cost is to be plain.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(&options))
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.dir)?;
    let mut report = json!({
        "machine": machine::describe(), "durability": "fdatasync before every answer",
        "settings": { "products": options.products, "customers": options.customers, "skew": 0.99, "lines": "1-5",
            "seconds": options.seconds, "warmUp": options.warm_up, "seed": options.seed, "userHashMemoryKib": 8 },
        "device": device::measure(&options.dir, Duration::from_secs(2))?,
    });
    println!("machine {}", report["machine"]);
    println!("device  {}", report["device"]);
    let temporary = tempfile::Builder::new().prefix("orders-").tempdir_in(&options.dir)?;
    let data = temporary.path().join("data");
    let process = ShopProcess::start(&options.binary, &data, &[], "").await?;
    println!("shop    process {} at {}, ready after {:?}", process.id(), process.url(), process.ready_after());
    let key = std::fs::read_to_string(data.join("auth").join("signing.key"))?;
    let signer = TokenSigner::from_text(key.trim()).context("the shop's key is not understood")?;
    let operator = stock::operator(&signer);
    let began = tasks::instant();
    stock::make_products(process.address(), &operator, options.products).await?;
    let customers = stock::make_customers(process.address(), &signer, options.customers).await?;
    println!("set up  {} products and {} customers in {:?}", options.products, options.customers, began.elapsed());
    let run = Host::system().uuid_v7().to_string();
    let workload = RefCell::new(Workload::new(options.products, customers, options.seed, &run));
    println!(
        "{:>12} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>7} {:>8} {:>8} {:>9}",
        "load",
        "orders/s",
        "failed",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms",
        "server µs",
        "client µs",
        "RSS MiB",
        "view ms",
        "rest ms",
        "lag"
    );
    let closed = options.connections.iter().map(|connections| (*connections, Pace::Closed));
    let open = options.rates.iter().map(|rate| (options.open_connections, Pace::Open(*rate)));
    let mut loads = Vec::new();
    for (connections, pace) in closed.chain(open) {
        loads.push(one_load(options, &process, &operator, &workload, connections, pace).await?);
    }
    report["loads"] = Value::Array(loads);
    report["check"] = if options.no_check { json!("not asked for") } else { check(&process, &operator).await? };
    println!("check   {}", report["check"]);
    report["loadAverageAfter"] = machine::describe()["loadAverage"].take();
    report["bytesOnDisk"] = json!(bytes_below(&data)?);
    println!("disk    {} MiB, load average {}", bytes_below(&data)? >> 20, report["loadAverageAfter"]);
    std::fs::write(&options.json, serde_json::to_vec_pretty(&report)?)?;
    Ok(())
}

async fn one_load(
    options: &Options,
    process: &ShopProcess,
    operator: &str,
    workload: &RefCell<Workload>,
    connections: usize,
    pace: Pace,
) -> anyhow::Result<Value> {
    let spans = (Duration::from_secs_f64(options.warm_up), Duration::from_secs_f64(options.seconds));
    let marks = RefCell::new(Vec::new());
    let mark = || marks.borrow_mut().push((process.cpu(), own_cpu()));
    let outcome = load::run(process.address(), workload, connections, pace, spans, mark).await?;
    let settled = settle::settle(process.address(), operator).await?;
    let mut cpu = Vec::new();
    for (server, own) in marks.into_inner() {
        cpu.push((server?, own?));
    }
    let [(server_from, own_from), (server_to, own_to)] = cpu[..] else { return Err(anyhow!("two marks are expected")) };
    let per_order = |cpu: Duration| cpu.as_secs_f64() * 1e6 / (outcome.completed.max(1) as f64);
    let (server, own) = (per_order(server_to - server_from), per_order(own_to - own_from));
    let rate = outcome.completed as f64 / outcome.measured.as_secs_f64();
    let failed: u64 = outcome.failures.values().sum();
    let at = |quantile: f64| outcome.latencies.value_at_quantile(quantile) as f64 / 1e3;
    let (resident, most) = process.memory()?;
    let name = match pace {
        Pace::Closed => format!("{connections} closed"),
        Pace::Open(rate) => format!("{rate}/s open"),
    };
    let millis = |span: Duration| span.as_secs_f64() * 1e3;
    println!(
        "{name:>12} {rate:>9.0} {failed:>7} {:>8.2} {:>8.2} {:>8.2} {:>8.1} {server:>9.0} {own:>9.0} {:>7} {:>8.0} {:>8.0} {:>9}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        resident >> 20,
        millis(settled.view),
        millis(settled.view_at_rest),
        settled.lag
    );
    Ok(json!({
        "load": name, "connections": connections, "ordersPerSecond": rate.round(), "completed": outcome.completed,
        "completedWithWarmUp": outcome.completed_ever, "failures": outcome.failures,
        "latencyMillis": { "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) },
        "serverCpuMicrosPerOrder": server.round(), "clientCpuMicrosPerOrder": own.round(),
        "residentBytes": resident, "mostResidentBytes": most, "threads": process.threads()?,
        "lagAtEnd": settled.lag, "viewCaughtUpMillis": millis(settled.view), "sagasEndedMillis": millis(settled.sagas),
        "viewAtRestMillis": millis(settled.view_at_rest),
    }))
}

async fn check(process: &ShopProcess, operator: &str) -> anyhow::Result<Value> {
    let shop = Shop::at(&process.url(), Some(operator.to_owned()))?;
    let began = tasks::instant();
    let verdict = match madrigal_invariants::check_at_rest(&shop).await {
        Ok(books) => json!({ "balanced": true, "orders": books.orders.len() }),
        Err(error) => {
            json!({ "balanced": false, "problems": format!("{error:#}").lines().take(20).collect::<Vec<_>>() })
        }
    };
    println!("check   took {:?}", began.elapsed());
    Ok(verdict)
}

fn bytes_below(dir: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() { bytes_below(&entry.path())? } else { kind.blocks() * 512 };
    }
    Ok(bytes)
}

//! Orders through the saga, over HTTP, against the whole shop as a process of its own.
//!
//! * [`workload`]: which order comes next; [`stock`]: the products and customers that orders are about;
//! * [`wire`]: HTTP/1.1 over one kept connection, as little as is needed: the generator shares the machine;
//! * [`load`]: closed and open loops; [`settle`]: waiting for views and sagas afterwards;
//! * `loops` and `growth`: what is measured with them.

mod growth;
pub mod load;
mod loops;
pub mod settle;
pub mod stock;
pub mod wire;
pub mod workload;

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Args;
use madrigal_client::Shop;
use madrigal_core::Host;
use madrigal_core::tasks::{self, StopSignal};
use serde_json::{Value, json};

use self::workload::Workload;
use crate::process::ShopProcess;
use crate::report::{Common, Report, Tell, count, interruptible, seconds, some_seconds};
use crate::{cold, reopen};

/// Closed loops where nothing else is asked for.
const CONNECTIONS: [usize; 5] = [1, 8, 32, 128, 256];

/// Loads a whole shop with orders over HTTP: closed loops by connections, open loops by orders a second, and one until so
/// many orders are there.
///
/// Starts `madrigal up` on a new data directory, makes products and customers over the API, and places orders of 1 to 5
/// lines, products by Zipf 0.99. Only orders that were answered 201 within the measured time count; everything else is counted
/// as failed. In an open loop an order's latency counts from the moment at which it was due. CPU time per order includes
/// what the shop does in the background. At the end the books are read and must balance.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Closed loops, by their number of connections; 1,8,32,128,256 where neither --rates nor --until is given.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = count)]
    pub connections: Vec<u64>,
    /// Open loops, by orders a second.
    #[arg(long, value_name = "RATES", value_delimiter = ',', value_parser = count)]
    pub rates: Vec<u64>,
    /// One more open loop, at half the orders a second of the best closed loop.
    #[arg(long)]
    pub half: bool,
    /// Connections of an open loop.
    #[arg(long, value_name = "NUMBER", default_value = "512", value_parser = count)]
    pub open_connections: u64,
    /// Places orders until there are so many, and tells what one costs at 1, 2, 5, 10, 20, 50 … thousand.
    #[arg(long, value_name = "ORDERS", value_parser = count)]
    pub until: Option<u64>,
    /// Connections of that.
    #[arg(long, value_name = "NUMBER", default_value = "64", value_parser = count)]
    pub until_connections: u64,
    /// Seconds that count of each loop.
    #[arg(long, default_value = "15", value_parser = some_seconds)]
    pub seconds: f64,
    /// Seconds before them.
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub warm_up: f64,
    /// Products.
    #[arg(long, value_name = "NUMBER", default_value = "10000", value_parser = count)]
    pub products: u64,
    /// Customers.
    #[arg(long, value_name = "NUMBER", default_value = "2000", value_parser = count)]
    pub customers: u64,
    /// Makes other orders.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Does not read the books at the end: that takes minutes and gigabytes after a million orders.
    #[arg(long)]
    pub no_check: bool,
    /// The binary that is measured; this one by default.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// What every benchmark takes.
    #[command(flatten)]
    pub common: Common,
}

/// The shop that is loaded, and with what.
struct Loaded {
    process: ShopProcess,
    operator: String,
    workload: RefCell<Workload>,
    data: PathBuf,
}

/// Runs it, on the thread that asks: give it one of its own.
///
/// # Errors
/// Where the shop does not start, cannot be asked, refuses the products, its books do not balance, or
/// [`crate::Interrupted`].
pub async fn run(options: Options, tell: Tell, stop: StopSignal) -> anyhow::Result<Value> {
    let mut report = Report::begin("orders", &options.common, &settings(&options), DURABILITY, tell, &stop)?;
    let outcome = interruptible(&stop, measure(&options, &mut report)).await?;
    let document = report.finish()?;
    // Written first: what was measured is worth looking at all the more.
    outcome.map_or(Ok(document), |problems| Err(anyhow::anyhow!("the books do not balance: {problems}")))
}

const DURABILITY: &str = "fdatasync before every answer; views rebuildable, all on";

fn settings(options: &Options) -> Value {
    json!({
        "connections": options.connections, "rates": options.rates, "half": options.half,
        "openConnections": options.open_connections, "until": options.until,
        "untilConnections": options.until_connections, "seconds": options.seconds, "warmUp": options.warm_up,
        "products": options.products, "customers": options.customers, "skew": workload::SKEW, "lines": "1-5",
        "seed": options.seed, "userHashMemoryKib": 8, "binary": options.binary,
    })
}

/// Returns what is wrong with the books.
async fn measure(options: &Options, report: &mut Report) -> anyhow::Result<Option<String>> {
    let binary = reopen::binary(options.binary.as_deref())?;
    let data = report.dir().join("data");
    // Hashing passwords is not what is measured here.
    let settings = [("MADRIGAL_USER__HASH_MEMORY_KIB", "8")];
    let process = ShopProcess::start(&binary, &data, report.dir(), (&[], &settings), "").await?;
    report.line(&format!("shop        process {}, ready after {:?}", process.id(), process.ready_after()));
    let signer = stock::signer(&data)?;
    let (operator, began) = (stock::operator(&signer), tasks::instant());
    let products = usize::try_from(options.products)?;
    stock::make_products(process.address(), &operator, products).await?;
    let customers = stock::make_customers(process.address(), &signer, usize::try_from(options.customers)?).await?;
    report.line(&format!("set up      {products} products and {} customers in {:?}", customers.len(), began.elapsed()));
    let workload = RefCell::new(Workload::new(products, customers, options.seed, Host::system()));
    let loaded = Loaded { process, operator, workload, data };
    let acknowledged = loops::measure(options, &loaded, report).await?
        + match options.until {
            Some(orders) => growth::measure(orders, options, &loaded, report).await?,
            None => 0,
        };
    report.put("acknowledgedOrders", json!(acknowledged));
    report.put("bytesOnDisk", json!(cold::bytes_below(&loaded.data)));
    if options.no_check {
        report.put("check", json!("not asked for"));
        return Ok(None);
    }
    let (verdict, problems) = check(&loaded, acknowledged).await?;
    report.line(&format!("check       {verdict}"));
    report.put("check", verdict);
    Ok(problems)
}

/// Reads the books of the shop at rest. Every acknowledged order must be in them; one whose answer was lost may be, too.
async fn check(loaded: &Loaded, acknowledged: u64) -> anyhow::Result<(Value, Option<String>)> {
    let shop = Shop::at(&loaded.process.url(), Some(loaded.operator.clone()))?;
    let began = tasks::instant();
    let (orders, problems) = match madrigal_invariants::check_at_rest(&shop).await {
        Ok(books) => {
            let there = books.orders.len() as u64;
            let lost =
                (there < acknowledged).then(|| format!("{acknowledged} orders were acknowledged, {there} are there"));
            (Some(there), lost)
        }
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let lines = problems.as_deref().map(|problems| problems.lines().take(20).collect::<Vec<_>>());
    let verdict = json!({
        "balanced": problems.is_none(), "orders": orders, "problems": lines, "seconds": began.elapsed().as_secs_f64(),
    });
    Ok((verdict, problems.map(|problems| problems.lines().take(20).collect::<Vec<_>>().join("; "))))
}

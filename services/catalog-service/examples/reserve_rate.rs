//! How many reservations per second the stock desk takes: 256 callers in a closed loop over 10,000 products, on a journal with
//! full durability, with the service's views and search following in the same process.
//!
//! `cargo run --release -p madrigal-catalog-service --example reserve_rate -- [SECONDS] [CALLERS] [PRODUCTS]`
//!
//! Each caller reserves 1 to 3 lines; in the second part it confirms each reservation, too. Products are drawn evenly; in
//! the third part all callers want the same one. The data directory is a temporary one: set `TMPDIR` to the disk that is to
//! be measured.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::error::Error;
use std::time::Duration;

use futures::future::try_join_all;
use hdrhistogram::Histogram;
use madrigal_catalog_service::commands::{Command, ProductChange, Reply, StockDesk};
use madrigal_catalog_service::domain::{Details, Price, ProductId, ProductStatus, SagaKey};
use madrigal_catalog_service::{CatalogConfig, CatalogNeighbours, CatalogService};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{BasisPoints, CallContext, Currency, Host};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (seconds, callers, products) = (number(5)?, number(256)?, number(10_000)?);
    let host = Host::system();
    let dir = tempfile::tempdir()?;
    let service =
        CatalogService::open(CatalogConfig::in_dir(dir.path()), CatalogNeighbours::default(), host.clone()).await?;
    let stop = StopSignal::new();
    let running = tasks::spawn("catalog", {
        let (service, stop) = (service.clone(), stop.clone());
        async move { service.run(stop).await }
    });
    let started = tasks::instant();
    stock_up(&service.desk(), &host, products).await?;
    println!("{products} products created in {:.2} s", started.elapsed().as_secs_f64());

    println!("{:<34} {:>10} {:>9} {:>9} {:>9}", "", "per second", "p50 ms", "p99 ms", "max ms");
    let measured = Duration::from_secs(seconds);
    for (name, confirm, products) in [
        ("reservations", false, products),
        ("reservations, each confirmed", true, products),
        ("of one product", false, 1),
    ] {
        let until = tasks::instant() + measured;
        let workers = (0..callers).map(|caller| {
            let (desk, host) = (service.desk(), host.clone());
            tasks::spawn("caller", async move { work(&desk, &host, until, caller, products, confirm).await })
        });
        let mut latencies = Histogram::<u64>::new(3)?;
        for worker in try_join_all(workers).await? {
            latencies.add(&worker?)?;
        }
        let milliseconds = |micros: u64| micros as f64 / 1_000.0;
        println!(
            "{name:<34} {:>10.0} {:>9.2} {:>9.2} {:>9.2}",
            latencies.len() as f64 / measured.as_secs_f64(),
            milliseconds(latencies.value_at_quantile(0.5)),
            milliseconds(latencies.value_at_quantile(0.99)),
            milliseconds(latencies.max()),
        );
    }
    for control in service.projections() {
        println!("{}: {} events behind at the end of the load", control.view(), control.lag().await?.events);
    }
    stop.cancel();
    running.await?;
    Ok(())
}

/// One caller; the latencies of its reservations (with their confirmations) in microseconds.
async fn work(
    desk: &StockDesk,
    host: &Host,
    until: tasks::Instant,
    caller: u64,
    products: u64,
    confirm: bool,
) -> Result<Histogram<u64>, Failure> {
    let mut latencies = Histogram::<u64>::new(3)?;
    while tasks::instant() < until {
        let saga = SagaKey::parse(&host.uuid_v7().to_string()).ok_or("a saga's key")?;
        let first = host.random_u64();
        let count = if products == 1 { 1 } else { 1 + first % 3 };
        let lines = (0..count).map(|line| (format!("product-{}", (first / 3 + line) % products), 1)).collect();
        let order_id = format!("order-{caller}");
        let began = tasks::instant();
        let reserve = Command::Reserve { saga: saga.clone(), order_id, lines };
        let reply = desk.ask(CallContext::new(host), reserve).await?;
        if !matches!(reply, Reply::Reserved { .. }) {
            return Err(format!("not reserved: {reply:?}").into());
        }
        if confirm {
            desk.ask(CallContext::new(host), Command::Confirm { saga }).await?;
        }
        latencies.record(u64::try_from(began.elapsed().as_micros())?)?;
    }
    Ok(latencies)
}

async fn stock_up(desk: &StockDesk, host: &Host, products: u64) -> Result<(), Failure> {
    for batch in (0..products).collect::<Vec<_>>().chunks(1_000) {
        let created = batch.iter().map(|number| {
            let details = Details {
                name: format!("Product {number}"),
                description: "Something to buy".to_owned(),
                category: Vec::new(),
                attributes: Vec::new(),
                tags: Vec::new(),
                brand: None,
                status: ProductStatus::Active,
            };
            let price = Price { amount: 1_999, currency: Currency::EUR, discount: BasisPoints::ZERO };
            let change = ProductChange::Create { details, price, initial_stock: 1_000_000_000 };
            let product = ProductId::parse(&format!("product-{number}"));
            async move {
                let product = product.ok_or("a product's id")?;
                let created = desk.ask(CallContext::new(host), Command::ChangeProduct { product, change }).await;
                created.map_err(Failure::from)
            }
        });
        try_join_all(created).await?;
    }
    Ok(())
}

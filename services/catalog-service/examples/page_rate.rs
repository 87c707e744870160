//! How many product pages and completions per second one caller reads through the routes, with and without the cache,
//! quiet and while products are sold.
//!
//! `cargo run --release -p madrigal-catalog-service --example page_rate -- [SECONDS] [PRODUCTS]`
//!
//! Products are asked for by Zipf's law, exponent 0.99; completions are the first two letters of a word. One caller in a closed loop,
//! in the process, without sockets: what is left out is the same with and without. *sold* beside it: two callers reserve
//! without a pause, each a line of a product by the same law.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::error::Error;
use std::time::Duration;

use axum::Router;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use http::Method;
use madrigal_catalog_service::commands::{Command, ProductChange, StockDesk};
use madrigal_catalog_service::domain::{Details, Price, ProductId, ProductStatus, SagaKey};
use madrigal_catalog_service::{CatalogConfig, CatalogNeighbours, CatalogService};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{BasisPoints, CallContext, Currency, Host};
use madrigal_http::testing::send;

type Failure = Box<dyn Error + Send + Sync>;
const WORDS: &[&str] = &["amber", "basil", "copper", "damask", "ember", "fern", "ginger", "hazel", "indigo", "jade"];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (seconds, products) = (Duration::from_secs(number(3)?), number(10_000)?);
    println!("{:<34} {:>10} {:>9} {:>9} {:>9} {:>8}", "", "per second", "mean µs", "p50 µs", "p99 µs", "kept %");
    for (cached, bytes) in [("no cache", 0), ("cache", 16 * 1024 * 1024)] {
        let (host, dir) = (Host::system(), tempfile::tempdir()?);
        let config = CatalogConfig { cache_bytes: bytes, ..CatalogConfig::in_dir(dir.path()) };
        let service = CatalogService::open(config, CatalogNeighbours::default(), host.clone()).await?;
        let stop = StopSignal::new();
        let running = tasks::spawn("catalog", {
            let (service, stop) = (service.clone(), stop.clone());
            async move { service.run(stop).await }
        });
        stock_up(&service.desk(), &host, products).await?;
        let router = service.router();
        let store = service.store();
        let position = store.token(store.end()).to_string();
        let headers = [("madrigal-position", position.as_str())];
        while send(&router, Method::GET, "/v1/products/search?limit=1", &headers, ()).await.0 != 200 {}
        let zipf = Zipf::new(products);
        let page = || format!("/v1/products/product-{}", zipf.draw(&host));
        let completion = || {
            let word = WORDS[usize::try_from(host.random_u64()).unwrap_or(0) % WORDS.len()];
            format!("/v1/products/suggest?prefix={}", &word[..2])
        };
        let kept = || {
            let of = |stats: madrigal_cache::CacheStats| (stats.first_hits, stats.first_misses);
            service.cache().map(|cache| (of(cache.pages().stats()), of(cache.completions().stats())))
        };
        for sold in [false, true] {
            let selling = StopSignal::new();
            let sellers: Vec<_> = (0..if sold { 2 } else { 0 })
                .map(|_| {
                    let (desk, host, stop, zipf) = (service.desk(), host.clone(), selling.clone(), zipf.clone());
                    tasks::spawn("seller", async move { sell(&desk, &host, &stop, &zipf).await })
                })
                .collect();
            for (what, path) in [("pages", &page as &(dyn Fn() -> String + Sync)), ("completions", &completion)] {
                let before = kept();
                let latencies = read(&router, path, seconds).await?;
                let share = before.zip(kept()).map(|(before, after)| {
                    let (before, after) = if what == "pages" { (before.0, after.0) } else { (before.1, after.1) };
                    let (hits, misses) = (after.0 - before.0, after.1 - before.1);
                    100.0 * hits as f64 / (hits + misses).max(1) as f64
                });
                println!(
                    "{:<34} {:>10.0} {:>9.1} {:>9} {:>9} {:>8.1}",
                    format!("{what}, {cached}{}", if sold { ", sold" } else { "" }),
                    latencies.len() as f64 / seconds.as_secs_f64(),
                    latencies.mean() / 1_000.0,
                    latencies.value_at_quantile(0.5) / 1_000,
                    latencies.value_at_quantile(0.99) / 1_000,
                    share.unwrap_or(0.0),
                );
            }
            selling.cancel();
            let sold: u64 = try_join_all(sellers).await?.into_iter().sum::<Result<u64, Failure>>()?;
            if sold > 0 {
                println!("    reserved meanwhile: {:.0} a second", sold as f64 / (2.0 * seconds.as_secs_f64()));
            }
        }
        stop.cancel();
        running.await?;
    }
    Ok(())
}

/// One caller in a closed loop; latencies in nanoseconds.
async fn read(router: &Router, path: &(dyn Fn() -> String + Sync), limit: Duration) -> Result<Histogram<u64>, Failure> {
    let mut latencies = Histogram::<u64>::new(3)?;
    let began = tasks::instant();
    while began.elapsed() < limit {
        let path = path();
        let asked = tasks::instant();
        let (status, ..) = send(router, Method::GET, &path, &[], ()).await;
        if status != 200 {
            return Err(format!("{path}: {status}").into());
        }
        latencies.record(u64::try_from(asked.elapsed().as_nanos())?)?;
    }
    Ok(latencies)
}

async fn sell(desk: &StockDesk, host: &Host, stop: &StopSignal, zipf: &Zipf) -> Result<u64, Failure> {
    let mut sold = 0;
    while !stop.is_cancelled() {
        let saga = SagaKey::parse(&host.uuid_v7().to_string()).ok_or("a saga's key")?;
        let lines = vec![(format!("product-{}", zipf.draw(host)), 1)];
        desk.ask(CallContext::new(host), Command::Reserve { saga, order_id: "order".into(), lines }).await?;
        sold += 1;
    }
    Ok(sold)
}

/// Numbers below a count by Zipf's law with exponent 0.99.
#[derive(Clone)]
struct Zipf(std::sync::Arc<Vec<f64>>);

impl Zipf {
    fn new(count: u64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=count).map(|rank| {
            sum += 1.0 / (rank as f64).powf(0.99);
            sum
        });
        Self(std::sync::Arc::new(sums.collect()))
    }

    fn draw(&self, host: &Host) -> usize {
        let share = (host.random_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let wanted = share * self.0.last().copied().unwrap_or(1.0);
        self.0.partition_point(|sum| *sum < wanted).min(self.0.len().saturating_sub(1))
    }
}

async fn stock_up(desk: &StockDesk, host: &Host, products: u64) -> Result<(), Failure> {
    for batch in (0..products).collect::<Vec<_>>().chunks(1_000) {
        let created = batch.iter().map(|number| {
            let word = |shift: u64| {
                WORDS[usize::try_from(number / 10u64.pow(u32::try_from(shift).unwrap_or(0))).unwrap_or(0) % WORDS.len()]
            };
            let details = Details {
                name: format!("{} {} {number}", word(0), word(1)),
                description: "Something to buy, described in a sentence or two as shops do.".to_owned(),
                category: Vec::new(),
                attributes: Vec::new(),
                tags: vec!["tag".to_owned()],
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

//! Full and read-only disks: nothing acknowledged is lost, refusals say why, reads go on, and everything goes on by itself
//! when there is room again.

mod disks;
mod load;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use madrigal::client::Shop;
use madrigal_core::Host;
use madrigal_harness::Customer;
use madrigal_journal::{Journal, JournalOptions};
use serde_json::Value;

use crate::load::prepare;
use crate::process::{Process, free_address};
use disks::Disks;
use load::{Answers, Load, wait_for};

/// The logs of all services, in the data directory.
const LOGS: [&str; 5] = [
    "catalog-service/journal",
    "order-service/journal",
    "payment-service/payment",
    "payment-service/provider",
    "notification-service/notification",
];

/// Makes all logs with small segments, so that they soon need the next one.
fn small_logs(data: &Path) {
    for log in LOGS {
        let options = JournalOptions { first_segment_bytes: 32 << 10, ..JournalOptions::default() };
        Journal::open(&data.join(log), options, &Host::system()).unwrap();
    }
}

/// The whole shop on these disks.
struct Shopping {
    disks: Disks,
    process: Process,
    shop: Shop,
    customers: Vec<Customer>,
    answers: Arc<Answers>,
}

impl Shopping {
    async fn open(disks: Disks) -> Self {
        small_logs(&disks.view(""));
        let process = start(&disks).await;
        let shop = process.shop(&disks.view(""));
        let customers = prepare(&shop, 8).await;
        Self { disks, process, shop, customers, answers: Arc::default() }
    }

    fn load(&self) -> Load {
        Load::start(&self.customers, &self.answers)
    }

    /// What `/health` says about a service's check, `status` and `detail`.
    async fn check(&self, service: &str, check: &str) -> (String, String) {
        let health = self.shop.get("/health").await.unwrap();
        let own = &health["checks"][check]["services"][service];
        (own["status"].as_str().unwrap_or_default().to_owned(), own["detail"].as_str().unwrap_or_default().to_owned())
    }

    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.process.address);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// What is there can be read, and the process says that traffic may come.
    async fn reads_go_on(&self) {
        let order = self.answers.orders.lock().unwrap().first().cloned().unwrap();
        for path in [
            format!("/v1/orders/{order}"),
            format!("/v1/orders/{order}/story"),
            "/v1/orders?limit=5".to_owned(),
            "/v1/products/lute".to_owned(),
            "/v1/products/search?q=lute".to_owned(),
            "/v1/projections".to_owned(),
            "/readyz".to_owned(),
            "/health".to_owned(),
        ] {
            let read = self.shop.get(&path).await;
            assert!(read.is_ok(), "{path}: {}", read.unwrap_err());
        }
    }

    /// Everything acknowledged is there, and the books balance.
    async fn all_is_well(&self) {
        let books = madrigal_invariants::check_at_rest(&self.shop).await.unwrap();
        let there: std::collections::HashSet<&str> =
            books.orders.iter().filter_map(|order| order["orderId"].as_str()).collect();
        for order in self.answers.orders.lock().unwrap().iter() {
            assert!(there.contains(order.as_str()), "order {order} was acknowledged and is not there");
        }
        let caught_up = wait_for(|| async {
            let projections = self.shop.get("/v1/projections").await.unwrap();
            let health = self.shop.get("/health").await.unwrap();
            health["status"] == "healthy" && projections["items"].as_array().unwrap().iter().all(is_caught_up)
        });
        assert!(caught_up.await, "{}", self.shop.get("/health").await.unwrap());
    }

    /// Waits until a service says that its log has no room.
    async fn says_that_it_is_full(&self, service: &str) {
        let says = async || {
            let (status, detail) = self.check(service, "eventStore").await;
            status == "degraded" && detail.contains("the disk is full")
        };
        assert!(wait_for(says).await, "{service}: {:?}", self.check(service, "eventStore").await);
    }

    /// Starts the process again where it cannot be; what it says.
    fn refused_start(&self) -> String {
        let mut command = Command::new("timeout");
        command.arg("20");
        let plain = self.disks.madrigal();
        command.arg(plain.get_program()).args(plain.get_args()).args(["up", "--listen", &free_address().to_string()]);
        for (name, value) in plain.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        let refused = command.output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        said
    }

    async fn restart(&mut self) {
        self.process = start(&self.disks).await;
        self.shop = self.process.shop(&self.disks.view(""));
    }

    /// Nothing was said again and again, and nothing panicked.
    fn said_little(&self) {
        let log = std::fs::read_to_string(log_of(&self.disks)).unwrap();
        assert!(!log.contains("panicked"), "{log}");
        assert!(log.lines().count() < 150, "{log}");
    }
}

fn is_caught_up(projection: &Value) -> bool {
    projection["lag"]["events"] == 0
}

/// Where the processes log: not on their disks, which are full.
fn log_of(disks: &Disks) -> PathBuf {
    let mut name = disks.data.clone().into_os_string();
    name.push(".log");
    name.into()
}

async fn start(disks: &Disks) -> Process {
    let address = free_address();
    let mut command = disks.madrigal();
    let log = File::options().append(true).create(true).open(log_of(disks)).unwrap();
    command.env("MADRIGAL_LOG__LEVEL", "info").args(["up", "--listen", &address.to_string()]);
    Process::start_logging(command, address, log).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_orders_loses_none_and_goes_on_when_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let Some(disks) = Disks::mount(home.path(), &[("", 48)]) else { return };
    let mut shopping = Shopping::open(disks).await;
    let load = shopping.load();
    shopping.answers.more_orders(40).await;
    shopping.disks.fill("");
    shopping.answers.more_refusals("storage-full", 50).await;
    shopping.reads_go_on().await;
    shopping.disks.free("");
    shopping.answers.more_orders(40).await;
    load.end().await;
    shopping.all_is_well().await;
    // Full again, and killed: also what a start gives back, the segments that were prepared, is used up.
    shopping.process.kill();
    shopping.disks.remove_prepared(&LOGS);
    shopping.disks.fill("");
    let refused = shopping.refused_start();
    assert!(refused.contains(&home.path().display().to_string()), "it names the file: {refused}");
    assert!(refused.contains("make room"), "it says what to do: {refused}");
    shopping.disks.free("");
    shopping.restart().await;
    shopping.all_is_well().await;
    assert_eq!(shopping.process.terminate(), Some(0));
    shopping.said_little();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_services_full_disk_holds_up_what_needs_it_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let disks = [
        ("catalog-service", 48),
        ("order-service", 48),
        ("order-service/journal", 120),
        ("payment-service", 48),
        ("notification-service", 48),
    ];
    let Some(disks) = Disks::mount(home.path(), &disks) else { return };
    let mut shopping = Shopping::open(disks).await;
    let load = shopping.load();
    shopping.answers.more_orders(20).await;

    // What an order cannot be without.
    for (service, dir) in [
        ("order-service", "order-service/journal"),
        ("payment-service", "payment-service"),
        ("catalog-service", "catalog-service"),
    ] {
        shopping.disks.fill(dir);
        shopping.says_that_it_is_full(service).await;
        shopping.answers.more_refusals("storage-full", 10).await;
        shopping.reads_go_on().await;
        let metrics = shopping.metrics().await;
        assert!(
            metrics.contains(&format!("health_check{{service=\"{service}\",check=\"eventStore\"}} 1")),
            "{metrics}"
        );
        assert!(metrics.contains(&format!("storage_free_bytes{{service=\"{service}\"}}")), "{metrics}");
        shopping.disks.free(dir);
        shopping.answers.more_orders(20).await;
    }

    // Mails: orders go on.
    shopping.disks.fill("notification-service");
    shopping.says_that_it_is_full("notification-service").await;
    shopping.answers.more_orders(20).await;
    shopping.disks.free("notification-service");

    // The views alone: orders go on, and the views say why they do not.
    shopping.disks.fill("order-service");
    let stalled = async || {
        let health = shopping.check("order-service", "orderView").await;
        health.0 == "degraded" && health.1.contains("stalled")
    };
    assert!(wait_for(stalled).await);
    let why = shopping.shop.get("/v1/projections/order-view/why-stalled").await.unwrap();
    assert!(why.to_string().contains("disk is full"), "{why}");
    shopping.answers.more_orders(20).await;
    shopping.reads_go_on().await;
    shopping.disks.free("order-service");
    assert!(wait_for(async || !stalled().await).await);
    load.end().await;
    shopping.all_is_well().await;
    assert_eq!(shopping.process.terminate(), Some(0));
    shopping.said_little();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_refused_at_the_start_and_waited_for_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let Some(disks) = Disks::mount(home.path(), &[("", 48)]) else { return };
    let mut shopping = Shopping::open(disks).await;
    let load = shopping.load();
    shopping.answers.more_orders(20).await;
    // What is open for writing keeps a disk from becoming read-only; laid over itself, it is so for every new file.
    let data = home.path().display().to_string();
    let over = tempfile::tempdir().unwrap();
    let read_only = over.path().display().to_string();
    shopping.disks.change("mount", &["--bind", &data, &read_only]);
    shopping.disks.change("mount", &["-o", "remount,bind,ro", &read_only]);
    shopping.disks.change("mount", &["--move", &read_only, &data]);
    shopping.answers.more_refusals("storage-read-only", 20).await;
    shopping.reads_go_on().await;
    shopping.disks.change("umount", &["--lazy", &data]);
    shopping.answers.more_orders(20).await;
    load.end().await;
    shopping.all_is_well().await;
    assert_eq!(shopping.process.terminate(), Some(0));
    shopping.disks.change("mount", &["-o", "remount,ro", &data]);
    let refused = shopping.refused_start();
    assert!(refused.contains(&data) && refused.contains("read-only: make it writable"), "{refused}");
    shopping.disks.change("mount", &["-o", "remount,rw", &data]);
    shopping.restart().await;
    shopping.all_is_well().await;
    shopping.said_little();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_size_of_a_file_is_waited_for_as_a_full_disk_is() {
    let home = tempfile::tempdir().unwrap();
    let mut shopping = Shopping::open(Disks::none(home.path())).await;
    let load = shopping.load();
    shopping.answers.more_orders(20).await;
    shopping.process.limit_file_size("65536");
    shopping.answers.more_refusals("storage-full", 20).await;
    shopping.process.limit_file_size("unlimited");
    shopping.answers.more_orders(20).await;
    load.end().await;
    shopping.all_is_well().await;
    assert_eq!(shopping.process.terminate(), Some(0));
    shopping.said_little();
}

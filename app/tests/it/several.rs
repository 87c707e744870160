//! The same shop as separate processes, and `kill -9` of single ones under load.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use madrigal::client::Shop;
use madrigal_core::tasks::{self, StopSignal};
use serde_json::{Value, json};

use crate::load::{Acknowledged, ask_again, check, order_until, prepare};
use crate::process::{Process, free_address, madrigal};

pub(crate) const SERVICES: [&str; 7] = ["user", "catalog", "order", "payment", "notification", "analytics", "sync"];

/// Where each service listens, and the configuration that says so.
pub(crate) struct Several {
    addresses: Vec<(&'static str, SocketAddr)>,
    config: std::path::PathBuf,
}

impl Several {
    pub(crate) fn plan(data: &Path) -> Self {
        let addresses: Vec<_> = SERVICES.iter().map(|service| (*service, free_address())).collect();
        let mut text = String::new();
        for (service, address) in &addresses {
            writeln!(text, "[{service}]\nlisten = \"{address}\"\nurl = \"http://{address}\"").unwrap();
        }
        let config = data.join("several.toml");
        std::fs::write(&config, text).unwrap();
        Self { addresses, config }
    }

    pub(crate) fn command(&self, data: &Path, service: &str) -> Command {
        let mut command = madrigal(data);
        command.args(["serve", service, "--config"]).arg(&self.config);
        command
    }

    pub(crate) fn address(&self, service: &str) -> SocketAddr {
        self.addresses.iter().find(|(name, _)| *name == service).unwrap().1
    }

    async fn start(&self, data: &Path, service: &str) -> Process {
        Process::start(self.command(data, &format!("{service}-service")), self.address(service)).await
    }

    /// Every service and the gateway, each command as `with` makes it.
    pub(crate) async fn start_all(&self, data: &Path, with: impl Fn(Command) -> Command) -> (Process, Vec<Process>) {
        let mut services = Vec::new();
        for (service, address) in &self.addresses {
            let command = with(self.command(data, &format!("{service}-service")));
            services.push(Process::start(command, *address).await);
        }
        let address = free_address();
        let mut command = with(self.command(data, "gateway"));
        command.args(["--listen", &address.to_string()]);
        (Process::start(command, address).await, services)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_services_lose_nothing_that_was_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let several = Several::plan(data.path());
    let mut processes = Vec::new();
    for service in SERVICES {
        processes.push((service, several.start(data.path(), service).await));
    }
    let address = free_address();
    let mut gateway_command = several.command(data.path(), "gateway");
    gateway_command.args(["--listen", &address.to_string()]);
    let gateway = Process::start(gateway_command, address).await;
    let shop = gateway.shop(data.path());
    let customers = prepare(&shop, 4).await;
    let acknowledged = Arc::new(Acknowledged::default());
    for (round, victim) in ["notification", "payment", "catalog", "order"].into_iter().enumerate() {
        let (stop, told, load) = (StopSignal::new(), acknowledged.clone(), customers.clone());
        let running = tasks::spawn("load", {
            let stop = stop.clone();
            async move { order_until(&stop, &load, &told).await }
        });
        while acknowledged.count() < (round as u64 + 1) * 20 {
            tasks::sleep(Duration::from_millis(5)).await;
        }
        let (_, process) = processes.iter_mut().find(|(service, _)| *service == victim).unwrap();
        process.kill();
        let before = acknowledged.count();
        if victim == "notification" {
            // Orders go on without it.
            while acknowledged.count() < before + 10 {
                tasks::sleep(Duration::from_millis(5)).await;
            }
        }
        *process = several.start(data.path(), victim).await;
        stop.cancel();
        running.await.unwrap();
        ask_again(&customers[0], &acknowledged).await;
        check(&shop, &acknowledged).await;
    }
    a_story_is_told_across_processes(&shop, &mut processes).await;
}

/// The gateway asks every service over HTTP; one that is gone makes the story partial.
async fn a_story_is_told_across_processes(shop: &Shop, processes: &mut [(&str, Process)]) {
    let orders = shop.get("/v1/orders?status=confirmed&limit=1").await.unwrap();
    let path = format!("/v1/orders/{}/story", orders["items"][0]["orderId"].as_str().unwrap());
    let whole = shop.get(&path).await.unwrap();
    assert_eq!((&whole["missing"], &whole["payment"]["state"]), (&json!([]), &json!("paid")), "{whole}");
    assert_eq!(whole["asOf"].as_object().unwrap().len(), 4);
    let (_, payment) = processes.iter_mut().find(|(service, _)| *service == "payment").unwrap();
    payment.kill();
    let partial = shop.get(&path).await.unwrap();
    assert_eq!((&partial["missing"][0]["part"], &partial["payment"]), (&json!("payment"), &Value::Null));
    assert_eq!(partial["order"], whole["order"]);
}

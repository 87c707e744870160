//! `kill -9` of the whole process under load.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};

use crate::load::{Acknowledged, ask_again, at, check, order_until, prepare};
use crate::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shop_loses_nothing_that_was_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::up(data.path()).await;
    let customers = prepare(&process.shop(data.path()), 8).await;
    let acknowledged = Arc::new(Acknowledged::default());
    for round in 1..=3u64 {
        let load = at(&process.shop(data.path()), &customers, data.path());
        let (stop, told) = (StopSignal::new(), acknowledged.clone());
        let running = tasks::spawn("load", {
            let stop = stop.clone();
            async move { order_until(&stop, &load, &told).await }
        });
        while acknowledged.count() < round * 60 {
            tasks::sleep(Duration::from_millis(5)).await;
        }
        process.kill();
        stop.cancel();
        running.await.unwrap();
        process = Process::up(data.path()).await;
        let shop = process.shop(data.path());
        ask_again(&at(&shop, &customers[..1], data.path())[0], &acknowledged).await;
        check(&shop, &acknowledged).await;
    }
    assert_eq!(process.terminate(), Some(0), "SIGTERM drains and exits 0");
}

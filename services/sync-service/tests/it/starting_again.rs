//! Crashes, lost copies and neighbours that are down.

use madrigal_contracts::copies::CopyRow;
use madrigal_core::RowVersion;
use madrigal_core::tasks::{self, StopSignal};
use serde_json::json;

use crate::shop::{Shop, caught_up};

#[tokio::test]
async fn it_goes_on_where_it_stopped_and_no_copy_goes_back() {
    let shop = Shop::open().await;
    for round in 0..8 {
        // Each round is cut off somewhere: a task that is dropped is what a crash leaves, all effects being transactions.
        let sync = shop.sync().await;
        let stop = StopSignal::new();
        let running = tasks::spawn("sync", {
            let (capture, stop) = (sync.captures()[0].clone(), stop.clone());
            async move { capture.run(stop).await }
        });
        // Ids never return: who was deleted in an earlier round stays so.
        for id in round + 1..=20 {
            shop.put(id, &format!("r{round}-{id}@example.com")).await;
            shop.event(id, 1).await;
        }
        shop.delete(round + 1).await;
        running.abort();
        assert!(running.await.is_err_and(|error| error.is_cancelled()));
        drop(sync);
    }
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.agree().await;
    for id in 9..=20 {
        assert_eq!(shop.activity.row(id).unwrap().unwrap()["totalEvents"], 8, "user {id}");
    }
}

#[tokio::test]
async fn a_copy_that_lost_everything_is_told_every_row_and_rid_of_what_nobody_has() {
    let shop = Shop::open().await;
    let sync = shop.sync().await;
    for id in 1..=5 {
        shop.put(id, &format!("{id}@example.com")).await;
        shop.event(id, 1).await;
    }
    caught_up(&sync).await;
    drop(sync);
    shop.index.lose();
    let version = RowVersion::new(1, 1).unwrap();
    shop.index.plant(CopyRow { key: "77".to_owned(), version, row: Some(json!({"id": 77, "email": "ghost"})) });
    shop.put(1, "meanwhile@example.com").await;
    shop.delete(2).await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.agree().await;
    assert_eq!(shop.index.row(77), Some(None));
    assert_eq!(shop.activity.row(3).unwrap().unwrap()["totalEvents"], 1, "counted once though told twice");
}

#[tokio::test]
async fn a_copy_that_is_down_holds_everything_up_and_nothing_is_lost() {
    let shop = Shop::open().await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.analytics.set_down(true);
    shop.put(1, "one@example.com").await;
    let fault = sync.captures()[0].catch_up().await.unwrap_err();
    assert!(fault.chain().contains("it is down"), "{}", fault.chain());
    shop.analytics.set_down(false);
    caught_up(&sync).await;
    shop.agree().await;
}

#[tokio::test]
async fn many_changes_are_told_in_few_calls() {
    let shop = Shop::open().await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    let before = shop.key_value.calls();
    for id in 1..=200 {
        shop.put(id, "a@example.com").await;
    }
    caught_up(&sync).await;
    let calls = shop.key_value.calls() - before;
    assert!(calls <= 2, "{calls} calls for 200 rows");
}

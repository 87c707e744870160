//! A copy is told everything once more.

use madrigal_contracts::copies::CopyRow;
use madrigal_core::RowVersion;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_sync_service::SyncService;
use madrigal_sync_service::rebuilds::{Rebuild, RebuildState};
use serde_json::{Value, json};

use crate::shop::{Shop, caught_up};

const COPY: &str = "users.key-value";

fn row(id: i64, version: u64, row: Option<Value>) -> CopyRow {
    CopyRow { key: id.to_string(), version: RowVersion::new(1, version).unwrap(), row }
}

/// Lets the service run until a rebuild has ended.
async fn ended(sync: &SyncService) -> Rebuild {
    let stop = StopSignal::new();
    let (running, stopped) = (sync.clone(), stop.clone());
    let run = tasks::spawn("sync", async move { running.run(stopped).await });
    let rebuild = loop {
        let rebuild = sync.rebuilds().of(COPY).await.unwrap().unwrap();
        if rebuild.state != RebuildState::Running {
            break rebuild;
        }
        tasks::sleep(std::time::Duration::from_millis(5)).await;
    };
    stop.cancel();
    run.await.unwrap();
    rebuild
}

#[tokio::test]
async fn a_rebuilt_copy_has_what_its_owner_has_whatever_stood_there() {
    let shop = Shop::open().await;
    for id in 1..=600 {
        shop.put(id, &format!("{id}@example.org")).await;
    }
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.agree().await;
    let wrong = |id: i64| Some(json!({ "id": id, "email": "wrong@example.org" }));
    shop.key_value.plant(row(3, 1, wrong(3)));
    shop.key_value.plant(row(300, 900, wrong(300)));
    shop.key_value.plant(row(301, 900, None));
    shop.key_value.forget(599);
    // In the middle, a number that was given out; and one that nobody has had.
    shop.delete(450).await;
    caught_up(&sync).await;
    shop.key_value.plant(row(450, 1, wrong(450)));
    shop.key_value.plant(row(7_000, 1, wrong(7_000)));
    sync.rebuilds().begin(COPY, "tests").await.unwrap().unwrap();
    let rebuild = ended(&sync).await;
    assert_eq!((rebuild.state, rebuild.retold.left), (RebuildState::Done, 0), "{rebuild:?}");
    assert_eq!((rebuild.retold.rows, rebuild.retold.written, rebuild.retold.removed), (599, 599, 2));
    shop.agree().await;
    assert_eq!(shop.key_value.version(300), Some(1));
    assert_eq!(shop.key_value.version(450), Some(RowVersion::MAX_COUNT), "it never returns");
    assert_eq!(shop.key_value.version(7_000), None, "it may be given out yet");
    assert!(sync.rebuilds().begin("users.nowhere", "tests").await.unwrap().is_none());
}

#[tokio::test]
async fn a_change_that_comes_while_a_copy_is_rebuilt_wins() {
    let shop = Shop::open().await;
    shop.put(1, "one@example.org").await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    // The user changes, and the stream brings it, after the owner was read and before the copy is written.
    let file = shop.owner_file();
    shop.key_value.between(move || {
        let owner = madrigal_sqlite::sql::Connection::open(file).unwrap();
        owner.execute("UPDATE users SET email = 'two@example.org', version = 2 WHERE id = 1", []).unwrap();
        row(1, 2, Some(json!({ "id": 1, "email": "two@example.org" })))
    });
    let (retold, next) = crate::shop::capture(&sync).retell(COPY, 0).await.unwrap();
    assert_eq!((retold.written, retold.left, next), (1, 0, None));
    assert_eq!(shop.key_value.version(1), Some(2), "it never goes back, not even for a moment");
    caught_up(&sync).await;
    shop.agree().await;
}

#[tokio::test]
async fn a_rebuild_that_was_interrupted_goes_on_after_a_start() {
    let shop = Shop::open().await;
    for id in 1..=3 {
        shop.put(id, &format!("{id}@example.org")).await;
    }
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.key_value.plant(row(2, 77, None));
    sync.rebuilds().begin(COPY, "tests").await.unwrap().unwrap();
    // Asked for, and the process died.
    drop(sync);
    let sync = shop.sync().await;
    let known = sync.rebuilds().of(COPY).await.unwrap().unwrap();
    assert_eq!((known.state, known.by.as_str()), (RebuildState::Running, "tests"));
    assert_eq!(ended(&sync).await.state, RebuildState::Done);
    shop.agree().await;
}

//! Snapshots, the inbox and the map.

use madrigal_core::{Host, JsonBytes, StreamName, StreamVersion};
use madrigal_event_store::{Snapshot, SnapshotStore};
use madrigal_projection::GroupId;
use madrigal_sqlite::key_value::Versioned;
use madrigal_sqlite::{SqliteKeyValue, SqliteSnapshots, inbox};

use crate::ports::database;

fn snapshot(version: u64, schema_hash: u64) -> Snapshot {
    Snapshot { version: StreamVersion(version), schema_hash, state: JsonBytes::of(&version).unwrap() }
}

#[tokio::test]
async fn the_latest_snapshot_of_a_form_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let snapshots = SqliteSnapshots::open(database(&directory).await).await.unwrap();
    let stream = StreamName::new("order", 1).unwrap();
    assert_eq!(snapshots.load(&stream).await.unwrap(), None);
    for (saved, kept) in
        [(snapshot(5, u64::MAX), 5), (snapshot(4, u64::MAX), 5), (snapshot(9, u64::MAX), 9), (snapshot(7, 1), 7)]
    {
        snapshots.save(&stream, saved).await.unwrap();
        assert_eq!(snapshots.load(&stream).await.unwrap().unwrap().version, StreamVersion(kept));
    }
    snapshots.save(&stream, snapshot(10, u64::MAX)).await.unwrap();
    assert_eq!(snapshots.load(&stream).await.unwrap().unwrap(), snapshot(10, u64::MAX));
    snapshots.clear().await.unwrap();
    assert_eq!(snapshots.load(&stream).await.unwrap(), None);
}

#[tokio::test]
async fn a_message_is_new_once_and_again_when_its_effect_was_undone() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(&directory).await;
    inbox::prepare(&database).await.unwrap();
    let now = Host::system().now();
    let first = |name: &'static str| {
        let group = GroupId::new(name, "orders");
        database.decide("test", move |tx| inbox::first_time(tx, &group, "m-1", now).map(Ok::<_, ()>))
    };
    let undone = GroupId::new("mail", "orders");
    let refused = database.decide("test", move |tx| inbox::first_time(tx, &undone, "m-1", now).map(Err::<(), _>));
    assert_eq!(refused.await.unwrap(), Err(true));
    assert_eq!(first("mail").await.unwrap(), Ok(true));
    assert_eq!(first("mail").await.unwrap(), Ok(false));
    assert_eq!(first("search").await.unwrap(), Ok(true));
}

#[tokio::test]
async fn an_older_value_never_replaces_a_newer_one_or_its_tombstone() {
    let directory = tempfile::tempdir().unwrap();
    let map = SqliteKeyValue::open(database(&directory).await).await.unwrap();
    let value = |version, value: &str| Versioned { version, value: Some(value.to_owned()) };
    assert!(map.put("user:1", value(2, "two")).await.unwrap());
    assert!(!map.put("user:1", value(1, "one")).await.unwrap());
    assert!(!map.put("user:1", value(2, "other")).await.unwrap());
    assert_eq!(map.get("user:1").await.unwrap(), Some(value(2, "two")));
    let tombstone = Versioned { version: 3, value: None };
    assert!(map.put("user:1", tombstone.clone()).await.unwrap());
    assert!(!map.put("user:1", value(2, "two")).await.unwrap());
    assert_eq!(map.get("user:1").await.unwrap(), Some(tombstone));
}

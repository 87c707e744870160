//! A change that cannot be told parks its key, and only its key.

use madrigal_projection::{ParkedFilter, ParkingError};

use crate::shop::{Shop, capture, caught_up};

#[tokio::test]
async fn a_change_that_cannot_be_understood_parks_its_key_only_and_heals_in_order() {
    let shop = Shop::open().await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.put(1, "one@example.com").await;
    shop.put_profile(2, "two@example.com", "no json").await;
    shop.put(3, "three@example.com").await;
    caught_up(&sync).await;
    // A later change of the key waits behind it, though it could be told.
    shop.put_profile(2, "later@example.com", "{}").await;
    shop.put(1, "again@example.com").await;
    caught_up(&sync).await;
    for copy in shop.copies_of_users() {
        assert_eq!(copy.row(1).unwrap().unwrap()["email"], "again@example.com");
        assert!(copy.row(3).is_some() && copy.row(2).is_none());
    }
    let capture = capture(&sync);
    let parked = capture.parked(ParkedFilter::default()).await.unwrap();
    let shown: Vec<(&str, u32)> = parked.iter().map(|parked| (parked.lane.as_str(), parked.attempts)).collect();
    assert_eq!(shown, [("users:2", 1), ("users:2", 0)]);
    assert_eq!(capture.parked_keys("users.index"), ["2"]);
    assert_eq!(capture.parked_keys("users.activity"), Vec::<String>::new());

    let report = capture.retry("users:2").await.unwrap();
    assert_eq!((report.applied, report.waiting, report.cause), (2, 0, None));
    assert!(capture.parked_keys("users.index").is_empty());
    shop.agree().await;
    assert!(matches!(capture.retry("users:2").await, Err(ParkingError::UnknownLane(_))));
}

#[tokio::test]
async fn an_event_of_a_newer_form_parks_its_user_and_the_others_are_counted() {
    let shop = Shop::open().await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    for (user, version) in [(1, 1), (1, 2), (2, 1), (1, 1)] {
        shop.event(user, version).await;
    }
    caught_up(&sync).await;
    assert_eq!(shop.activity.row(1).unwrap().unwrap()["totalEvents"], 1);
    assert_eq!(shop.activity.row(2).unwrap().unwrap()["totalEvents"], 1);
    let capture = capture(&sync);
    let still = capture.retry("user_events:1").await.unwrap();
    assert_eq!((still.applied, still.waiting), (0, 2));
    assert!(still.cause.unwrap().contains("schema version 2"));
    let skipped = capture.skip("user_events:1", "written by a test").await.unwrap();
    assert_eq!((skipped.applied, skipped.waiting), (1, 0));
    assert_eq!(shop.activity.row(1).unwrap().unwrap()["totalEvents"], 2);
    let listed = capture.parked(ParkedFilter::default()).await.unwrap();
    assert_eq!(listed[0].skipped.as_deref(), Some("written by a test"));
}

#[tokio::test]
async fn a_row_that_a_copy_refuses_is_parked_and_retried_after_the_cure() {
    let shop = Shop::open().await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.index.refuse("1");
    shop.put(1, "one@example.com").await;
    shop.put(2, "two@example.com").await;
    caught_up(&sync).await;
    assert!(shop.key_value.row(1).is_some() && shop.index.row(1).is_none() && shop.index.row(2).is_some());
    shop.put(1, "later@example.com").await;
    caught_up(&sync).await;
    let still = capture(&sync).retry("users:1").await.unwrap();
    assert!(still.cause.unwrap().contains("users.index refused it"));
    shop.index.refuse_nothing();
    capture(&sync).retry("users:1").await.unwrap();
    shop.agree().await;
}

#[tokio::test]
async fn parked_keys_are_remembered_over_a_restart_and_a_deleted_user_heals_as_deleted() {
    let shop = Shop::open().await;
    let sync = shop.sync().await;
    shop.put_profile(2, "two@example.com", "no json").await;
    caught_up(&sync).await;
    drop(sync);
    let sync = shop.sync().await;
    shop.delete(2).await;
    caught_up(&sync).await;
    assert_eq!(shop.key_value.row(2), None, "it waits behind the parked change");
    let report = capture(&sync).retry("users:2").await.unwrap();
    assert_eq!((report.applied, report.waiting), (2, 0));
    assert_eq!(shop.key_value.row(2), Some(None));
}

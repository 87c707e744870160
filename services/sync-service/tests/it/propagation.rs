//! What the owner has comes into every copy.

use serde_json::json;

use crate::shop::{Shop, caught_up};

#[tokio::test]
async fn users_are_in_every_copy_as_they_are_at_their_owner() {
    let shop = Shop::open().await;
    shop.put(1, "test@example.com").await;
    let sync = shop.sync().await;
    shop.put(2, "other@example.com").await;
    caught_up(&sync).await;
    for copy in shop.copies_of_users() {
        let row = copy.row(1).unwrap().unwrap();
        assert_eq!(
            (&row["id"], &row["email"], &row["profile"]["firstName"]),
            (&json!(1), &json!("test@example.com"), &json!("Anna"))
        );
    }
    shop.put(1, "new@example.com").await;
    shop.delete(2).await;
    caught_up(&sync).await;
    shop.agree().await;
    for copy in shop.copies_of_users() {
        assert_eq!(copy.row(2), Some(None), "a tombstone stays");
    }
}

#[tokio::test]
async fn what_users_did_is_counted_once() {
    let shop = Shop::open().await;
    shop.put(1, "a@example.com").await;
    shop.event(1, 1).await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    shop.event(1, 1).await;
    shop.event(2, 1).await;
    caught_up(&sync).await;
    let activity = shop.activity.row(1).unwrap().unwrap();
    assert_eq!((&activity["totalEvents"], &activity["lastActivity"]), (&json!(2), &json!("2026-01-02T00:00:00Z")));
    assert_eq!(shop.activity.row(2).unwrap().unwrap()["totalEvents"], 1);
}

#[tokio::test]
async fn no_secret_comes_into_a_copy_or_a_file_of_this_service() {
    let shop = Shop::open().await;
    shop.put(1, "a@example.com").await;
    shop.put_profile(2, "poison@example.com", "no json").await;
    let sync = shop.sync().await;
    caught_up(&sync).await;
    for copy in shop.copies_of_users() {
        assert!(!format!("{:?}", copy.live()).contains("argon2"));
    }
    for file in [shop.sync_file(), shop.sync_file().with_extension("sqlite-wal")] {
        let bytes = std::fs::read(file).unwrap_or_default();
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!has(b"$argon2"));
        assert!(!has(b"poison@example.com"), "what is parked holds no personal value: the person may be erased");
    }
}

#[tokio::test]
async fn a_row_is_transformed_on_its_way_and_one_that_is_filtered_out_leaves_the_copy() {
    let shop = Shop::open().await;
    shop.put(1, "anna@example.com").await;
    let declared = vec![
        json!({"kind": "mask", "topic": "users", "copy": "users.analytics", "field": "email"}),
        json!({"kind": "filter", "topic": "users", "copy": "users.index", "field": "email", "is_not": "hidden@example.com"}),
    ];
    let sync = shop.sync_with(declared).await.unwrap();
    caught_up(&sync).await;
    assert_eq!(shop.analytics.row(1).unwrap().unwrap()["email"], "****************");
    assert_eq!(shop.key_value.row(1).unwrap().unwrap()["email"], "anna@example.com");
    assert!(shop.index.row(1).unwrap().is_some());
    shop.put(1, "hidden@example.com").await;
    caught_up(&sync).await;
    assert_eq!(shop.index.row(1), Some(None));
    assert!(shop.key_value.row(1).unwrap().is_some());
}

#[tokio::test]
async fn wrong_transformers_are_refused_at_start_all_at_once() {
    let shop = Shop::open().await;
    let declared = vec![
        json!({"kind": "mask", "topic": "users", "field": "phone"}),
        json!({"kind": "route", "topic": "a", "to": "a"}),
        json!({"kind": "route", "topic": "users", "to": "people"}),
    ];
    let refused = shop.sync_with(declared).await.unwrap_err().chain();
    for place in ["0/field", "1/to", "2/to: no processor handles the topic \"people\""] {
        assert!(refused.contains(&format!("sync.transformers/{place}")), "{place}: {refused}");
    }
}

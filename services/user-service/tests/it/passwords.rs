use serde_json::json;

use crate::shop::{PASSWORD, Shop};

#[tokio::test]
async fn a_changed_password_logs_in_and_the_one_before_does_not() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let path = format!("/v1/users/{id}/password");
    let change = json!({"current": PASSWORD, "new": "six crotchets rest"});
    let changed = shop.post_as(&path, &shop.customer(id), &change).await;
    assert_eq!((changed.status, changed.headers["etag"].to_str().unwrap()), (204, "\"2\""), "{}", changed.body);
    let log_in = async |password: &str| {
        shop.post("/v1/sessions", &json!({"login": "quinta", "password": password})).await.status
    };
    assert_eq!((log_in(PASSWORD).await, log_in("six crotchets rest").await), (401, 201));
    let events = shop.get(&format!("/v1/users/{id}/events"), &shop.customer(id)).await.body;
    assert_eq!(events["items"][1]["eventType"], "UserPasswordChanged");
    assert_eq!(events["items"][1]["eventData"], json!({}));
}

#[tokio::test]
async fn a_password_is_changed_only_by_who_knows_the_current_one() {
    let shop = Shop::open().await;
    let (id, other) = (shop.register("quinta").await, shop.register("orlando").await);
    let path = format!("/v1/users/{id}/password");
    let wrong =
        shop.post_as(&path, &shop.operator(), &json!({"current": "guessed it", "new": "six crotchets rest"})).await;
    assert_eq!((wrong.refusal(), wrong.pointers()), ((422, "invalid-body"), vec!["/current"]));
    let change = json!({"current": PASSWORD, "new": "six crotchets rest"});
    assert_eq!(shop.post_as(&path, &shop.customer(other), &change).await.refusal(), (403, "forbidden"));
    assert_eq!(shop.post_as(&path, &shop.a_service(), &change).await.refusal(), (403, "forbidden"));
    let short = shop.post_as(&path, &shop.customer(id), &json!({"current": PASSWORD, "new": "short"})).await;
    assert_eq!((short.refusal(), short.pointers()), ((422, "invalid-body"), vec!["/new"]));
    assert_eq!(shop.post("/v1/sessions", &json!({"login": "quinta", "password": PASSWORD})).await.status, 201);
}

#[tokio::test]
async fn the_last_activity_is_the_last_log_in() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let path = format!("/v1/users/{id}/profile");
    let before = shop.get(&path, &shop.customer(id)).await.body;
    shop.post("/v1/sessions", &json!({"login": "quinta", "password": PASSWORD})).await;
    let after = shop.get(&path, &shop.customer(id)).await.body;
    assert!(after["lastActivity"].as_str() > before["lastActivity"].as_str(), "{after}");
    assert_eq!((&before["totalEvents"], &after["totalEvents"]), (&json!(1), &json!(2)));
}

use axum::http::Method;
use futures::future::join_all;
use serde_json::json;

use crate::shop::Shop;

#[tokio::test]
async fn a_patch_changes_what_it_names_and_removes_what_it_nulls() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let (path, token) = (format!("/v1/users/{id}"), shop.customer(id));
    let patch = json!({"email": "Q@Example.org", "profile": {"lastName": "Bianchi", "avatar": null, "city": "Roma"}});
    let answer = shop.patch(&path, &token, 1, &patch).await;
    assert_eq!((answer.status, answer.headers["etag"].to_str().unwrap()), (200, "\"2\""), "{}", answer.body);
    assert_eq!(answer.body["email"], "q@example.org");
    assert_eq!(answer.body["profile"], json!({"firstName": "Quintilla", "lastName": "Bianchi", "city": "Roma"}));
    assert_eq!(answer.body["version"], 2);
    assert!(answer.body["updatedAt"].as_str() > answer.body["createdAt"].as_str());
    assert_eq!(shop.get(&path, &token).await.body, answer.body);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_none() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let answer =
        shop.patch(&format!("/v1/users/{id}"), &shop.operator(), 1, &json!({"email": "QUINTA@example.org"})).await;
    assert_eq!((answer.status, &answer.body["version"]), (200, &json!(1)));
    assert_eq!(shop.count("users.sqlite", "user_events"), 1);
}

#[tokio::test]
async fn a_change_without_its_version_is_refused_and_told_the_current_one() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let (path, bearer) = (format!("/v1/users/{id}"), format!("Bearer {}", shop.customer(id)));
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let answer = shop.send(Method::PATCH, &path, &headers, b"{}".to_vec()).await;
    assert_eq!(answer.refusal(), (428, "if-match-required"));
    for odd in ["1", "*", "W/\"1\"", "\"x\"", "\"-1\""] {
        let headers = [headers[0], headers[1], ("if-match", odd)];
        let answer = shop.send(Method::PATCH, &path, &headers, b"{}".to_vec()).await;
        assert_eq!(answer.refusal(), (400, "invalid-header"), "{odd}");
    }
    let answer = shop.patch(&path, &shop.customer(id), 7, &json!({"username": "sesta"})).await;
    assert_eq!(answer.refusal(), (412, "version-mismatch"));
    assert_eq!(answer.body["currentVersion"], 1);
    assert_eq!(shop.get(&path, &shop.customer(id)).await.body["username"], "quinta");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_changes_of_one_version_at_once_exactly_one_wins() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let (path, token) = (format!("/v1/users/{id}"), shop.customer(id));
    let patches: Vec<_> = (0..20).map(|number| json!({"profile": {"city": format!("Roma {number}")}})).collect();
    let answers = join_all(patches.iter().map(|patch| shop.patch(&path, &token, 1, patch))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[19]), (200, 412, 412));
    assert_eq!(shop.get(&path, &token).await.body["version"], 2);
}

#[tokio::test]
async fn a_change_cannot_take_what_belongs_to_another() {
    let shop = Shop::open().await;
    shop.register("quinta").await;
    let id = shop.register("sesta").await;
    let patch = json!({"email": "quinta@example.org", "username": "QUINTA"});
    let answer = shop.patch(&format!("/v1/users/{id}"), &shop.customer(id), 1, &patch).await;
    assert_eq!((answer.refusal(), answer.pointers()), ((409, "user-exists"), vec!["/email", "/username"]));
}

#[tokio::test]
async fn what_may_not_be_patched_is_refused() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let (path, token) = (format!("/v1/users/{id}"), shop.customer(id));
    for (patch, pointer) in [
        (json!({"email": null}), "/email"),
        (json!({"profile": null}), "/profile"),
        (json!({"password": "another password"}), "/password"),
        (json!({"passwordHash": "$argon2id$"}), "/passwordHash"),
        (json!({"version": 9}), "/version"),
        (json!({"id": 9}), "/id"),
        (json!({"createdAt": "2019-05-01T10:00:00Z"}), "/createdAt"),
        (json!({"username": "a b"}), "/username"),
        (json!({"email": "nobody"}), "/email"),
        (json!({"profile": {"x": {"y": 1}}}), "/profile/x"),
        (json!({"profile": {"x": "\u{1b}[2J"}}), "/profile/x"),
        (json!({"profile": {"x": "a\0b"}}), "/profile/x"),
    ] {
        let answer = shop.patch(&path, &token, 1, &patch).await;
        assert_eq!((answer.refusal(), answer.pointers()), ((422, "invalid-body"), vec![pointer]), "{patch}");
    }
    let many = (0..40).map(|number| (format!("f{number}"), json!("x"))).collect::<serde_json::Map<_, _>>();
    let answer = shop.patch(&path, &token, 1, &json!({"profile": many})).await;
    assert_eq!((answer.refusal(), answer.pointers()), ((422, "invalid-body"), vec!["/profile"]));
    assert_eq!(shop.get(&path, &token).await.body["version"], 1);
}

use std::path::Path;

use axum::http::Method;
use madrigal_contracts::user::{GetBuyer, GetPersonKey};
use madrigal_core::PersonId;
use serde_json::{Value, json};

use crate::shop::{Answer, PASSWORD, Shop, anybody};

async fn erase(shop: &Shop, id: i64, token: &str, version: u64) -> Answer {
    let (bearer, tag) = (format!("Bearer {token}"), format!("\"{version}\""));
    let headers = [("authorization", bearer.as_str()), ("if-match", tag.as_str())];
    shop.send(Method::DELETE, &format!("/v1/users/{id}"), &headers, Vec::new()).await
}

/// Every file below `dir` that has one of these texts in it.
fn files_with(dir: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, texts));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let has = |text: &&str| bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
        found.extend(texts.iter().filter(|text| has(text)).map(|text| format!("{}: {text}", path.display())));
    }
    found
}

#[tokio::test]
async fn an_erased_person_is_in_no_file_and_in_no_answer() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let patch = json!({"profile": {"lastName": "Bianchi-Sforza"}});
    shop.patch(&format!("/v1/users/{id}"), &shop.operator(), 1, &patch).await;
    shop.post("/v1/sessions", &json!({"login": "quinta", "password": PASSWORD})).await;
    let texts = ["quinta@example.org", "Quintilla", "Bianchi-Sforza", "\"quinta\""];
    assert!(!files_with(shop.dir(), &texts).is_empty(), "the test looks in the wrong place");
    assert_eq!(erase(&shop, id, &shop.customer(id), 2).await.status, 204);
    assert_eq!(files_with(shop.dir(), &texts), Vec::<String>::new());
    let shop = shop.restart().await;
    assert_eq!(files_with(shop.dir(), &texts), Vec::<String>::new());
    let path = format!("/v1/users/{id}");
    for path in [path.clone(), format!("{path}/profile")] {
        assert_eq!(shop.get(&path, &shop.operator()).await.refusal(), (404, "not-found"), "{path}");
    }
    let events = shop.get(&format!("{path}/events"), &shop.operator()).await.body;
    let types: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|e| e["eventType"].as_str().unwrap()).collect();
    assert_eq!(types, ["UserRegistered", "UserChanged", "UserLoggedIn", "UserErased"]);
    assert_eq!(events["items"][0]["eventData"]["person"], json!({"erased": true}), "{events}");
}

#[tokio::test]
async fn an_erased_person_buys_nothing_and_cannot_log_in_and_the_token_counts_no_more() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    let (users, context) = (shop.neighbour(), shop.context());
    assert!(users.call(&context, GetBuyer { user_id: PersonId(id) }).await.unwrap().is_some());
    assert_eq!(erase(&shop, id, &shop.operator(), 1).await.status, 204);
    assert!(users.call(&context, GetBuyer { user_id: PersonId(id) }).await.unwrap().is_none());
    assert!(users.call(&context, GetPersonKey { person: PersonId(id) }).await.unwrap().is_none());
    let log_in = shop.post("/v1/sessions", &json!({"login": "quinta", "password": PASSWORD})).await;
    assert_eq!(log_in.refusal(), (401, "wrong-credentials"));
    let path = format!("/v1/users/{id}");
    assert_eq!(shop.get(&path, &token).await.refusal(), (401, "invalid-token"));
    assert_eq!(shop.patch(&path, &token, 1, &json!({})).await.refusal(), (401, "invalid-token"));
    assert_eq!(erase(&shop, id, &token, 1).await.refusal(), (401, "invalid-token"));
    assert_eq!(erase(&shop, id, &shop.operator(), 1).await.refusal(), (404, "not-found"));
}

#[tokio::test]
async fn name_and_address_are_free_again_and_the_id_never_returns() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    assert_eq!(erase(&shop, id, &shop.operator(), 1).await.status, 204);
    let shop = shop.restart().await;
    let again = shop.post("/v1/users", &anybody("quinta")).await;
    assert_eq!(again.status, 201, "{}", again.body);
    assert_ne!(again.body["id"], json!(id));
}

#[tokio::test]
async fn erasing_is_based_on_a_version_and_for_the_person_and_operators_only() {
    let shop = Shop::open().await;
    let (id, other) = (shop.register("quinta").await, shop.register("orlando").await);
    let bearer = format!("Bearer {}", shop.customer(id));
    let path = format!("/v1/users/{id}");
    let bare = shop.send(Method::DELETE, &path, &[("authorization", bearer.as_str())], Vec::new()).await;
    assert_eq!(bare.refusal(), (428, "if-match-required"));
    assert_eq!(erase(&shop, id, &shop.customer(other), 1).await.refusal(), (403, "forbidden"));
    assert_eq!(erase(&shop, id, &shop.a_service(), 1).await.refusal(), (403, "forbidden"));
    let stale = erase(&shop, id, &shop.customer(id), 7).await;
    assert_eq!((stale.refusal(), &stale.body["currentVersion"]), ((412, "version-mismatch"), &Value::from(1)));
    assert_eq!(shop.get(&path, &shop.customer(id)).await.status, 200);
}

#[tokio::test]
async fn an_erasure_that_was_cut_short_is_finished_when_the_service_opens() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    {
        // As a crash leaves it: the row is gone and the erasure is written, the key is still there.
        let users = rusqlite::Connection::open(shop.dir().join("users.sqlite")).unwrap();
        users.execute("DELETE FROM users WHERE id = ?1", [id]).unwrap();
        users
            .execute(
                "INSERT INTO user_events (id, user_id, event_type, event_data, metadata)
                 SELECT '00000000-0000-7000-8000-000000000001', user_id, 'UserErased', '{}', metadata
                 FROM user_events WHERE user_id = ?1",
                [id],
            )
            .unwrap();
    }
    let shop = shop.restart().await;
    assert!(shop.neighbour().call(&shop.context(), GetPersonKey { person: PersonId(id) }).await.unwrap().is_none());
    assert_eq!(shop.count("keys/keys.sqlite", "destroyed_keys"), 1);
}

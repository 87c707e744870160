use axum::http::Method;
use futures::future::join_all;
use serde_json::json;

use crate::shop::{Shop, anybody};

#[tokio::test]
async fn a_registered_user_is_told_back_without_the_password() {
    let shop = Shop::open().await;
    let mut body = anybody("quinta");
    body["email"] = json!("  Quinta@Example.ORG ");
    let answer = shop.post("/v1/users", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.headers["location"], "/v1/users/1");
    assert_eq!(answer.headers["etag"], "\"1\"");
    let fields: Vec<&str> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["createdAt", "email", "id", "profile", "updatedAt", "username", "version"]);
    assert_eq!(answer.body["email"], "quinta@example.org");
    assert_eq!(answer.body["profile"], anybody("quinta")["profile"]);
}

#[tokio::test]
async fn an_address_or_a_name_belongs_to_one_user_however_it_is_written() {
    let shop = Shop::open().await;
    shop.register("quinta").await;
    let mut same_address = anybody("other");
    same_address["email"] = json!("QUINTA@example.org");
    let answer = shop.post("/v1/users", &same_address).await;
    assert_eq!((answer.refusal(), answer.pointers()), ((409, "user-exists"), vec!["/email"]));
    let mut same_name = anybody("Quinta");
    same_name["email"] = json!("other@example.org");
    let answer = shop.post("/v1/users", &same_name).await;
    assert_eq!((answer.refusal(), answer.pointers()), ((409, "user-exists"), vec!["/username"]));
    let answer = shop.post("/v1/users", &anybody("quinta")).await;
    assert_eq!(answer.pointers(), ["/email", "/username"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_registrations_of_one_address_at_once_exactly_one_succeeds() {
    let shop = Shop::open().await;
    let bodies: Vec<_> = (0..50)
        .map(|number| {
            let mut body = anybody(&format!("racer-{number}"));
            body["email"] = json!("racer@example.org");
            body
        })
        .collect();
    let answers = join_all(bodies.iter().map(|body| shop.post("/v1/users", body))).await;
    let registered = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(registered, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.refusal(), answer.pointers()), ((409, "user-exists"), vec!["/email"]));
    }
    let listed = shop.get("/v1/users", &shop.operator()).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    // Who was refused left nothing behind: no key, no event.
    assert_eq!(shop.count("keys/keys.sqlite", "person_keys"), 1);
    assert_eq!(shop.count("users.sqlite", "user_events"), 1);
}

#[tokio::test]
async fn every_mistake_in_a_registration_is_told_at_once_and_leaves_no_trace() {
    let shop = Shop::open().await;
    let body =
        json!({"email": 7, "username": "a b", "password": "short", "profile": {"age": [33]}, "role": "operator"});
    let answer = shop.post("/v1/users", &body).await;
    assert_eq!(answer.refusal(), (422, "invalid-body"));
    assert_eq!(answer.pointers(), ["/email", "/password", "/profile/age", "/role", "/username"]);
    let answer = shop.post("/v1/users", &json!({})).await;
    assert_eq!(answer.pointers(), ["/email", "/password", "/username"]);
    let mut body = anybody("quinta");
    body["email"] = json!("not an address");
    body["profile"] = json!({"a b": "x", "bio": "y".repeat(1_001), "bell": "\u{7}"});
    let answer = shop.post("/v1/users", &body).await;
    assert_eq!(answer.refusal(), (422, "invalid-body"));
    assert_eq!(answer.pointers(), ["/email", "/profile/a b", "/profile/bell", "/profile/bio"]);
    for broken in ["{", "[]", "\"\"", "{\"email\": 1e400}"] {
        let headers = [("content-type", "application/json")];
        let answer = shop.send(Method::POST, "/v1/users", &headers, broken.into()).await;
        assert!(matches!(answer.refusal(), (400 | 422, _)), "{broken}: {}", answer.body);
    }
    assert_eq!(shop.count("users.sqlite", "users"), 0);
    assert_eq!(shop.count("keys/keys.sqlite", "person_keys"), 0);
}

#[tokio::test]
async fn a_nul_is_refused_wherever_it_stands() {
    let shop = Shop::open().await;
    for field in ["/email", "/username", "/password", "/profile/firstName"] {
        let mut body = anybody("quinta");
        *body.pointer_mut(field).unwrap() = json!("Quin\0tilla-and-more");
        let answer = shop.post("/v1/users", &body).await;
        assert_eq!((answer.refusal(), answer.pointers()), ((422, "invalid-body"), vec![field]));
    }
    assert_eq!(shop.count("users.sqlite", "users"), 0);
}

#[tokio::test]
async fn sql_in_a_field_is_text() {
    let shop = Shop::open().await;
    let attack = "'); DROP TABLE users; --";
    let mut body = anybody("quinta");
    body["profile"]["firstName"] = json!(attack);
    assert_eq!(shop.post("/v1/users", &body).await.body["profile"]["firstName"], attack);
    body["username"] = json!("x' OR '1'='1");
    assert_eq!(shop.post("/v1/users", &body).await.refusal(), (422, "invalid-body"));
    let login = json!({"login": "' OR '1'='1' --", "password": "whatever it is"});
    assert_eq!(shop.post("/v1/sessions", &login).await.refusal(), (401, "wrong-credentials"));
    let found = shop.get("/v1/users?username=%27%20OR%201%3D1%20--", &shop.operator()).await;
    assert_eq!((found.status, &found.body["items"]), (200, &json!([])));
    assert_eq!(shop.get("/v1/users/1/profile", &shop.operator()).await.body["firstName"], attack);
}

#[tokio::test]
async fn only_operators_say_when_a_user_registered() {
    let shop = Shop::open().await;
    let mut body = anybody("quinta");
    body["createdAt"] = json!("2019-05-01T10:00:00+02:00");
    assert_eq!(shop.post("/v1/users", &body).await.refusal(), (403, "forbidden"));
    assert_eq!(shop.post_as("/v1/users", &shop.customer(1), &body).await.refusal(), (403, "forbidden"));
    let answer = shop.post_as("/v1/users", &shop.operator(), &body).await;
    assert_eq!((answer.status, &answer.body["createdAt"]), (201, &json!("2019-05-01T08:00:00Z")));
    let mut later = anybody("sesta");
    later["createdAt"] = json!("2999-01-01T00:00:00Z");
    let answer = shop.post_as("/v1/users", &shop.operator(), &later).await;
    assert_eq!((answer.refusal(), answer.pointers()), ((422, "invalid-body"), vec!["/createdAt"]));
}

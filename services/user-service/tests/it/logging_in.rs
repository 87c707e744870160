use futures::future::join_all;
use madrigal_core::Timestamp;
use serde_json::json;

use crate::shop::{PASSWORD, Shop};

#[tokio::test]
async fn a_log_in_by_address_or_by_name_gives_a_token_of_that_user() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    for login in ["quinta", "QUINTA", "quinta@example.org", " Quinta@Example.org"] {
        let answer = shop.post("/v1/sessions", &json!({"login": login, "password": PASSWORD})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.body["userId"], id);
        let token = answer.body["token"].as_str().unwrap();
        assert_eq!(shop.get(&format!("/v1/users/{id}"), token).await.status, 200);
        assert_eq!(shop.get("/v1/users", token).await.refusal(), (403, "forbidden"));
        let expires: Timestamp = answer.body["expiresAt"].as_str().unwrap().parse().unwrap();
        let seconds = expires.since(shop.host.now()).as_secs();
        assert!((3_500..=3_600).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let shop = Shop::open().await;
    shop.register("quinta").await;
    let wrong = shop.post("/v1/sessions", &json!({"login": "quinta", "password": "Correct horse battery"})).await;
    let unknown = shop.post("/v1/sessions", &json!({"login": "nobody", "password": PASSWORD})).await;
    assert_eq!(wrong.refusal(), (401, "wrong-credentials"));
    assert_eq!(unknown.refusal(), (401, "wrong-credentials"));
    assert_eq!(wrong.body["detail"], unknown.body["detail"]);
    let empty = shop.post("/v1/sessions", &json!({"login": "", "password": "", "remember": true})).await;
    assert_eq!((empty.refusal(), empty.pointers()), ((422, "invalid-body"), vec!["/login", "/remember"]));
}

#[tokio::test]
async fn log_ins_beyond_the_queue_are_told_to_come_back() {
    let shop = Shop::open_with(|config| {
        config.passwords.at_once = 1;
        config.passwords.queue = 1;
        config.passwords.memory_kib = 4_096;
    })
    .await;
    let body = json!({"login": "nobody", "password": PASSWORD});
    let answers = join_all((0..12).map(|_| shop.post("/v1/sessions", &body))).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 503)));
    let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!busy.is_empty());
    for answer in busy {
        assert_eq!(answer.refusal(), (503, "too-many-log-ins"));
        assert_eq!((answer.headers["retry-after"].to_str().unwrap(), &answer.body["retryable"]), ("2", &json!(true)));
    }
    assert_eq!(shop.post("/v1/sessions", &body).await.status, 401);
}

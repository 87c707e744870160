use axum::http::Method;
use serde_json::json;

use crate::shop::Shop;

#[tokio::test]
async fn nobody_reads_or_changes_another_customers_data() {
    let shop = Shop::open().await;
    let (mine, theirs) = (shop.register("quinta").await, shop.register("sesta").await);
    let token = shop.customer(mine);
    for rest in ["", "/profile", "/events"] {
        let path = format!("/v1/users/{theirs}{rest}");
        assert_eq!(shop.get(&path, &token).await.refusal(), (403, "forbidden"), "{path}");
        assert_eq!(shop.send(Method::GET, &path, &[], Vec::new()).await.refusal(), (401, "unauthorized"), "{path}");
        assert_eq!(shop.get(&path, "forged.token.here").await.refusal(), (401, "invalid-token"), "{path}");
        assert_eq!(shop.get(&path, &shop.operator()).await.status, 200, "{path}");
        assert_eq!(shop.get(&path, &shop.a_service()).await.status, 200, "{path}");
        // Whether somebody exists is not told either.
        assert_eq!(shop.get(&format!("/v1/users/999{rest}"), &token).await.refusal(), (403, "forbidden"));
        assert_eq!(shop.get(&format!("/v1/users/999{rest}"), &shop.operator()).await.refusal(), (404, "not-found"));
        assert_eq!(shop.get(&format!("/v1/users/-1{rest}"), &shop.operator()).await.refusal(), (404, "not-found"));
        assert_eq!(shop.get(&format!("/v1/users/x{rest}"), &shop.operator()).await.refusal(), (400, "invalid-path"));
    }
    let answer = shop.patch(&format!("/v1/users/{theirs}"), &token, 1, &json!({"username": "mine"})).await;
    assert_eq!(answer.refusal(), (403, "forbidden"));
    assert_eq!(shop.get("/v1/users?username=sesta", &token).await.refusal(), (403, "forbidden"));
}

#[tokio::test]
async fn the_profile_is_the_briefs_read_model() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let (path, token) = (format!("/v1/users/{id}"), shop.customer(id));
    shop.patch(&path, &token, 1, &json!({"profile": {"lastName": null}})).await;
    let events = shop.get(&format!("{path}/events"), &token).await;
    let profile = shop.get(&format!("{path}/profile"), &token).await;
    assert_eq!(
        profile.body,
        json!({
            "id": id, "username": "quinta", "email": "quinta@example.org", "firstName": "Quintilla", "lastName": null,
            "avatarUrl": "https://example.org/q.png", "totalEvents": 2,
            "lastActivity": events.body["items"][1]["metadata"]["timestamp"],
        })
    );
}

#[tokio::test]
async fn events_tell_what_happened_readable_for_those_who_may_see_it() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    shop.register("sesta").await;
    let path = format!("/v1/users/{id}");
    shop.patch(&path, &shop.operator(), 1, &json!({"profile": {"city": "Roma"}, "username": "quinta2"})).await;
    let first = shop.get(&format!("{path}/events?limit=1"), &shop.customer(id)).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let registered = &first.body["items"][0];
    assert_eq!((&registered["eventType"], &registered["aggregateType"]), (&json!("UserRegistered"), &json!("User")));
    assert_eq!((&registered["aggregateId"], &registered["position"]), (&json!(id), &json!(1)));
    assert_eq!(registered["eventData"]["person"]["email"], "quinta@example.org");
    let next = first.body["next"].as_str().unwrap();
    let second = shop.get(&format!("{path}/events?limit=1&cursor={next}"), &shop.customer(id)).await;
    let changed = &second.body["items"][0];
    assert_eq!((&changed["eventType"], &changed["schemaVersion"]), (&json!("UserChanged"), &json!(1)));
    assert_eq!(changed["eventData"]["changed"], json!(["username", "profile"]));
    assert_eq!(changed["eventData"]["person"]["profile"]["city"], "Roma");
    assert_eq!((&changed["metadata"]["version"], &changed["metadata"]["userId"]), (&json!(2), &json!("operator:anna")));
    assert!(changed["metadata"]["correlationId"].is_string());
    assert!(second.body.get("next").is_none(), "{}", second.body);
    for odd in ["cursor=x", "limit=0", "limit=201", "limit=x", "page=2"] {
        let answer = shop.get(&format!("{path}/events?{odd}"), &shop.customer(id)).await;
        assert_eq!(answer.refusal().0, 400, "{odd}");
    }
}

#[tokio::test]
async fn operators_and_services_page_through_users_or_find_one_by_name() {
    let shop = Shop::open().await;
    for name in ["quinta", "sesta", "settima"] {
        shop.register(name).await;
    }
    let mut names = Vec::new();
    let mut query = "limit=2".to_owned();
    loop {
        let page = shop.get(&format!("/v1/users?{query}"), &shop.operator()).await;
        names.extend(page.body["items"].as_array().unwrap().iter().map(|user| user["username"].clone()));
        let Some(next) = page.body.get("next") else { break };
        query = format!("limit=2&cursor={}", next.as_str().unwrap());
    }
    assert_eq!(names, ["quinta", "sesta", "settima"]);
    let found = shop.get("/v1/users?username=SESTA", &shop.a_service()).await;
    assert_eq!(found.body["items"][0]["id"], 2);
    assert_eq!(shop.get("/v1/users?email=x", &shop.operator()).await.refusal(), (400, "invalid-query"));
}

#[test]
fn the_description_names_every_route() {
    let document = serde_json::to_value(madrigal_user_service::UserService::openapi()).unwrap();
    let paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "/v1/sessions",
        "/v1/users",
        "/v1/users/{id}",
        "/v1/users/{id}/conflicts",
        "/v1/users/{id}/conflicts/{conflictId}/choose",
        "/v1/users/{id}/events",
        "/v1/users/{id}/password",
        "/v1/users/{id}/profile",
    ];
    assert_eq!(paths, expected);
    assert!(!document.to_string().contains("passwordHash"));
}

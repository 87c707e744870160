//! The pages of figures, profiles and declarations behind made-up services: what they show as text, and what they say where
//! nobody answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use madrigal_http::Role;
use serde_json::{Value, json};

use super::console::{EVIL, HOST, ORIGIN, csrf, shop_and};

fn analytics() -> Router {
    let row = json!({"date": EVIL, "currency": EVIL, "totalOrders": 2, "totalRevenue": 4_812});
    let there = json!({"date": "2026-11-22", "currency": EVIL, "totalOrders": 2, "totalRevenue": 4_812});
    let series = json!({"from": "2026-11-20", "to": "2026-11-23", "tz": EVIL, "items": [row, there]});
    let product = json!({"productId": EVIL, "name": EVIL, "category": EVIL, "currency": EVIL, "revenue": 1});
    let board = json!({"totals": [{"currency": EVIL, "totalOrders": 2, "totalRevenue": 4_812, "cancelledOrders": 1}],
        "funnel": {"placed": 2}, "categories": [{"name": EVIL, "currency": EVIL, "revenue": 1}], "products": [product],
        "customers": [{"userId": 7, "currency": EVIL, "revenue": 1}], "registeredUsers": 3});
    let recomputed = json!({"everySeconds": 3_600, "endedAt": EVIL, "failedAt": EVIL, "mended": 1,
        "last": {"days": 1, "customers": 1, "mended": 1},
        "differences": [{"at": EVIL, "rollup": EVIL, "of": EVIL, "mended": 1}]});
    let lagging = |body: Value| async move { ([("madrigal-lag", "5")], Json(body)) };
    Router::new()
        .route("/v1/analytics/orders/daily", get(move || lagging(series.clone())))
        .route("/v1/analytics/dashboard", get(move || lagging(board.clone())))
        .route("/v1/analytics/recomputation", get(move || lagging(recomputed.clone())))
}

fn conflict(number: i64, settled: bool) -> Value {
    let origin = json!({"version": 2, "at": "2026-11-22T10:29:10Z", "by": EVIL});
    let mut conflict = json!({"conflictId": number, "field": format!("/profile/{EVIL}"), "rule": EVIL, "base": EVIL, "loser": EVIL,
        "loserOrigin": origin, "standing": [EVIL], "standingOrigin": origin, "version": 3, "recordedAt": EVIL});
    if settled {
        conflict["settled"] = json!({"choice": "loser", "by": EVIL, "at": EVIL});
    }
    conflict
}

/// Which conflict, the version that the choice was based on, and the choice.
type Chosen = Mutex<Vec<(String, String, Value)>>;

/// A user with conflicts; what was chosen, with the version that the choice was based on.
fn user(chosen: &Arc<Chosen>) -> Router {
    let user = json!({"id": 7, "email": EVIL, "username": EVIL, "profile": {"firstName": EVIL, EVIL: EVIL}, "createdAt": EVIL,
        "updatedAt": EVIL, "version": 4});
    let conflicts = json!({"items": [conflict(1, false), conflict(2, true)], "next": null});
    let chosen = Arc::clone(chosen);
    Router::new()
        .route("/v1/users/{id}", get(async move || Json(user)))
        .route("/v1/users/{id}/conflicts", get(async move || Json(conflicts)))
        .route(
            "/v1/users/{id}/conflicts/{conflict}/choose",
            post(
                async move |Path((_, number)): Path<(String, String)>, headers: HeaderMap, Json(body): Json<Value>| {
                    let based_on = headers["if-match"].to_str().unwrap().to_owned();
                    let stale = based_on == "\"3\"";
                    chosen.lock().unwrap().push((number, based_on, body));
                    let problem = json!({"code": "version-mismatch", "title": EVIL, "detail": EVIL});
                    if stale {
                        (StatusCode::PRECONDITION_FAILED, Json(problem))
                    } else {
                        (StatusCode::OK, Json(json!({})))
                    }
                },
            ),
        )
}

#[tokio::test]
async fn whatever_figures_and_profiles_hold_is_shown_as_text() {
    let shop = shop_and(analytics().merge(user(&Arc::default())));
    let cookie = shop.operator();
    for path in [
        "/analytics",
        "/analytics?currency=%3Cimg&tz=%22%3E%3Cimg%3E",
        "/users",
        "/users/7",
        "/users/7/conflicts/1/loser",
    ] {
        let (status, headers, page) = shop.see(path, &cookie).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        for inline in ["<img", "onerror=alert(1)>\"", "style=\"", " onclick", "<iframe"] {
            assert!(!page.contains(inline), "{path} has {inline}: {page}");
        }
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self';"), "{path}");
    }
    let (_, _, page) = shop.see("/analytics", &cookie).await;
    assert!(page.contains("2 orders for 48.12 ") && page.contains("5 events are not in it yet."), "{page}");
    assert!(page.contains("1 row of sums was wrong and mended"), "{page}");
    assert_eq!(
        page.matches("<rect x=").count(),
        2,
        "one day, its orders and its revenue; a date that is none is not drawn"
    );
}

#[tokio::test]
async fn without_analytics_and_where_it_does_not_answer_the_page_says_so() {
    let (status, _, page) = {
        let shop = shop_and(Router::new());
        let cookie = shop.operator();
        shop.see("/analytics", &cookie).await
    };
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("Analytics is not part of this shop.") && page.contains("It is in analytics-service"),
        "{page}"
    );
    let down = async || {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"code": "upstream-unavailable", "title": "down", "retryable": true})),
        )
    };
    let shop = shop_and(Router::new().route("/v1/analytics/{*rest}", get(down)));
    let (status, _, page) = shop.see("/analytics?from=2026-11-01&to=2026-11-23", &shop.operator()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("Analytics does not answer. Orders go on"), "{page}");
    assert!(
        page.contains("value=\"2026-11-01\"") && !page.contains("class=\"figures\""),
        "no figure is claimed: {page}"
    );
}

#[tokio::test]
async fn an_address_that_is_not_understood_is_refused_and_never_answered_with_something_else() {
    let wrong = async || {
        let errors = json!([{"pointer": "/from", "detail": "expected a date from 0000-01-01 to 9999-12-31"}]);
        (StatusCode::BAD_REQUEST, Json(json!({"code": "invalid-query", "title": "wrong", "errors": errors})))
    };
    let shop = shop_and(Router::new().route("/v1/analytics/{*rest}", get(wrong)));
    let cookie = shop.operator();
    for (path, said) in [
        ("/analytics?from=-9999-01-01", "expected a date from 0000-01-01"),
        ("/sagas?state=nope", "is none of "),
        ("/sagas?state=stuck&state=nope&still=ever", "is no number of seconds"),
        ("/streams?service=nope", "these have: order-service"),
        ("/streams?service=nope&before=-1", "is no position"),
        ("/streams?before=99999999999999999999", "is no position"),
        ("/streams/nope/1", "these have: order-service"),
    ] {
        let (status, _, page) = shop.see(path, &cookie).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(page.contains(said) && !page.contains("No saga needs a person"), "{path}: {page}");
    }
    for path in ["/sagas?state=stuck&still=60", "/sagas?definition=&still=0"] {
        assert_eq!(shop.see(path, &cookie).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_value_that_waits_behind_many_that_were_chosen_about_is_shown_and_can_be_chosen() {
    let user = json!({"id": 7, "username": "anna", "profile": {}, "version": 4});
    let conflicts = async |uri: http::Uri| {
        let waiting = uri.query().unwrap_or_default().contains("open=true");
        let items: Vec<Value> =
            if waiting { vec![conflict(300, false)] } else { (0..200).map(|number| conflict(number, true)).collect() };
        Json(json!({"items": items, "next": (!waiting).then_some("more")}))
    };
    let shop = shop_and(
        Router::new()
            .route("/v1/users/{id}", get(async move || Json(user)))
            .route("/v1/users/{id}/conflicts", get(conflicts)),
    );
    let cookie = shop.operator();
    let (_, _, page) = shop.see("/users/7", &cookie).await;
    assert!(page.contains("anna: 1 value was not taken") && page.contains("There are more than are shown"), "{page}");
    assert!(!page.contains("No value waits") && !page.contains("Somebody chose about each"), "{page}");
    assert_eq!(shop.see("/users/7/conflicts/300/loser", &cookie).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_correlation_that_no_log_was_looked_at_for_is_not_said_to_be_looked_for() {
    let shop = shop_and(Router::new());
    let (_, _, page) = shop.see("/streams?correlation=x", &shop.operator()).await;
    assert!(page.contains("Not every log could be looked at.") && !page.contains("All of every log"), "{page}");
}

#[tokio::test]
async fn a_choice_goes_with_the_version_that_was_seen_and_a_late_one_is_asked_again() {
    let chosen = Arc::default();
    let shop = shop_and(user(&chosen));
    let cookie = shop.operator();
    let own = [HOST, ORIGIN, ("cookie", &*cookie)];
    let (_, _, page) = shop.see("/users/7/conflicts/1/loser", &cookie).await;
    assert!(page.contains("name=\"version\" value=\"4\"") && page.contains("Nothing has been done yet."), "{page}");
    let token = csrf(&page);
    let path = "/users/7/conflicts/1/loser";
    let (status, headers, _) = shop.form(path, &own, &format!("csrf={token}&version=4")).await;
    let back = "/users/7?said=loser#conflicts";
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, back));
    let (status, _, page) = shop.form(path, &own, &format!("csrf={token}&version=3")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("the user was changed meanwhile") && page.contains("name=\"version\" value=\"4\""), "{page}");
    let asked = |version: &str| ("1".to_owned(), format!("\"{version}\""), json!({"choice": "loser"}));
    assert_eq!(*chosen.lock().unwrap(), [asked("4"), asked("3")]);
    assert_eq!(shop.see("/users/7/conflicts/2/loser", &cookie).await.0, StatusCode::NOT_FOUND, "it was chosen about");
    assert_eq!(shop.see("/users/7/conflicts/1/both", &cookie).await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn customers_are_led_to_themselves() {
    let shop = shop_and(user(&Arc::default()));
    let customer = format!("madrigal_session={}", shop.token(Role::Customer, Duration::from_secs(600)));
    let (status, headers, _) = shop.see("/users?id=9", &customer).await;
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/users/1"));
    assert_eq!(shop.see("/users/7", "").await.0, StatusCode::SEE_OTHER);
    for path in ["/analytics", "/sync/connectors"] {
        assert_eq!(shop.see(path, &customer).await.0, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn all_problems_of_a_declaration_stand_beside_it_with_their_lines() {
    let errors = json!([{"pointer": "/config/database.port", "detail": EVIL}, {"pointer": "/config/slot.name", "detail": "is not known"},
        {"pointer": "/config/plugin.name", "detail": "is missing"}]);
    let refused = json!({"code": "invalid-body", "title": "refused", "errors": errors});
    let declare = post(async move |Json(declared): Json<Value>| match declared["name"].as_str() {
        Some("good") => (StatusCode::CREATED, Json(json!({"name": "good"}))),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, Json(refused)),
    });
    let shop = shop_and(Router::new().route("/v1/sync/connectors", declare));
    let cookie = shop.operator();
    let own = [HOST, ORIGIN, ("cookie", &*cookie)];
    let (_, _, page) = shop.see("/sync/connectors", &cookie).await;
    let token = csrf(&page);
    let send = async |text: &str| {
        let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        shop.form("/sync/connectors", &own, &format!("csrf={token}&declaration={text}")).await
    };
    let (status, _, page) =
        send("{\n \"name\": \"</textarea><img>\",\n \"slot.name\": 1,\n \"database.port\": 2}").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("Nothing was declared.") && page.contains("3 problems stand beside the text."), "{page}");
    assert!(
        page.contains("Line 4, <code>config / database.port</code>")
            && page.contains("Line 3, <code>config / slot.name</code>"),
        "{page}"
    );
    assert!(page.contains("The whole, <code>config / plugin.name</code>"), "{page}");
    assert!(
        !page.contains("<img") && page.contains("&lt;/textarea&gt;&lt;img&gt;"),
        "what was written stays, as text: {page}"
    );
    let (status, _, page) = send("{\n no").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("This is no JSON: key must be a string.") && page.contains("Line 2"), "{page}");
    let (status, headers, _) = send("{\"name\": \"good\"}").await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/sync?said=declared&name=good#connectors")
    );
}

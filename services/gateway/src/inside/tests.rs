use axum::Json;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use madrigal_core::Host;
use madrigal_core::tasks::{StopSignal, spawn};
use madrigal_http::{Caller, Edge, Role, problem, testing};

use super::*;
use crate::parts::{GatewayParts, Target, Upstream};
use crate::story::Storytellers;

/// A service that says who asks, from where and for which correlation.
fn service() -> Router {
    let whoami = async |caller: Caller, edge: EdgeContext| {
        let call = edge.call();
        let peer = edge.peer().map(|peer| peer.to_string());
        Json(json!({ "actor": caller.actor(), "peer": peer, "correlation": call.correlation_id.as_str() }))
    };
    let odd = async |Path(kind): Path<String>| match kind.as_str() {
        "long" => "x".repeat(MAX_ANSWER_BYTES + 1).into_response(),
        "text" => "not JSON".into_response(),
        "never" => std::future::pending().await,
        _ => problem::forbidden("not yours").into_response(),
    };
    let echo = async |Json(body): Json<Value>| (StatusCode::CREATED, Json(body));
    Router::new()
        .route("/v1/orders", get(whoami).post(echo))
        .route("/v1/orders/{orderId}/cancel", post(async || problem::forbidden("operators only")))
        .route("/v1/orders/{orderId}", get(odd))
        .route("/internal/calls/order-service", get(async || "the inner side"))
}

async fn ways(host: &Host) -> (Vec<Router>, std::sync::Arc<madrigal_http::TokenSigner>) {
    let (edge, signer) = testing::edge(host);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let far = edge.wrap_service("order-service", service());
    drop(spawn("far", madrigal_http::serve(listener, far, StopSignal::new())));
    let gateway = |target: Target, edge: &Edge| {
        let parts = GatewayParts {
            upstreams: vec![Upstream { service: "order-service", target }],
            openapi: "{}",
            operations: Router::new(),
            storytellers: Storytellers::absent(),
            demo: None,
            console: crate::ConsoleParts::default(),
            version: "0.0.0",
        };
        crate::router(parts, edge).unwrap()
    };
    (vec![gateway(Target::InProcess(service()), &edge), gateway(Target::Http { base_url }, &edge)], signer)
}

fn token(signer: &madrigal_http::TokenSigner, host: &Host) -> String {
    signer.issue(host, "7", Role::Customer, Duration::from_secs(60)).0
}

#[tokio::test]
async fn a_request_from_inside_is_its_tokens_holder_and_nobody_without() {
    let host = Host::seeded(1);
    let (ways, signer) = ways(&host).await;
    let token = token(&signer, &host);
    for router in ways {
        let inside = Inside::new(router);
        let told = inside.get("/v1/orders").bearer(Some(&token)).header(CORRELATION_ID, "c-1").send().await.unwrap();
        assert_eq!((told.body["actor"].as_str(), told.body["correlation"].as_str()), (Some("7"), Some("c-1")));
        let refused = inside.get("/v1/orders").send().await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code()), (401, "unauthorized"));
        let forged = inside.get("/v1/orders").bearer(Some("made.up")).send().await.unwrap_err();
        assert_eq!((forged.status.as_u16(), forged.code()), (401, "invalid-token"));
    }
}

#[tokio::test]
async fn it_reaches_nothing_that_a_client_would_not() {
    let host = Host::seeded(1);
    let (ways, signer) = ways(&host).await;
    let token = token(&signer, &host);
    for router in ways {
        let inside = Inside::new(router);
        let inner = inside.get("/internal/calls/order-service").bearer(Some(&token)).send().await.unwrap_err();
        assert_eq!((inner.status.as_u16(), inner.code()), (404, "unknown-path"));
        let cancel = inside.post("/v1/orders/1/cancel", &json!({})).bearer(Some(&token)).send().await.unwrap_err();
        assert_eq!((cancel.status.as_u16(), cancel.code(), cancel.detail()), (403, "forbidden", "operators only"));
        assert!(inside.get("no path").send().await.is_err());
    }
}

#[tokio::test]
async fn bodies_go_in_and_answers_that_cannot_be_used_are_problems() {
    let host = Host::seeded(1);
    let (ways, _) = ways(&host).await;
    for router in ways {
        let inside = Inside::new(router);
        let told = inside.post("/v1/orders", &json!({ "a": [1] })).send().await.unwrap();
        assert_eq!((told.status, told.body), (StatusCode::CREATED, json!({ "a": [1] })));
        assert_eq!(inside.get("/v1/orders/text").send().await.unwrap().body, Value::Null);
        let long = inside.get("/v1/orders/long").send().await.unwrap_err();
        assert_eq!((long.status.as_u16(), long.code()), (502, "upstream-unknown"));
        let never = inside.get("/v1/orders/never").within(Duration::from_millis(20)).send().await.unwrap_err();
        assert_eq!((never.status.as_u16(), never.code()), (504, "upstream-unknown"));
    }
}

#[tokio::test]
async fn pages_and_api_do_not_hold_each_other_alive() {
    struct Held(std::sync::Arc<()>);
    let held = std::sync::Arc::new(());
    let state = std::sync::Arc::new(Held(held.clone()));
    let service = Router::new().route(
        "/v1/orders",
        get(async move || {
            let _alive = &state.0;
            "here"
        }),
    );
    let (edge, _) = testing::edge(&Host::seeded(1));
    let parts = GatewayParts {
        upstreams: vec![Upstream { service: "order-service", target: Target::InProcess(service) }],
        openapi: "{}",
        operations: Router::new(),
        storytellers: Storytellers::absent(),
        demo: None,
        console: crate::ConsoleParts::default(),
        version: "0.0.0",
    };
    let router = crate::router(parts, &edge).unwrap();
    assert!(std::sync::Arc::strong_count(&held) > 1);
    drop(router);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}

//! Which service answers, wherever it runs.

use std::collections::BTreeSet;

use axum::Router;
use axum::routing::any;
use http::{Method, StatusCode};
use madrigal_core::Host;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_gateway::table::{TABLE, undeclared};
use madrigal_gateway::{ConsoleParts, GatewayError, GatewayParts, Storytellers, Target, Upstream};
use madrigal_http::testing;

fn services() -> BTreeSet<&'static str> {
    TABLE.iter().map(|entry| entry.service).filter(|service| *service != "gateway").collect()
}

/// A service that says its name at all its paths, and at an inner one that nobody may reach.
fn says_its_name(service: &'static str) -> Router {
    let inner = Router::new().route(&format!("/internal/calls/{service}"), any(async move || service));
    TABLE
        .iter()
        .filter(|entry| entry.service == service)
        .fold(inner, |router, entry| router.route(entry.path, any(async move || service)))
}

fn parts(upstreams: Vec<Upstream>) -> GatewayParts {
    GatewayParts {
        upstreams,
        openapi: "{}",
        operations: Router::new(),
        storytellers: Storytellers::absent(),
        demo: None,
        console: ConsoleParts::default(),
        version: "0.0.0",
    }
}

fn gateway(upstreams: Vec<Upstream>) -> Result<Router, GatewayError> {
    madrigal_gateway::router(parts(upstreams), &testing::edge(&Host::seeded(1)).0)
}

fn in_process() -> Router {
    let upstream = |service| Upstream { service, target: Target::InProcess(says_its_name(service)) };
    gateway(services().into_iter().map(upstream).collect()).unwrap()
}

async fn over_http() -> Router {
    let mut upstreams = Vec::new();
    for service in services() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        drop(tasks::spawn("stub", madrigal_http::serve(listener, says_its_name(service), StopSignal::new())));
        upstreams.push(Upstream { service, target: Target::Http { base_url } });
    }
    gateway(upstreams).unwrap()
}

#[tokio::test]
async fn every_declared_path_is_answered_by_its_service_in_one_process_and_in_many() {
    for gateway in [in_process(), over_http().await] {
        for entry in TABLE.iter().filter(|entry| entry.service != "gateway") {
            let path = entry.path.replace("{id}", "7").replace("{orderId}", "7").replace("{*rest}", "a/b");
            let (status, _, name) = testing::send(&gateway, Method::GET, &path, &[], ()).await;
            assert_eq!((status, name.as_str()), (StatusCode::OK, Some(entry.service)), "{path}");
        }
    }
}

#[tokio::test]
async fn inner_paths_and_unknown_ones_are_404_for_everybody() {
    for gateway in [in_process(), over_http().await] {
        for path in
            ["/internal", "/internal/calls/order-service", "/internal/topics/orders", "/v1/nothing", "/v2/orders"]
        {
            let (status, _, problem) = testing::send(&gateway, Method::POST, path, &[], ()).await;
            assert_eq!((status, problem["code"].as_str()), (StatusCode::NOT_FOUND, Some("unknown-path")), "{path}");
            assert_eq!(problem["instance"].as_str(), Some(path));
        }
    }
}

#[test]
fn a_described_path_that_only_one_process_would_find_is_told() {
    let described = serde_json::json!({"paths": {
        "/v1/forgotten/{id}": {}, "/v1/orders/{orderId}/items/{productId}": {}, "/health": {},
    }});
    assert_eq!(undeclared(&described), ["/v1/forgotten/{id}"]);
}

#[test]
fn services_that_nobody_knows_or_that_come_twice_are_refused() {
    let upstream = |service| Upstream { service, target: Target::InProcess(Router::new()) };
    let unknown = gateway(vec![upstream("odd-service")]).err();
    assert!(matches!(unknown, Some(GatewayError::UnknownService("odd-service"))));
    let twice = gateway(vec![upstream("user-service"), upstream("user-service")]).err();
    assert!(matches!(twice, Some(GatewayError::Twice("user-service"))));
}

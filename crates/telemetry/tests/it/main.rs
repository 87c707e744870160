//! The routes, behind the edge.

use axum::http::{Method, StatusCode};
use madrigal_core::Host;
use madrigal_http::{Role, testing};
use madrigal_telemetry::{Check, Health, MetricsAccess, Standing, metrics, names, router};

#[path = "../../examples/health.rs"]
mod health;

#[test]
fn the_example_runs() {
    health::main();
}

fn health() -> Health {
    Health::new(Host::seeded(1))
}

#[tokio::test]
async fn readiness_follows_the_phases_and_what_is_critical() {
    let (edge, _) = testing::edge(&Host::seeded(1));
    let health = health();
    let router = edge.wrap(router(health.clone(), metrics::metrics().unwrap(), MetricsAccess::Token));
    let ready = async || {
        let (status, _, body) = testing::send(&router, Method::GET, "/readyz", &[], ()).await;
        (status.as_u16(), body["because"].as_str().map(str::to_owned))
    };
    assert_eq!(ready().await, (503, Some("starting".into())));
    health.serving();
    assert_eq!(ready().await, (200, None));
    health.draining();
    assert_eq!(ready().await, (503, Some("draining".into())));
    assert_eq!(testing::send(&router, Method::GET, "/livez", &[], ()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn health_is_503_only_if_something_critical_is_down() {
    let (edge, _) = testing::edge(&Host::seeded(1));
    let health = health();
    health.serving();
    health.add("catalog-service", Standing::Critical, || vec![Check::unhealthy(Check::DATABASE, "read only")]);
    let router = edge.wrap(router(health, metrics::metrics().unwrap(), MetricsAccess::Token));
    let (status, headers, body) = testing::send(&router, Method::GET, "/health", &[], ()).await;
    assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"unhealthy".into()));
    assert_eq!(headers["content-type"], "application/json");
    assert!(body["timestamp"].is_string() && body["checks"]["database"]["milliseconds"].is_u64(), "{body}");
    assert_eq!(body["checks"]["database"]["detail"], "read only");
    let (status, _, body) = testing::send(&router, Method::GET, "/readyz", &[], ()).await;
    assert_eq!((status.as_u16(), &body["because"]), (503, &"unhealthy: database".into()));
}

#[tokio::test]
async fn metrics_are_for_operators_and_services_and_hold_no_paths() {
    let host = Host::seeded(1);
    let (edge, signer) = testing::edge(&host);
    let metrics = metrics::metrics().unwrap();
    let shop = axum::Router::new().route("/v1/orders/{id}", axum::routing::get(|| async { "1" }));
    let routes = shop.merge(router(health(), metrics, MetricsAccess::TokenOrLoopback));
    let router = edge.wrap_service("order-service", routes);
    testing::send(&router, Method::GET, "/v1/orders/4711", &[], ()).await;
    testing::send(&router, Method::GET, "/nothing/4711", &[], ()).await;
    assert_eq!(testing::send(&router, Method::GET, "/metrics", &[], ()).await.0, StatusCode::UNAUTHORIZED);
    let customer = testing::bearer(&signer, &host, "4711", Role::Customer);
    let refused = testing::send(&router, Method::GET, "/metrics", &[("authorization", &customer)], ()).await;
    assert_eq!(refused.0, StatusCode::FORBIDDEN);
    let service = testing::bearer(&signer, &host, "prometheus", Role::Service);
    let (status, headers, text) =
        testing::send(&router, Method::GET, "/metrics", &[("authorization", &service)], ()).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8")
    );
    let text = text.as_str().unwrap();
    let series = |route: &str, status: u16| {
        let labels = format!(r#"{{service="order-service",method="GET",route="{route}",status="{status}""#);
        text.contains(&format!("{}_count{labels}", names::HTTP_REQUEST_DURATION))
    };
    assert!(series("/v1/orders/{id}", 200) && series("none", 404), "{text}");
    assert!(!text.contains("4711"), "{text}");
    assert!(text.contains("# HELP http_request_duration_seconds How long requests took."));
}

#[tokio::test]
async fn metrics_are_open_on_this_machine_where_that_is_asked_for() {
    let (edge, _) = testing::edge(&Host::seeded(1));
    let routes = |access| router(health(), metrics::metrics().unwrap(), access);
    let ask = async |access, peer: &str| {
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let mut request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        testing::send_request(&edge.wrap(routes(access)), request).await.0.as_u16()
    };
    assert_eq!(ask(MetricsAccess::TokenOrLoopback, "127.0.0.1:9").await, 200);
    assert_eq!(ask(MetricsAccess::TokenOrLoopback, "[::ffff:127.0.0.1]:9").await, 200);
    assert_eq!(ask(MetricsAccess::TokenOrLoopback, "10.0.0.1:9").await, 401);
    assert_eq!(ask(MetricsAccess::Token, "127.0.0.1:9").await, 401);
    assert_eq!(ask(MetricsAccess::Open, "10.0.0.1:9").await, 200);
}

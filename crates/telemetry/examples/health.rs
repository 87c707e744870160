//! A service's health, metrics and readiness, as a load balancer and Prometheus see them.
//!
//! `cargo run -p madrigal-telemetry --example health`

use axum::http::Method;
use madrigal_core::Host;
use madrigal_http::{Role, testing};
use madrigal_telemetry::{Check, Health, MetricsAccess, Standing, metrics, router};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, clippy::expect_used, reason = "an example shows what it does")]
pub(crate) async fn main() {
    let host = Host::system();
    let (edge, signer) = testing::edge(&host);
    let metrics = metrics::metrics().expect("the first recorder of this process");
    let health = Health::new(host.clone());
    health.add("order-service", Standing::Critical, || vec![Check::healthy(Check::EVENT_STORE, "12 events")]);
    health.add("notification-service", Standing::Optional, || vec![Check::unhealthy(Check::MESSAGE_QUEUE, "down")]);
    let router = edge.wrap_service("example", router(health.clone(), metrics, MetricsAccess::Token));

    let operator = testing::bearer(&signer, &host, "anna", Role::Operator);
    let token = [("authorization", operator.as_str())];
    let mut statuses = Vec::new();
    for (path, headers) in
        [("/livez", &[][..]), ("/readyz", &[]), ("/health", &[]), ("/metrics", &[]), ("/metrics", &token)]
    {
        let (status, _, body) = testing::send(&router, Method::GET, path, headers, ()).await;
        println!("GET {path}\n  {status}\n  {body}\n");
        statuses.push(status.as_u16());
        health.serving();
    }
    assert_eq!(statuses, [200, 200, 200, 401, 200]);
}

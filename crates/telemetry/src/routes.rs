//! `/livez`, `/readyz`, `/health`, `/metrics`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use madrigal_http::edge::EdgeContext;
use madrigal_http::{Answered, MaybeCaller, problem};
use serde_json::json;

use crate::health::{Health, Status};
use crate::metrics::Metrics;

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Operators and services, by token.
    Token,
    /// Also everybody on this machine, without a token. Not behind a proxy on this machine: it would open them to the world.
    TokenOrLoopback,
    /// Everybody.
    Open,
}

#[derive(Clone)]
struct Watched {
    health: Health,
    metrics: Metrics,
    access: MetricsAccess,
}

/// The four routes, without the edge's layers, which they need.
///
/// `/livez` touches nothing; `/readyz` is 200 or 503; `/health` is the report, 503 when unhealthy; `/metrics` is Prometheus'
/// text.
///
/// Wrap it on its own (`edge.wrap_service("telemetry", …)`) and merge it then: limits are counted per wrapped router, and a
/// shop that is too busy must still say that it is alive.
pub fn router(health: Health, metrics: Metrics, access: MetricsAccess) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/health", get(health_report))
        .route("/metrics", get(metrics_text))
        .with_state(Watched { health, metrics, access })
}

async fn livez() -> Response {
    uncached(StatusCode::OK, Json(json!({ "alive": true })))
}

async fn readyz(State(watched): State<Watched>) -> Response {
    match watched.health.not_ready_because().await {
        None => uncached(StatusCode::OK, Json(json!({ "ready": true }))),
        Some(because) => uncached(StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "because": because }))),
    }
}

async fn health_report(State(watched): State<Watched>) -> Response {
    let report = watched.health.report().await;
    let status = match report.status {
        Status::Healthy | Status::Degraded => StatusCode::OK,
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    uncached(status, Json(report))
}

async fn metrics_text(
    State(watched): State<Watched>,
    MaybeCaller(caller): MaybeCaller,
    context: EdgeContext,
) -> Answered<Response> {
    let on_this_machine = context.peer().is_some_and(|peer| peer.is_loopback());
    let open = match watched.access {
        MetricsAccess::Open => true,
        MetricsAccess::TokenOrLoopback => on_this_machine,
        MetricsAccess::Token => false,
    };
    if !open {
        let caller = caller.ok_or_else(|| problem::unauthorized("Metrics are for operators and services."))?;
        caller.require_operator_or_service()?;
    }
    let text = [(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))];
    Ok((text, watched.metrics.render()).into_response())
}

fn uncached(status: StatusCode, body: impl IntoResponse) -> Response {
    (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
}

//! How the services of one process fare, and the routes that tell it.

pub(super) mod asked;

use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::routing::get_service;
use futures::future::join_all;
use madrigal_bus::{DynTopicSource, PollFrom, Start};
use madrigal_core::Host;
use madrigal_telemetry::{Check, Health, HealthSource, Metrics, MetricsAccess, Standing};

/// A service that is asked for its checks.
pub(super) struct Asked<F>(pub(super) F);

#[async_trait]
impl<F, A> HealthSource for Asked<F>
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output = Vec<Check>> + Send,
{
    async fn checks(&self) -> Vec<Check> {
        (self.0)().await
    }
}

/// The topics of this process, each asked for what is new: the check [`Check::MESSAGE_QUEUE`].
pub(super) struct Topics(pub(super) Vec<DynTopicSource>);

#[async_trait]
impl HealthSource for Topics {
    async fn checks(&self) -> Vec<Check> {
        let ask = |topic: &DynTopicSource| {
            let topic = topic.clone();
            async move {
                let polled = topic.poll(PollFrom::Start(Start::Latest), 1, Duration::ZERO).await;
                (topic.topic().to_owned(), polled.is_err())
            }
        };
        let silent: Vec<String> = join_all(self.0.iter().map(ask))
            .await
            .into_iter()
            .filter(|(_, broken)| *broken)
            .map(|(name, _)| name)
            .collect();
        vec![if silent.is_empty() {
            Check::healthy(Check::MESSAGE_QUEUE, format!("{} topics answer", self.0.len()))
        } else {
            Check::unhealthy(Check::MESSAGE_QUEUE, format!("no answer: {}", silent.join(", ")))
        }]
    }
}

/// Registers a service that has `health()`.
macro_rules! watch {
    ($health:expr, $name:literal, $standing:expr, $service:expr) => {{
        let service = $service.clone();
        let ask = move || {
            let service = service.clone();
            async move { service.health().await }
        };
        $health.add($name, $standing, $crate::compose::health::Asked(ask));
    }};
}
pub(super) use watch;

/// Without these services there is no shop; without notification-service it goes on.
pub(super) const CRITICAL: Standing = Standing::Critical;
/// See [`CRITICAL`].
pub(super) const OPTIONAL: Standing = Standing::Optional;

/// `/livez`, `/readyz`, `/health` and `/metrics` of this process.
pub(super) fn operations(health: Health, metrics: Metrics) -> Router {
    madrigal_telemetry::router(health, metrics, MetricsAccess::TokenOrLoopback)
}

/// The same, where `/health` tells about more than this process: whether traffic should come to it is its own matter.
pub(super) fn operations_of(own: Health, all: Health, metrics: Metrics) -> Router {
    let own = operations(own, metrics.clone());
    let router = Router::new().route("/health", get_service(operations(all, metrics)));
    ["/livez", "/readyz", "/metrics"]
        .into_iter()
        .fold(router, |router, path| router.route(path, get_service(own.clone())))
}

/// No services yet.
pub(super) fn health(host: &Host) -> Health {
    Health::new(host.clone())
}

//! How services in processes of their own fare: each is asked for its `/health`.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks;
use madrigal_telemetry::{Check, HealthSource, Status};
use serde_json::Value;

use super::{CRITICAL, OPTIONAL};
use crate::cli::Service;

/// How long a service may take; then it counts as gone.
const ANSWER: Duration = Duration::from_secs(1);
/// The most bytes of a service's document.
const MOST: usize = 256 * 1024;

/// The checks that are merged by name; all others are told as the service's own.
const MERGED: [&str; 5] = [Check::DATABASE, Check::EVENT_STORE, Check::MESSAGE_QUEUE, Check::CACHE, Check::CONSISTENCY];
/// Everything else that a service stands on.
const OWN: &str = "service";

/// A service that is asked over HTTP.
pub(in crate::compose) struct Far {
    client: reqwest::Client,
    url: String,
    /// What nobody can say without it.
    names: &'static [&'static str],
}

impl Far {
    /// The service at this address.
    pub(in crate::compose) fn new(client: reqwest::Client, url: &str, service: Service) -> Self {
        let names: &[&str] = match service {
            Service::Gateway => &[],
            Service::UserService | Service::AnalyticsService => &[Check::DATABASE],
            Service::CatalogService => &[Check::EVENT_STORE, Check::CACHE],
            Service::OrderService | Service::PaymentService | Service::NotificationService => &[Check::EVENT_STORE],
            Service::SyncService => &[Check::MESSAGE_QUEUE, Check::CONSISTENCY],
        };
        Self { client, url: format!("{}/health", url.trim_end_matches('/')), names }
    }

    /// The document, also of a service that says that it is down.
    async fn document(&self) -> Option<Value> {
        let asked = async {
            let mut answer = self.client.get(&self.url).send().await.ok()?;
            let mut body = Vec::new();
            while let Some(part) = answer.chunk().await.ok()? {
                if body.len() + part.len() > MOST {
                    return None;
                }
                body.extend_from_slice(&part);
            }
            serde_json::from_slice::<Value>(&body).ok().filter(|document| document["checks"].is_object())
        };
        tasks::within(ANSWER, asked).await.flatten()
    }
}

#[async_trait]
impl HealthSource for Far {
    async fn checks(&self) -> Vec<Check> {
        match self.document().await {
            Some(document) => checks(&document),
            // Why is in nobody's interest who may ask for this: no addresses.
            None => self.names.iter().map(|name| Check::unhealthy(name, "the service does not answer")).collect(),
        }
    }
}

/// What a document says, under the names that the gateway's has.
fn checks(document: &Value) -> Vec<Check> {
    let told = document["checks"].as_object().into_iter().flatten();
    let check = |(name, told): (&String, &Value)| {
        let detail = told["detail"].as_str().unwrap_or_default();
        let status = match told["status"].as_str() {
            Some("healthy") => Status::Healthy,
            Some("degraded") => Status::Degraded,
            _ => Status::Unhealthy,
        };
        match MERGED.into_iter().find(|merged| merged == name) {
            Some(name) => Check { name, status, detail: detail.to_owned() },
            None => Check { name: OWN, status, detail: format!("{name}: {detail}") },
        }
    };
    told.map(check).collect()
}

/// Adds all services that the gateway passes requests on to.
pub(in crate::compose) fn ask_all<'a>(
    health: &madrigal_telemetry::Health,
    services: impl IntoIterator<Item = (Service, &'a str)>,
) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().connect_timeout(ANSWER).no_proxy().build()?;
    for (service, url) in services {
        let standing = match service {
            Service::NotificationService | Service::AnalyticsService | Service::SyncService => OPTIONAL,
            _ => CRITICAL,
        };
        health.add(service.name(), standing, Far::new(client.clone(), url, service));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use madrigal_core::Host;
    use madrigal_telemetry::Health;
    use serde_json::json;

    use super::*;

    async fn serving(document: Value) -> String {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/health", get(async move || axum::Json(document)));
        drop(tasks::spawn("health", async move { axum::serve(listener, router).await }));
        format!("http://{address}")
    }

    fn document(name: &str, status: &str) -> Value {
        json!({"status": status, "checks": {name: {"status": status, "milliseconds": 1, "detail": "said", "services": {}},
            "copies": {"status": "healthy", "milliseconds": 1, "detail": "0 behind", "services": {}}}})
    }

    #[tokio::test]
    async fn what_services_say_is_put_together_and_one_that_is_gone_is_named() {
        let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stopped = format!("http://{}", silent.local_addr().unwrap());
        let users = serving(document("database", "healthy")).await;
        let orders = serving(document("eventStore", "degraded")).await;
        let all = |sync: &str, order: &str| {
            let health = Health::new(Host::seeded(1));
            let services =
                [(Service::UserService, users.as_str()), (Service::OrderService, order), (Service::SyncService, sync)];
            ask_all(&health, services).unwrap();
            health
        };
        let sync = serving(document("consistency", "healthy")).await;
        let report = all(&sync, &orders).report().await;
        let told = |name: &str| (report.checks[name].status, report.checks[name].detail.as_str());
        assert_eq!((report.status, told("database")), (Status::Degraded, (Status::Healthy, "said")));
        assert_eq!((told("eventStore").0, told("consistency").0), (Status::Degraded, Status::Healthy));
        assert_eq!(report.checks["service"].services["sync-service"].detail, "copies: 0 behind");

        // It takes connections and says nothing, as a process that was stopped.
        let report = all(&stopped, &orders).report().await;
        assert_eq!((report.status, report.checks["consistency"].status), (Status::Degraded, Status::Degraded));
        let own = &report.checks["consistency"].services["sync-service"];
        assert_eq!((own.status, own.detail.as_str()), (Status::Unhealthy, "the service does not answer"));
        assert_eq!(all(&sync, &stopped).report().await.status, Status::Unhealthy, "without orders there is no shop");
    }
}

//! One reading of the whole shop: health, and for operators logs, metrics, sagas and projections.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::Timestamp;
use serde_json::Value;

use super::super::live::Asker;
use super::super::sagas::list::{self as sagas, Group};
use super::super::sagas::shapes::OPEN;
use super::super::{Console, projections};
use super::history::Sample;
use crate::inside::Refused;

/// The services whose logs operators may read.
pub(super) const LOGS: [&str; 4] = ["catalog-service", "order-service", "payment-service", "notification-service"];
/// The measure of requests, and the route that places orders.
const REQUESTS: &str = "http_request_duration_seconds_";
const PLACING: &str = "route=\"/v1/orders\"";

/// What was read. What could not be read is absent, never zero.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// `/health`.
    pub(super) health: Option<Value>,
    /// By service: the last position of its log.
    pub(super) ends: BTreeMap<&'static str, u64>,
    pub(super) orders: u64,
    pub(super) within: Vec<(f64, u64)>,
    /// Sagas that have not ended, by state.
    pub(super) sagas: Option<Vec<Group>>,
    /// All projections.
    pub(super) projections: Option<Vec<Value>>,
    /// When.
    pub(super) now: Timestamp,
}

impl Reading {
    pub(super) async fn take(console: &Console, asker: &Asker) -> Self {
        let health = health(asker);
        if !asker.operator {
            return Self { health: health.await, now: asker.now, ..Self::default() };
        }
        let ends = join_all(LOGS.iter().map(|service| end(console, asker, service)));
        let (health, ends, metrics, sagas, projections) = futures::join!(
            health,
            ends,
            async { asker.get("/metrics").send().await.ok() },
            async { sagas::read(asker, &OPEN, "").await.ok() },
            async { projections::list::read(asker).await.ok() },
        );
        let (orders, within) = metrics.and_then(|told| told.text().map(placed)).unwrap_or_default();
        Self { health, ends: ends.into_iter().flatten().collect(), orders, within, sagas, projections, now: asker.now }
    }

    pub(super) fn sample(&self, at: Timestamp) -> Sample {
        Sample {
            at,
            ends: self.ends.clone(),
            orders: self.orders,
            within: self.within.clone(),
            lag: self.furthest_lag(),
        }
    }

    /// Seconds by which the furthest view is behind.
    pub(super) fn furthest_lag(&self) -> f64 {
        let items = self.projections.as_deref().unwrap_or_default();
        items.iter().filter_map(|item| item["lag"]["seconds"].as_f64()).fold(0.0, f64::max)
    }

    /// The last position of a service's log.
    pub(super) fn end(&self, service: &str) -> Option<u64> {
        self.ends.get(service).copied()
    }

    /// How many sagas are in these states; with a plus where more are there than were read.
    pub(super) fn sagas_in(&self, states: &[&str]) -> String {
        let Some(groups) = &self.sagas else { return "unknown".to_owned() };
        let chosen = groups.iter().filter(|group| states.contains(&group.state));
        let count: usize = chosen.clone().map(|group| group.items.len()).sum();
        let more = if chosen.clone().any(|group| group.more) { "+" } else { "" };
        format!("{}{more}", super::number(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// How long the stillest saga of these states has made no progress.
    pub(super) fn stillest(&self, states: &[&str]) -> Option<Duration> {
        let groups = self.sagas.iter().flatten().filter(|group| states.contains(&group.state));
        groups.filter_map(|group| group.stillest(self.now)).max()
    }
}

/// `/health` answers 503 where something critical is down; its document says as much then too.
async fn health(asker: &Asker) -> Option<Value> {
    match asker.get("/health").send().await {
        Ok(told) => Some(told.body),
        Err(refused) => Some(refused.problem).filter(|document| document["checks"].is_object()),
    }
}

/// A log's end. Asked after the end that was last known: nothing is read then but the end.
async fn end(console: &Console, asker: &Asker, service: &'static str) -> Option<(&'static str, u64)> {
    let ask = |after: u64| asker.get(format!("/v1/logs/{service}/events?limit=1&after={after}")).send();
    let known = console.history.end(service);
    let told = match ask(known).await {
        // A log that was restored ends earlier than it did.
        Err(Refused { status, .. }) if status == http::StatusCode::BAD_REQUEST && known > 0 => ask(0).await,
        other => other,
    };
    Some((service, told.ok()?.body["end"].as_u64()?))
}

/// Of Prometheus' text: orders answered with 201 or 202, and how many of them within which time.
fn placed(metrics: &str) -> (u64, Vec<(f64, u64)>) {
    let mut orders = 0;
    let mut within: Vec<(f64, u64)> = Vec::new();
    for line in metrics.lines() {
        let Some(rest) = line.strip_prefix(REQUESTS) else { continue };
        let Some((labels, value)) = rest.rsplit_once(' ') else { continue };
        let placing = labels.contains(PLACING) && labels.contains("method=\"POST\"");
        let accepted = labels.contains("status=\"201\"") || labels.contains("status=\"202\"");
        let Ok(value) = value.parse::<u64>() else { continue };
        if !(placing && accepted) {
            continue;
        }
        if labels.starts_with("count") {
            orders += value;
        } else if let Some(bound) =
            labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next()?.parse::<f64>().ok())
        {
            match within.iter_mut().find(|(known, _)| (*known - bound).abs() < f64::EPSILON) {
                Some((_, count)) => *count += value,
                None if bound.is_finite() => within.push((bound, value)),
                None => {}
            }
        }
    }
    within.sort_by(|one, other| one.0.total_cmp(&other.0));
    (orders, within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_orders_are_counted_from_the_metrics() {
        let line = |kind: &str, method: &str, status: u16, le: &str, value: u64| {
            format!(
                "http_request_duration_seconds_{kind}{{service=\"order-service\",method=\"{method}\",route=\"/v1/orders\",status=\"{status}\"{le}}} {value}\n"
            )
        };
        let text = [
            line("bucket", "POST", 201, ",le=\"0.1\"", 5),
            line("bucket", "POST", 201, ",le=\"0.01\"", 3),
            line("bucket", "POST", 202, ",le=\"0.1\"", 1),
            line("bucket", "POST", 201, ",le=\"+Inf\"", 6),
            line("count", "POST", 201, "", 6),
            line("count", "POST", 202, "", 1),
            line("count", "POST", 409, "", 90),
            line("count", "GET", 200, "", 90),
        ];
        assert_eq!(placed(&text.concat()), (7, vec![(0.01, 3), (0.1, 6)]));
        assert_eq!(placed("nonsense"), (0, vec![]));
    }
}

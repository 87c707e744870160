//! What sync-service measures.

use std::time::Duration;

use madrigal_telemetry::names;

/// The service's name in measures.
const SERVICE: &str = "sync-service";

/// A row came into a copy so long after its owner had committed it.
pub(crate) fn synced(source: &str, target: &'static str, entity_type: &str, latency: Duration) {
    let labels =
        [("source", source.to_owned()), ("target", target.to_owned()), ("entity_type", entity_type.to_owned())];
    metrics::histogram!(names::DATA_SYNC_LATENCY, &labels).record(latency.as_secs_f64());
}

/// The newest event of a topic was so old when it was handled.
pub(crate) fn processed(topic: &str, age: Duration) {
    let labels = [("service", SERVICE.to_owned()), ("event_type", topic.to_owned())];
    metrics::gauge!(names::EVENT_PROCESSING_LAG, &labels).set(age.as_secs_f64());
}

/// So many keys of a topic are parked.
pub(crate) fn parked(topic: &str, keys: usize) {
    let keys = u32::try_from(keys).unwrap_or(u32::MAX);
    metrics::gauge!(names::PARKED_KEYS, "service" => SERVICE, "topic" => topic.to_owned()).set(f64::from(keys));
}

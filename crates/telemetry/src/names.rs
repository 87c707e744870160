//! The names of everything that is measured. Labels never hold ids.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Histogram {database, operation, table}: how long operations of a store took.
pub const DB_OPERATION_DURATION: &str = "db_operation_duration_seconds";
/// Gauge {service, `event_type`}: how old the newest event was when it was applied.
pub const EVENT_PROCESSING_LAG: &str = "event_processing_lag_seconds";
/// Gauge {service, `entity_type`}, 0 to 1: the share of compared entities that agree.
pub const DATA_CONSISTENCY_SCORE: &str = "data_consistency_score";
/// Histogram {source, target, `entity_type`}: from the change at the source to its copy at the target.
pub const DATA_SYNC_LATENCY: &str = "data_sync_latency_seconds";
/// Histogram {service, method, route, status}: how long requests took; `route` is the pattern.
pub const HTTP_REQUEST_DURATION: &str = "http_request_duration_seconds";
/// Gauge {service}: messages that wait in an outbox.
pub const OUTBOX_PENDING: &str = "outbox_pending";
/// Gauge {service}: how long the oldest message waits.
pub const OUTBOX_OLDEST_AGE: &str = "outbox_oldest_age_seconds";
/// Gauge {projection}: events that a view has not applied yet.
pub const PROJECTION_LAG_EVENTS: &str = "projection_lag_events";
/// Gauge {projection}: how long the oldest of them waits.
pub const PROJECTION_LAG_SECONDS: &str = "projection_lag_seconds";
/// Gauge {state}: sagas that are not over.
pub const SAGA_IN_FLIGHT: &str = "saga_in_flight";
/// Gauge: how long the oldest of them runs.
pub const SAGA_OLDEST_AGE: &str = "saga_oldest_age_seconds";
/// Gauge {projection}, {consumer} or {service, topic}: keys that wait for somebody because one of their events cannot be applied.
pub const PARKED_KEYS: &str = "parked_keys";
/// Gauge {pair, verdict}: compared rows.
pub const CONSISTENCY_ROWS: &str = "consistency_rows";
/// Gauge {pair}: when the last check ended, as a Unix time.
pub const CONSISTENCY_LAST_CHECK: &str = "consistency_last_check_timestamp_seconds";
/// Gauge {slot}: bytes of log that a database keeps for a slow consumer.
pub const CDC_SLOT_RETAINED: &str = "cdc_slot_retained_bytes";
/// Counter {cache, level, result}: look-ups in a cache.
pub const CACHE_REQUESTS: &str = "cache_requests_total";
/// Counter {cache, result}: values that a cache fetched.
pub const CACHE_LOADS: &str = "cache_loads_total";
/// Histogram {cache}: how long fetching took.
pub const CACHE_LOAD_DURATION: &str = "cache_load_duration_seconds";
/// Counter {cache}: expired values that were served because fetching failed.
pub const CACHE_STALE_SERVED: &str = "cache_stale_served_total";
/// Counter {cache}: keys that were invalidated.
pub const CACHE_INVALIDATIONS: &str = "cache_invalidations_total";
/// Gauge {cache}, 0 to 1: the share of sampled entries that agreed with their owner.
pub const CACHE_RIGHT_SHARE: &str = "cache_right_share";
/// Histogram {journal}: how long the disk took to make a batch durable.
pub const JOURNAL_FSYNC_DURATION: &str = "journal_fsync_duration_seconds";
/// Counter {rollup}: rows of rollups that differed from what the facts come to, and were mended.
pub const ROLLUPS_MENDED: &str = "rollups_mended_total";

/// Counter: spans that a collector took. Only where traces are sent.
pub const TRACE_SPANS_SENT: &str = "trace_spans_sent_total";
/// Counter {reason}: spans that nobody will see: `queue-full`, `not-taken`, `rejected`. Only where traces are sent.
pub const TRACE_SPANS_DROPPED: &str = "trace_spans_dropped_total";

/// Gauge {service, check}: 0 healthy, 1 degraded, 2 unhealthy; as `/health` says.
pub const HEALTH_CHECK: &str = "health_check";
/// Gauge {service}: bytes that can still be written in the service's directory.
pub const STORAGE_FREE: &str = "storage_free_bytes";

/// Tells the recorder what is measured where traces are sent; and that nothing was dropped yet, so that a rule sees the first.
pub(crate) fn describe_traces() {
    describe_counter!(TRACE_SPANS_SENT, "Spans that the collector took.");
    describe_counter!(TRACE_SPANS_DROPPED, "Spans that were not sent, by reason.");
    metrics::counter!(TRACE_SPANS_SENT).absolute(0);
    metrics::counter!(TRACE_SPANS_DROPPED, "reason" => "queue-full").absolute(0);
}

/// Tells the recorder what each name means.
pub(crate) fn describe() {
    describe_histogram!(DB_OPERATION_DURATION, Unit::Seconds, "How long operations of a store took.");
    describe_gauge!(EVENT_PROCESSING_LAG, Unit::Seconds, "How old the newest event was when it was applied.");
    describe_gauge!(DATA_CONSISTENCY_SCORE, "The share of compared entities that agree, 0 to 1.");
    describe_histogram!(DATA_SYNC_LATENCY, Unit::Seconds, "From the change at the source to its copy at the target.");
    describe_histogram!(HTTP_REQUEST_DURATION, Unit::Seconds, "How long requests took.");
    describe_gauge!(OUTBOX_PENDING, "Messages that wait in an outbox.");
    describe_gauge!(OUTBOX_OLDEST_AGE, Unit::Seconds, "How long the oldest message of an outbox waits.");
    describe_gauge!(PROJECTION_LAG_EVENTS, "Events that a view has not applied yet.");
    describe_gauge!(
        PROJECTION_LAG_SECONDS,
        Unit::Seconds,
        "How long the oldest event that a view has not applied waits."
    );
    describe_gauge!(SAGA_IN_FLIGHT, "Sagas that are not over.");
    describe_gauge!(SAGA_OLDEST_AGE, Unit::Seconds, "How long the oldest saga that is not over runs.");
    describe_gauge!(PARKED_KEYS, "Keys that wait for somebody because one of their events cannot be applied.");
    describe_gauge!(CONSISTENCY_ROWS, "Compared rows, by verdict.");
    describe_gauge!(CONSISTENCY_LAST_CHECK, Unit::Seconds, "When the last check ended, as a Unix time.");
    describe_gauge!(CDC_SLOT_RETAINED, Unit::Bytes, "Bytes of log that a database keeps for a slow consumer.");
    describe_counter!(CACHE_REQUESTS, "Look-ups in a cache, by level and result.");
    describe_counter!(CACHE_LOADS, "Values that a cache fetched, by result.");
    describe_histogram!(CACHE_LOAD_DURATION, Unit::Seconds, "How long a cache's fetching took.");
    describe_counter!(CACHE_STALE_SERVED, "Expired values that were served because fetching failed.");
    describe_counter!(CACHE_INVALIDATIONS, "Keys of a cache that were invalidated.");
    describe_gauge!(CACHE_RIGHT_SHARE, "The share of sampled entries that agreed with their owner, 0 to 1.");
    describe_counter!(ROLLUPS_MENDED, "Rows of rollups that differed from what the facts come to, and were mended.");
    describe_gauge!(HEALTH_CHECK, "How a service's check is: 0 healthy, 1 degraded, 2 unhealthy.");
    describe_gauge!(STORAGE_FREE, Unit::Bytes, "Bytes that can still be written in the service's directory.");
    describe_histogram!(JOURNAL_FSYNC_DURATION, Unit::Seconds, "How long the disk took to make a batch durable.");
}

//! What is sent: OTLP's `ExportTraceServiceRequest` as JSON, a resource per service.
//!
//! # Source
//! opentelemetry-proto 1.x, `trace.proto`, `resource.proto`, `common.proto`; OTLP specification, *JSON Protobuf Encoding*
//! (ids in hexadecimal, 64-bit numbers as texts, kinds and codes as numbers).

use std::collections::BTreeMap;

use madrigal_core::spans::{AttributeValue, EndedSpan, SpanKind, TraceContext};
use serde::Serialize;

/// The code of a status that says *failed*.
const STATUS_ERROR: u8 = 2;

/// What is said of every service of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// What services' names begin with, with the dash.
    pub(super) prefix: String,
    pub(super) attributes: Vec<(String, String)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<Span<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    dropped_links_count: u32,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    trace_id: String,
    span_id: String,
}

#[derive(Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: Value<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value<'a> {
    StringValue(&'a str),
    IntValue(String),
}

/// The body of a request with these spans.
pub(super) fn body(said: &Said, spans: &[EndedSpan]) -> serde_json::Result<Vec<u8>> {
    let mut by_service: BTreeMap<&'static str, Vec<&EndedSpan>> = BTreeMap::new();
    for span in spans {
        by_service.entry(span.service).or_default().push(span);
    }
    let named = |(service, spans)| (format!("{}{service}", said.prefix), spans);
    let grouped: Vec<(String, Vec<&EndedSpan>)> = by_service.into_iter().map(named).collect();
    let resource_spans = grouped.iter().map(|(name, spans)| ResourceSpans {
        resource: resource(said, name),
        scope_spans: [ScopeSpans {
            scope: Scope { name: "madrigal", version: env!("CARGO_PKG_VERSION") },
            spans: spans.iter().map(|span| encoded(span)).collect(),
        }],
    });
    serde_json::to_vec(&Request { resource_spans: resource_spans.collect() })
}

fn resource<'a>(said: &'a Said, name: &'a str) -> Resource<'a> {
    let text = |key, value| Attribute { key, value: Value::StringValue(value) };
    let mut attributes = vec![
        text("service.name", name),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("telemetry.sdk.name", "madrigal"),
        text("telemetry.sdk.language", "rust"),
    ];
    attributes.extend(said.attributes.iter().map(|(key, value)| text(key, value)));
    Resource { attributes }
}

fn encoded(span: &EndedSpan) -> Span<'_> {
    let began = u128::try_from(span.began.as_micros()).unwrap_or_default() * 1_000;
    Span {
        trace_id: span.context.trace.to_string(),
        span_id: span.context.span.to_string(),
        parent_span_id: span.parent.map(|parent| parent.to_string()),
        name: &span.name,
        kind: match span.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
            SpanKind::Consumer => 5,
        },
        start_time_unix_nano: began.to_string(),
        end_time_unix_nano: (began + span.took.as_nanos()).to_string(),
        attributes: span.attributes.iter().map(|(key, value)| Attribute { key, value: shown(value) }).collect(),
        links: span.links.iter().map(link).collect(),
        dropped_links_count: span.dropped_links,
        status: Status { code: span.failed.map(|_| STATUS_ERROR), message: span.failed },
    }
}

fn shown(value: &AttributeValue) -> Value<'_> {
    match value {
        AttributeValue::Text(text) => Value::StringValue(text),
        AttributeValue::Number(number) => Value::IntValue(number.to_string()),
    }
}

fn link(context: &TraceContext) -> Link {
    Link { trace_id: context.trace.to_string(), span_id: context.span.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use madrigal_core::Timestamp;
    use madrigal_core::spans::{SpanId, TraceId};
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_are_written_as_otlp_has_them() {
        let context = TraceContext { trace: TraceId([0xab; 16]), span: SpanId([0xcd; 8]), sampled: true };
        let span = EndedSpan {
            context,
            parent: Some(SpanId([1; 8])),
            service: "order-service",
            name: "step process-payment".to_owned(),
            kind: SpanKind::Internal,
            began: Timestamp::from_micros(1_000_000),
            took: Duration::from_nanos(2_500),
            attributes: vec![("madrigal.saga.attempt", 2_u32.into())],
            links: vec![context],
            dropped_links: 3,
            failed: Some("rejected"),
        };
        let other = EndedSpan { service: "gateway", parent: None, failed: None, links: vec![], ..span.clone() };
        let said = Said { prefix: "staging-".to_owned(), attributes: vec![("a".to_owned(), "b".to_owned())] };
        let written: serde_json::Value = serde_json::from_slice(&body(&said, &[span, other]).unwrap()).unwrap();
        let services = [0, 1].map(|at| written["resourceSpans"][at]["resource"]["attributes"][0].clone());
        let named = |name| json!({"key": "service.name", "value": {"stringValue": name}});
        assert_eq!(services, [named("staging-gateway"), named("staging-order-service")]);
        let expected = json!({
            "traceId": "abababababababababababababababab", "spanId": "cdcdcdcdcdcdcdcd", "parentSpanId": "0101010101010101",
            "name": "step process-payment", "kind": 1,
            "startTimeUnixNano": "1000000000", "endTimeUnixNano": "1000002500",
            "attributes": [{"key": "madrigal.saga.attempt", "value": {"intValue": "2"}}],
            "links": [{"traceId": "abababababababababababababababab", "spanId": "cdcdcdcdcdcdcdcd"}],
            "droppedLinksCount": 3, "status": {"code": 2, "message": "rejected"},
        });
        assert_eq!(written["resourceSpans"][1]["scopeSpans"][0]["spans"][0], expected);
    }
}

//! The trace that a request belongs to: the one that it came with, or a new one; and its span.

use http::Method;
use madrigal_core::Host;
use madrigal_core::spans::{self, Doing, Span, SpanId, TraceContext, TraceId};

use super::measure::known;

/// Paths that would tell nothing: what watches the shop asks every few seconds, readers of topics wait for half a minute.
/// Calls of services have spans of their own at both ends.
const SILENT: [&str; 5] = ["/livez", "/readyz", "/health", "/metrics", "/internal/"];

/// A request's place in its trace.
pub(super) struct Traced {
    /// What the request's own work is named by.
    pub(super) context: TraceContext,
    pub(super) span: Span,
}

/// The request's span, as part of the trace that it came with, if `incoming` is a valid `traceparent`.
pub(super) fn begin(
    incoming: Option<&str>,
    service: &'static str,
    method: &Method,
    route: Option<&str>,
    host: &Host,
) -> Traced {
    let incoming = incoming.and_then(TraceContext::parse);
    let silent = route.is_some_and(|route| SILENT.iter().any(|path| route.starts_with(path)));
    // Work without a span of its own belongs to the span that it was asked by.
    if let Some(incoming) = incoming.filter(|_| silent && spans::are_kept()) {
        return Traced { context: incoming, span: Span::none() };
    }
    let trace = incoming.map_or_else(|| TraceId::new(host), |incoming| incoming.trace);
    let sampled = spans::are_sampled(trace, incoming.map(|incoming| incoming.sampled));
    let context = TraceContext { trace, span: SpanId::new(host), sampled };
    if silent {
        return Traced { context, span: Span::none() };
    }
    let parent = incoming.map(|incoming| incoming.span);
    let (method, route) = (known(method), route.unwrap_or("unknown path"));
    let mut span = Span::of(context, parent, service, Doing::Request, || format!("{method} {route}"));
    span.note("http.request.method", || method);
    span.note("http.route", || route);
    Traced { context, span }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn continued(incoming: Option<&str>) -> TraceContext {
        begin(incoming, "shop", &Method::GET, Some("/v1/orders"), &Host::seeded(1)).context
    }

    #[test]
    fn a_valid_trace_is_continued_with_a_span_of_its_own_and_another_is_replaced() {
        let incoming = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let ours = continued(Some(incoming)).to_text();
        assert_eq!((&ours[..36], &ours[52..]), (&incoming[..36], "-00"));
        assert_ne!(ours[36..52], incoming[36..52]);
        for odd in [None, Some(""), Some("00-ab"), Some("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01")] {
            let fresh = continued(odd);
            assert!(fresh.sampled && TraceContext::parse(&fresh.to_text()) == Some(fresh), "{odd:?}");
        }
    }
}

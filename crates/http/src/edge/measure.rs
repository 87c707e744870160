//! `http_request_duration_seconds`, with its handles kept per route.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{Method, StatusCode};
use metrics::{Histogram, Label};

/// The most combinations of method and status that one route keeps handles for.
const KEPT_HANDLES: usize = 64;

/// The histograms of one route.
pub(super) struct RouteMetrics {
    service: &'static str,
    handles: RwLock<Vec<Kept>>,
}

struct Kept {
    method: &'static str,
    status: StatusCode,
    route: Arc<str>,
    histogram: Histogram,
}

impl RouteMetrics {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, handles: RwLock::default() }
    }

    /// Records one request. `route` is the route's pattern, never the path: no ids in labels.
    pub(super) fn record(&self, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
        let method = known(method);
        let route = route.unwrap_or("none");
        {
            let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
            let kept =
                handles.iter().find(|kept| kept.method == method && kept.status == status && *kept.route == *route);
            if let Some(kept) = kept {
                return kept.histogram.record(took.as_secs_f64());
            }
        }
        let labels = vec![
            Label::from_static_parts("service", self.service),
            Label::from_static_parts("method", method),
            Label::new("route", route.to_owned()),
            Label::new("status", status.as_str().to_owned()),
        ];
        let histogram = metrics::histogram!("http_request_duration_seconds", labels);
        histogram.record(took.as_secs_f64());
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        if handles.len() < KEPT_HANDLES {
            handles.push(Kept { method, status, route: route.into(), histogram });
        }
    }
}

/// Methods are the client's choice, so only known ones become labels.
pub(super) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

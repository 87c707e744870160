//! The one layer in which all layers are, so that a request pays for one box and one extension.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use madrigal_core::{CallContext, Host, tasks};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use super::context::{CORRELATION_ID, TRACEPARENT, call_context, text};
use super::measure::RouteMetrics;
use super::rate::RateLimit;
use super::{Edge, EdgeContext, Limits, errors, trace};
use crate::auth::{Presented, Role, TokenError, TokenVerifier};
use crate::problem::{self, Problem};

/// Makes an [`EdgeService`] of every route.
#[derive(Clone)]
pub(super) struct EdgeLayer {
    shared: Arc<Shared>,
}

struct Shared {
    service: &'static str,
    /// Whose spans requests have.
    port: &'static str,
    verifier: Arc<TokenVerifier>,
    host: Host,
    limits: Arc<Limits>,
    in_flight: Semaphore,
    rate: RateLimit<CallerKey>,
}

/// Whom the rate is counted for.
#[derive(PartialEq, Eq, Hash)]
enum CallerKey {
    Subject(Role, String),
    Peer(IpAddr),
    /// Requests over no socket and without a token.
    Nobody,
}

impl EdgeLayer {
    pub(super) fn new(edge: &Edge, service: &'static str) -> Self {
        let shared = Shared {
            service,
            port: edge.port.unwrap_or(service),
            verifier: Arc::clone(&edge.verifier),
            host: edge.host.clone(),
            in_flight: Semaphore::new(edge.limits.in_flight.min(Semaphore::MAX_PERMITS)),
            rate: RateLimit::new(edge.limits.per_caller_per_second),
            limits: Arc::new(edge.limits.clone()),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = EdgeService<S>;

    fn layer(&self, inner: S) -> EdgeService<S> {
        let metrics = Arc::new(RouteMetrics::new(self.shared.service));
        EdgeService { inner, shared: Arc::clone(&self.shared), metrics }
    }
}

/// One route with the edge around it.
#[derive(Clone)]
pub(super) struct EdgeService<S> {
    inner: S,
    shared: Arc<Shared>,
    metrics: Arc<RouteMetrics>,
}

impl<S> Service<Request> for EdgeService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // The ready one is used, and a clone waits for the next request (tower's contract).
        let waiting = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, waiting);
        let (shared, metrics) = (Arc::clone(&self.shared), Arc::clone(&self.metrics));
        Box::pin(async move {
            let started = tasks::instant();
            let method = request.method().clone();
            let uri = request.uri().clone();
            let route = request.extensions().get::<MatchedPath>().cloned();
            let presented = shared.presented(request.headers());
            let traced = {
                let incoming = text(request.headers(), &TRACEPARENT);
                let route = route.as_ref().map(MatchedPath::as_str);
                trace::begin(incoming, shared.port, &method, route, &shared.host)
            };
            let trace::Traced { context, mut span } = traced;
            let call = call_context(request.headers(), &presented, context.to_text(), &shared.host);
            let trace_id = context.trace.to_string();
            let outgoing = Outgoing::of(&call);

            let permit = shared.in_flight.try_acquire();
            let admitted = match &permit {
                Ok(_) => shared.admit(&request, &presented),
                Err(_) => Err(problem::overloaded()),
            };
            let response = match admitted {
                Ok(peer) => {
                    let context = EdgeContext::new(presented, peer, call, Arc::clone(&shared.limits));
                    request.extensions_mut().insert(context);
                    match AssertUnwindSafe(async { inner.call(request).await }).catch_unwind().await {
                        Ok(Ok(response)) => response,
                        Err(panic) => {
                            let text = panic_text(&*panic);
                            tracing::error!(panic = text, path = uri.path(), trace_id, "a handler panicked");
                            problem::internal().into_response()
                        }
                    }
                }
                Err(problem) => problem.into_response(),
            };
            drop(permit);

            let mut response = errors::complete(response, uri.path(), Some(&trace_id)).await;
            outgoing.tell(response.headers_mut());
            let took = started.elapsed();
            let status = response.status();
            let route = route.as_ref().map(MatchedPath::as_str);
            metrics.record(&method, route, status, took);
            span.note("http.response.status_code", || u32::from(status.as_u16()));
            if status.is_server_error() {
                span.fail("answered with an error of the server");
            }
            drop(span);
            tracing::debug!(
                service = shared.service,
                %method,
                route = route.unwrap_or("none"),
                status = status.as_u16(),
                duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                trace_id,
                "answered"
            );
            Ok(response)
        })
    }
}

impl Shared {
    fn presented(&self, headers: &HeaderMap) -> Presented {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Presented::Nothing;
        };
        // Two tokens would leave open which one counts.
        if values.next().is_some() {
            return Presented::Invalid(TokenError::Malformed);
        }
        let token = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match token.ok_or(TokenError::Malformed).and_then(|token| self.verifier.verify(token, self.host.now())) {
            Ok(claims) => Presented::Valid(claims),
            Err(error) => Presented::Invalid(error),
        }
    }

    fn admit(&self, request: &Request, presented: &Presented) -> Result<Option<IpAddr>, Problem> {
        let path = request.uri().path();
        if path.contains('%') {
            let decoded = percent_decode_str(path).decode_utf8();
            if !decoded.is_ok_and(|path| !path.contains('\0')) {
                return Err(problem::invalid_path(
                    "The path must be UTF-8, percent-encoded, without the character NUL.",
                ));
            }
        }
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let key = match (presented, peer) {
            (Presented::Valid(claims), _) if claims.role == Role::Service => return Ok(peer),
            (Presented::Valid(claims), _) => CallerKey::Subject(claims.role, claims.sub.clone()),
            (_, Some(peer)) => CallerKey::Peer(peer),
            (_, None) => CallerKey::Nobody,
        };
        self.rate.take(key).map(|()| peer).map_err(problem::too_many_requests)
    }
}

/// Headers that every answer carries.
struct Outgoing {
    correlation_id: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl Outgoing {
    fn of(call: &CallContext) -> Self {
        Self {
            correlation_id: HeaderValue::try_from(call.correlation_id.as_str()).ok(),
            traceparent: call.traceparent.as_deref().and_then(|text| HeaderValue::try_from(text).ok()),
        }
    }

    fn tell(self, headers: &mut HeaderMap) {
        if let Some(value) = self.correlation_id {
            headers.insert(CORRELATION_ID, value);
        }
        if let Some(value) = self.traceparent {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}

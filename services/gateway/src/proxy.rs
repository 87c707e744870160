//! The way to a service in another process.
//!
//! What a client may conclude from an error is the point of this file. If no connection came about, nothing was done, and the
//! problem says so. If a connection broke or an answer did not come in time, whatever was asked for may have been done: a read
//! can just be repeated, a change has to be repeated with the same `Idempotency-Key`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::CONTENT_LENGTH;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};
use http_body_util::LengthLimitError;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use madrigal_core::spans::{Doing, Span};
use madrigal_core::{CallContext, tasks};
use madrigal_http::edge::{EdgeContext, Limits};
use madrigal_http::{MaybeCaller, Problem, problem};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;

use crate::parts::GatewayError;
use crate::table::{self, Declared};

mod headers;
mod refusals;
mod streams;

/// How long a service has for the head of its answer, and how long its answer's body may pause. Longer than the 30 s that a
/// request may ask to wait (`Prefer: wait=30`).
const PATIENCE: Duration = Duration::from_secs(35);
/// How long an import has for the head of its answer.
const IMPORT_PATIENCE: Duration = Duration::from_secs(600);
/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long an idle connection is kept. Servers close theirs after 30 s; closing earlier avoids sending into a closing one.
const IDLE_TIME: Duration = Duration::from_secs(15);
/// The most requests that one service is asked at the same time; more are refused with 503.
const IN_FLIGHT: usize = 1_024;

/// A service in another process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Parts>);

struct Parts {
    service: &'static str,
    authority: Authority,
    client: Client<HttpConnector, Body>,
    places: Arc<Semaphore>,
    body_limit: usize,
    patience: Duration,
    pause: Duration,
}

impl Proxy {
    pub(crate) fn new(service: &'static str, base_url: &str, limits: &Limits) -> Result<Self, GatewayError> {
        Self::with_patience(service, base_url, limits, [PATIENCE; 2])
    }

    fn with_patience(
        service: &'static str,
        base_url: &str,
        limits: &Limits,
        [patience, pause]: [Duration; 2],
    ) -> Result<Self, GatewayError> {
        let refused = || GatewayError::BaseUrl { service, url: base_url.to_owned() };
        let parts = base_url.parse::<Uri>().map_err(|_| refused())?.into_parts();
        let bare = parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/");
        let authority = match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority)) if scheme == Scheme::HTTP && bare => authority,
            _ => return Err(refused()),
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .build(connector);
        let places = Arc::new(Semaphore::new(IN_FLIGHT));
        Ok(Self(Arc::new(Parts { service, authority, client, places, body_limit: limits.body_bytes, patience, pause })))
    }

    /// Sends the request on and answers what the service answers.
    async fn forward(
        &self,
        entry: &'static Declared,
        edge: &EdgeContext,
        request: Request,
    ) -> Result<Response, Problem> {
        let parts = &*self.0;
        let place = Arc::clone(&parts.places).try_acquire_owned().map_err(|_| problem::overloaded())?;
        let limit = (!entry.streamed).then_some(parts.body_limit);
        let method = request.method().clone();
        let mut span = Span::begin("gateway", Doing::PassOn, parts.service, edge.call().traceparent.as_deref());
        let entered = span.entered(edge.call());
        let request = self.readdressed(request, edge, entered.as_ref(), limit)?;
        let patience = if entry.streamed { IMPORT_PATIENCE } else { parts.patience };
        let answered = tasks::within(patience, parts.client.request(request)).await;
        if !matches!(answered, Some(Ok(_))) {
            span.fail("no answer");
        }
        // Its body may take as long as it likes.
        drop(span);
        let answer = match answered {
            None => return Err(refusals::too_slow(parts.service, &method, patience)),
            Some(Err(error)) if is_too_long(&error) => return Err(problem::body_too_large(parts.body_limit)),
            Some(Err(error)) if error.is_connect() => return Err(refusals::not_connected(parts.service, &error)),
            Some(Err(error)) => return Err(refusals::cut(parts.service, &method, &error)),
            Some(Ok(answer)) => answer,
        };
        let (mut head, body) = answer.into_parts();
        headers::drop_one_hop(&mut head.headers);
        // An answer to HEAD has no body, and its length must still be told.
        let body = if method == Method::HEAD { Body::empty() } else { streams::outgoing(body, parts.pause, place) };
        head.extensions.clear();
        Ok(Response::from_parts(head, body))
    }

    fn readdressed(
        &self,
        request: Request,
        edge: &EdgeContext,
        call: Option<&CallContext>,
        limit: Option<usize>,
    ) -> Result<Request, Problem> {
        let (mut head, body) = request.into_parts();
        if let Some(limit) = limit
            && declared_length(&head.headers).is_some_and(|length| length > limit as u64)
        {
            return Err(problem::body_too_large(limit));
        }
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        head.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.0.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|_| problem::invalid_path("The path cannot be sent on."))?;
        headers::make_ours(&mut head.headers, edge.peer(), call.unwrap_or_else(|| edge.call()));
        head.version = http::Version::HTTP_11;
        head.extensions.clear();
        Ok(Request::from_parts(head, streams::incoming(body, limit)))
    }
}

/// The routes of the table that belong to the proxy's service.
pub(crate) fn router(proxy: &Proxy) -> Router {
    let service = proxy.0.service;
    table::TABLE
        .iter()
        .filter(|entry| entry.service == service)
        .fold(Router::new(), |router, entry| router.route(entry.path, any(pass_on).with_state((proxy.clone(), entry))))
}

/// A bad token is refused here already; none at all may be right, the service knows.
async fn pass_on(
    State((proxy, entry)): State<(Proxy, &'static Declared)>,
    edge: EdgeContext,
    MaybeCaller(_): MaybeCaller,
    request: Request,
) -> Response {
    if has_dot_segments(request.uri().path()) {
        return problem::invalid_path("The path must not have the segments . and ..").into_response();
    }
    proxy.forward(entry, &edge, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// Whoever stands between us and the service must not read another path out of this one.
fn has_dot_segments(path: &str) -> bool {
    let dots = |segment: &str| matches!(&*percent_decode_str(segment).decode_utf8_lossy(), "." | "..");
    path.split('/').any(dots)
}

fn declared_length(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;

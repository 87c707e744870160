//! The layers around every service's router, in one place and in one order.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use http::Extensions;
use http::request::Parts;
use madrigal_core::{CallContext, Host};

use crate::auth::{Presented, TokenVerifier};
use crate::problem::Problem;

mod context;
mod errors;
mod measure;
mod rate;
mod service;
mod trace;

pub use context::{CAUSATION_ID, CORRELATION_ID, DEADLINE_MS, TRACEPARENT, USER};
pub(crate) use service::panic_text;

/// What one edge allows. Every wrapped router counts for itself.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest body, in bytes: 1 MiB.
    pub body_bytes: usize,
    /// How long a body may take to arrive: 10 s.
    pub body_time: Duration,
    /// How many requests are answered at the same time: 4,096. More are refused with 503.
    pub in_flight: usize,
    /// How many requests per second one caller (a token's subject, else the peer's address) may send on average, and at once:
    /// 20,000. More are refused with 429. Services are not limited.
    pub per_caller_per_second: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        const PER_CALLER: NonZeroU32 = NonZeroU32::new(20_000).unwrap();
        Self {
            body_bytes: 1024 * 1024,
            body_time: Duration::from_secs(10),
            in_flight: 4_096,
            per_caller_per_second: PER_CALLER,
        }
    }
}

/// What is the same for every router: who is believed, the machine, the limits.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Verifies the callers' tokens.
    pub verifier: Arc<TokenVerifier>,
    /// Clock and randomness.
    pub host: Host,
    /// What is allowed.
    pub limits: Limits,
    /// Whose port requests come in at, for their spans, where it is not the service's own.
    pub port: Option<&'static str>,
}

impl Edge {
    /// An edge with the default limits.
    pub fn new(verifier: Arc<TokenVerifier>, host: Host) -> Self {
        Self { verifier, host, limits: Limits::default(), port: None }
    }

    /// The router with all layers, measured as service `shop`.
    pub fn wrap(&self, router: Router) -> Router {
        self.wrap_service("shop", router)
    }

    /// The router with all layers around every route that it has now, and around its answer to unknown paths.
    ///
    /// From the outside in: measuring and logging; panics become 500; the path must be UTF-8 without NUL (400); requests in
    /// flight (503); the token; requests per caller (429); correlation and trace; and on the way out, whatever error is not
    /// a problem document becomes one (404, 405 with `Allow`, refusals of axum's own extractors).
    pub fn wrap_service(&self, service: &'static str, router: Router) -> Router {
        router.layer(service::EdgeLayer::new(self, service)).layer(DefaultBodyLimit::max(self.limits.body_bytes))
    }
}

/// What the edge found out about a request; handlers see it through extractors.
#[derive(Debug, Clone)]
pub struct EdgeContext(Arc<Found>);

#[derive(Debug)]
struct Found {
    presented: Presented,
    peer: Option<IpAddr>,
    call: CallContext,
    limits: Arc<Limits>,
}

impl EdgeContext {
    fn new(presented: Presented, peer: Option<IpAddr>, call: CallContext, limits: Arc<Limits>) -> Self {
        Self(Arc::new(Found { presented, peer, call, limits }))
    }

    /// The context of the request with these extensions; `None` outside of [`Edge::wrap`].
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The limits of this edge.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The address that the request came from; `None` where it came over no socket.
    pub fn peer(&self) -> Option<IpAddr> {
        self.0.peer
    }

    /// The context for calls that this request makes.
    pub fn call(&self) -> &CallContext {
        &self.0.call
    }

    pub(crate) fn presented(&self) -> &Presented {
        &self.0.presented
    }
}

impl<S: Send + Sync> FromRequestParts<S> for EdgeContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.extensions).cloned().ok_or_else(|| {
            tracing::error!("a router that asks for its context is served without Edge::wrap");
            crate::problem::internal()
        })
    }
}

/// The context for calls that this request makes: correlation, trace, on whose behalf, and until when.
///
/// The correlation is the request's `X-Correlation-Id` or a new one. Causation, behalf and deadline are taken from headers of
/// services only; otherwise the caller acts on their own behalf.
#[derive(Debug, Clone)]
pub struct Context(pub CallContext);

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        EdgeContext::from_request_parts(parts, state).await.map(|context| Self(context.call().clone()))
    }
}

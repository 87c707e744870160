//! What one service answers.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use futures::FutureExt;
use madrigal_core::spans::{Doing, Span};
use madrigal_core::{CallContext, Fault, FaultRetry, tasks};

use super::over_http;
use super::{Answer, Call};
use crate::edge::panic_text;

/// The calls that one service answers, by type for callers in the process and by name for HTTP.
pub struct Calls {
    service: &'static str,
    by_type: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    by_name: BTreeMap<&'static str, Arc<dyn Named>>,
}

/// A handler whose types are hidden behind JSON.
#[async_trait]
pub(super) trait Named: Send + Sync {
    fn limit(&self) -> Duration;
    async fn answer_json(&self, service: &'static str, context: CallContext, call: &[u8]) -> Result<Bytes, Fault>;
}

struct NamedAnswer<C: Call>(Arc<dyn Answer<C>>);

impl Calls {
    /// No calls yet, of `service` (`catalog-service`).
    pub fn new(service: &'static str) -> Self {
        Self { service, by_type: HashMap::new(), by_name: BTreeMap::new() }
    }

    /// The same, answering calls of type `C` with `handler`; a later handler of the same call replaces the earlier.
    #[must_use]
    pub fn on<C: Call>(mut self, handler: Arc<impl Answer<C>>) -> Self {
        let handler: Arc<dyn Answer<C>> = handler;
        self.by_type.insert(TypeId::of::<C>(), Box::new(Arc::clone(&handler)));
        self.by_name.insert(C::NAME, Arc::new(NamedAnswer(handler)));
        self
    }

    /// The service that answers.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The names of the calls that are answered.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.by_name.keys().copied()
    }

    /// `POST /internal/calls/<service>/<name>`, for services only; without the edge's layers, which it needs. The path
    /// carries the service's name so that several services can share one port.
    pub fn router(self: Arc<Self>) -> Router {
        over_http::router(self)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Arc<dyn Named>> {
        self.by_name.get(name)
    }

    /// Hands the call over, without serialising it.
    pub(super) async fn hand_over<C: Call>(&self, context: CallContext, call: C) -> Result<C::Answer, Fault> {
        let handler =
            self.by_type.get(&TypeId::of::<C>()).and_then(|handler| handler.downcast_ref::<Arc<dyn Answer<C>>>());
        let Some(handler) = handler else {
            return Err(not_answered(self.service, C::NAME));
        };
        answer_within(self.service, handler.as_ref(), context, call).await
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("service", &self.service).field("names", &self.by_name.keys()).finish()
    }
}

#[async_trait]
impl<C: Call> Named for NamedAnswer<C> {
    fn limit(&self) -> Duration {
        C::LIMIT
    }

    async fn answer_json(&self, service: &'static str, context: CallContext, call: &[u8]) -> Result<Bytes, Fault> {
        let call: C = serde_json::from_slice(call).map_err(|error| {
            // The two sides were built from different contracts: repeating it changes nothing.
            Fault::permanent(service, C::NAME, format!("the call is not understood: {error}"))
        })?;
        let answer = answer_within(service, self.0.as_ref(), context, call).await?;
        serde_json::to_vec(&answer).map(Bytes::from).map_err(|error| {
            Fault::unknown(service, C::NAME, format!("the answer cannot be written: {error}"))
                .with_retry(FaultRetry::Never)
        })
    }
}

/// Answers within the call's limit and the context's deadline; a panic is a fault.
async fn answer_within<C: Call>(
    service: &'static str,
    handler: &dyn Answer<C>,
    mut context: CallContext,
    call: C,
) -> Result<C::Answer, Fault> {
    let limit = remaining(C::LIMIT, &context);
    if limit.is_zero() {
        return Err(too_late(service, C::NAME));
    }
    context.deadline = Some(tasks::instant() + limit);
    let mut span = Span::begin(service, Doing::Answer, C::NAME, context.traceparent.as_deref());
    span.enter(&mut context);
    let answered = AssertUnwindSafe(handler.answer(context, call)).catch_unwind();
    let answered = tasks::within(limit, answered).await;
    if !matches!(answered, Some(Ok(Ok(_)))) {
        span.fail("no answer");
    }
    match answered {
        Some(Ok(Ok(answer))) => Ok(answer),
        Some(Ok(Err(fault))) => Err(of_service(service, C::NAME, &fault)),
        Some(Err(panic)) => {
            let text = panic_text(&*panic).to_owned();
            tracing::error!(service, call = C::NAME, panic = text, "a handler of a call panicked");
            Err(Fault::unknown(service, C::NAME, "the handler panicked"))
        }
        None => Err(timed_out(service, C::NAME)),
    }
}

/// How long to wait for an answer now.
pub(super) fn remaining(limit: Duration, context: &CallContext) -> Duration {
    let until = context.deadline.map(|deadline| deadline.saturating_duration_since(tasks::instant()));
    until.map_or(limit, |until| until.min(limit))
}

pub(super) fn not_answered(service: &'static str, name: &'static str) -> Fault {
    Fault::permanent(service, name, "the service does not answer this call")
}

pub(super) fn too_late(service: &'static str, name: &'static str) -> Fault {
    Fault::not_applied(service, name, "the deadline had passed before the call was made")
}

pub(super) fn timed_out(service: &'static str, name: &'static str) -> Fault {
    Fault::unknown(service, name, "no answer within the time limit")
}

/// The handler's fault as the caller sees it, the same over every transport.
pub(super) fn of_service(service: &'static str, name: &'static str, fault: &Fault) -> Fault {
    Fault {
        engine: service,
        operation: name,
        retry: fault.retry,
        outcome: fault.outcome,
        cause: fault.cause,
        source: fault.chain().into(),
    }
}

//! A neighbour: some service's calls, wherever it runs.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use madrigal_core::spans::{Doing, Span};
use madrigal_core::tasks::Instant;
use madrigal_core::{CallContext, Fault, FaultCause, FaultRetry, tasks};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answering::{not_answered, remaining, timed_out, too_late};
use super::over_http::HttpTransport;
use super::switch::{Setting, Switch};
use super::{Call, Calls, MAX_CALL_BYTES};
use crate::auth::ServiceToken;

/// A service that can be called; cheap to clone.
#[derive(Clone)]
pub struct Neighbour {
    transport: Transport,
    switch: Option<Switch>,
    /// Who calls, for spans.
    caller: Option<&'static str>,
    /// When a call was last refused for want of room, and why.
    no_room: Arc<Mutex<Option<(Instant, FaultCause)>>>,
}

/// How long a service counts as without room after it said so: callers of much ask again after that.
const NO_ROOM: Duration = Duration::from_secs(2);

#[derive(Clone)]
enum Transport {
    InProcess(Arc<Calls>),
    RoundTrip(Arc<Calls>),
    Http(Arc<HttpTransport>),
    Later(&'static str, Arc<OnceLock<Neighbour>>),
}

/// Says where a neighbour of [`Neighbour::later`] is.
#[derive(Debug, Clone)]
pub struct LateNeighbour(Arc<OnceLock<Neighbour>>);

impl LateNeighbour {
    /// From now on calls go to `neighbour`; only the first binding counts.
    pub fn is(&self, neighbour: Neighbour) {
        // A second binding would send the same caller to two places.
        let _ = self.0.set(neighbour);
    }
}

impl Neighbour {
    /// A service in this process: calls and answers are handed over as they are.
    pub fn in_process(calls: Arc<Calls>) -> Self {
        Self::over(Transport::InProcess(calls))
    }

    /// A service in this process, with calls and answers written to JSON and read again, so that tests see what HTTP would do.
    pub fn round_trip(calls: Arc<Calls>) -> Self {
        Self::over(Transport::RoundTrip(calls))
    }

    /// A service at `base_url` (`http://127.0.0.1:8081`), called with this token.
    ///
    /// Connections are kept, at most 64 idle ones for 10 s; connecting takes at most 2 s.
    pub fn http(service: &'static str, base_url: String, token: Arc<dyn ServiceToken>) -> Self {
        Self::over(Transport::Http(Arc::new(HttpTransport::new(service, base_url, token))))
    }

    /// A service that is not there yet: where two services call each other, one of them is opened first. Until the binding
    /// says where it is, calls fail as if nobody listened.
    pub fn later(service: &'static str) -> (Self, LateNeighbour) {
        let place = Arc::new(OnceLock::new());
        (Self::over(Transport::Later(service, Arc::clone(&place))), LateNeighbour(place))
    }

    fn over(transport: Transport) -> Self {
        Self { transport, switch: None, caller: None, no_room: Arc::default() }
    }

    /// The same with a switch by which tests, and the demo, break it.
    #[must_use]
    pub fn switchable(self) -> (Self, Switch) {
        let switch = Switch::default();
        (Self { switch: Some(switch.clone()), ..self }, switch)
    }

    /// The same for a caller of this name: its calls have spans, of the caller's.
    #[must_use]
    pub fn called_by(self, caller: &'static str) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// The service that is called.
    pub fn service(&self) -> &'static str {
        match &self.transport {
            Transport::InProcess(calls) | Transport::RoundTrip(calls) => calls.service(),
            Transport::Http(http) => http.service(),
            Transport::Later(service, _) => service,
        }
    }

    /// Calls, and waits at most [`Call::LIMIT`] or until the context's deadline.
    ///
    /// # Errors
    /// `NotApplied` where the call certainly did not reach a handler (connection refused, deadline passed before); `Unknown`
    /// where it may have (no answer in time, connection cut, panic); else what the handler's fault says.
    ///
    /// # Cancellation
    /// The effect of a call whose future is dropped is unknown.
    pub async fn call<C: Call>(&self, context: &CallContext, call: C) -> Result<C::Answer, Fault> {
        let answer = self.attempt_in_span(context, call).await;
        if let Err(fault) = &answer
            && fault.cause.is_storage()
        {
            *self.no_room.lock().unwrap_or_else(PoisonError::into_inner) = Some((tasks::instant(), fault.cause));
        }
        answer
    }

    /// The fault of what is not even begun, because the service has just refused something for want of room: it may be told
    /// to whoever asks for more, before anything is begun that could not be finished.
    pub fn refuses_for_room(&self) -> Option<Fault> {
        let (since, cause) = (*self.no_room.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = NO_ROOM.checked_sub(since.elapsed())?;
        let fault = Fault::not_applied(self.service(), "store", "it has just said that it has no room");
        Some(fault.with_retry(FaultRetry::After(left)).with_cause(cause))
    }

    async fn attempt_in_span<C: Call>(&self, context: &CallContext, call: C) -> Result<C::Answer, Fault> {
        let begin = |caller| Span::begin(caller, Doing::Call, C::NAME, context.traceparent.as_deref());
        let mut span = self.caller.map_or_else(Span::none, begin);
        span.note("peer.service", || self.service());
        let entered = span.entered(context);
        let answer = self.attempt(entered.as_ref().unwrap_or(context), call).await;
        if answer.is_err() {
            span.fail("the call failed");
        }
        answer
    }

    async fn attempt<C: Call>(&self, context: &CallContext, call: C) -> Result<C::Answer, Fault> {
        let limit = remaining(C::LIMIT, context);
        if limit.is_zero() {
            return Err(too_late(self.service(), C::NAME));
        }
        let Some(switch) = &self.switch else {
            return self.carry(context, call, limit).await;
        };
        match switch.setting() {
            Setting::Up => self.carry(context, call, limit).await,
            Setting::Down => Err(Fault::not_applied(self.service(), C::NAME, "connection refused (switched off)")),
            Setting::Slow(delay) => {
                if delay >= limit {
                    tasks::sleep(limit).await;
                    return Err(timed_out(self.service(), C::NAME));
                }
                tasks::sleep(delay).await;
                self.carry(context, call, limit.saturating_sub(delay)).await
            }
            Setting::LosingAnswers => {
                drop(self.carry(context, call, limit).await);
                Err(Fault::unknown(
                    self.service(),
                    C::NAME,
                    "the connection was cut before the answer came (switched so)",
                ))
            }
        }
    }

    async fn carry<C: Call>(&self, context: &CallContext, call: C, limit: Duration) -> Result<C::Answer, Fault> {
        match &self.transport {
            Transport::InProcess(calls) => {
                let answered = Box::pin(calls.hand_over(context.clone(), call));
                tasks::within(limit, answered).await.unwrap_or_else(|| Err(timed_out(calls.service(), C::NAME)))
            }
            Transport::RoundTrip(calls) => {
                let service = calls.service();
                let body = written(service, &call)?;
                let handler = calls.named(C::NAME).ok_or_else(|| not_answered(service, C::NAME))?;
                let answered = handler.answer_json(service, context.clone(), &body);
                let answered = tasks::within(limit, answered).await;
                let bytes = answered.unwrap_or_else(|| Err(timed_out(service, C::NAME)))?;
                understood::<C>(service, &bytes)
            }
            Transport::Later(service, place) => {
                let there = place.get().ok_or_else(|| Fault::not_applied(service, C::NAME, "it is not open yet"))?;
                Box::pin(there.call(context, call)).await
            }
            Transport::Http(http) => {
                let body = written(http.service(), &call)?;
                let bytes = http.post(C::NAME, context, body, limit).await?;
                understood::<C>(http.service(), &bytes)
            }
        }
    }
}

fn written<C: Call + Serialize>(service: &'static str, call: &C) -> Result<Vec<u8>, Fault> {
    let permanent = |detail: String| Fault::permanent(service, C::NAME, detail);
    let body = serde_json::to_vec(call).map_err(|error| permanent(format!("the call cannot be written: {error}")))?;
    if body.len() > MAX_CALL_BYTES {
        return Err(permanent(format!("the call has {} bytes, more than {MAX_CALL_BYTES}", body.len())));
    }
    Ok(body)
}

fn understood<C: Call>(service: &'static str, answer: &[u8]) -> Result<C::Answer, Fault>
where
    C::Answer: DeserializeOwned,
{
    serde_json::from_slice(answer).map_err(|error| {
        // The handler ran; that its answer cannot be read says nothing about what it did.
        Fault::unknown(service, C::NAME, format!("the answer is not understood: {error}")).with_retry(FaultRetry::Never)
    })
}

impl fmt::Debug for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match &self.transport {
            Transport::InProcess(_) => "in process",
            Transport::RoundTrip(_) => "round trip",
            Transport::Http(_) => "http",
            Transport::Later(..) => "later",
        };
        f.debug_struct("Neighbour")
            .field("service", &self.service())
            .field("transport", &transport)
            .finish_non_exhaustive()
    }
}

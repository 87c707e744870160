//! Spans: what a piece of work took, and as part of which trace.
//!
//! A trace is carried by [`CallContext::traceparent`](crate::CallContext) and kept in every event; a span is made of it where
//! work begins ([`Span::begin`]) or where work for several traces is done at once ([`BatchSpans`]), and is handed to the
//! process's [`SpanSink`] when it is dropped. As long as nobody has [`keep`]-ed spans, beginning one is a look at a flag, and
//! nothing is allocated.
//!
//! Names of spans are a word of [`Doing`] and a declared name (a route's pattern, a call, a step, a view): never an id.
//! Attributes are places in the code, ids of orders and sagas, and counts; never a person or anything that a person sent.

mod batch;
mod context;
mod span;

use std::sync::OnceLock;
use std::time::Duration;

pub use batch::{BatchSpans, MAX_LINKS};
pub use context::{SpanId, TraceContext, TraceId};
pub use span::Span;

use crate::host::Host;
use crate::time::Timestamp;

/// What a span's work is; the first word of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doing {
    /// A request is answered: the name is method and route alone, as in `POST /v1/orders`.
    Request,
    /// A request is passed on to another process: `pass-on order-service`.
    PassOn,
    /// Another service is called, and its answer waited for: `call reserve-inventory`.
    Call,
    /// Another service's call is answered: `answer reserve-inventory`.
    Answer,
    /// A saga runs: `saga place-order`.
    Saga,
    /// One attempt of a saga's step: `step process-payment`.
    Step,
    /// One attempt to take a step back: `undo reserve-inventory`.
    Undo,
    /// Events are folded into a view: `fold order_view`.
    Fold,
    /// An event or a message is handled: `handle mail-on-confirmation`.
    Handle,
    /// A topic's messages are collected into facts: `collect orders`.
    Collect,
    /// Captured changes are taken in: `capture users`.
    Capture,
    /// A copy is told rows: `tell users.index`.
    Tell,
}

impl Doing {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Request,
        Self::PassOn,
        Self::Call,
        Self::Answer,
        Self::Saga,
        Self::Step,
        Self::Undo,
        Self::Fold,
        Self::Handle,
        Self::Collect,
        Self::Capture,
        Self::Tell,
    ];

    /// The first word of the span's name; nothing for requests.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Request => "",
            Self::PassOn => "pass-on",
            Self::Call => "call",
            Self::Answer => "answer",
            Self::Saga => "saga",
            Self::Step => "step",
            Self::Undo => "undo",
            Self::Fold => "fold",
            Self::Handle => "handle",
            Self::Collect => "collect",
            Self::Capture => "capture",
            Self::Tell => "tell",
        }
    }

    /// Which end of what kind of exchange it is.
    pub const fn kind(self) -> SpanKind {
        match self {
            Self::Request | Self::Answer => SpanKind::Server,
            Self::PassOn | Self::Call => SpanKind::Client,
            Self::Saga | Self::Step | Self::Undo | Self::Tell => SpanKind::Internal,
            Self::Fold | Self::Handle | Self::Collect | Self::Capture => SpanKind::Consumer,
        }
    }

    fn name(self, subject: &str) -> String {
        match self.word() {
            "" => subject.to_owned(),
            word => format!("{word} {subject}"),
        }
    }
}

/// Which end of an exchange a span is, as OpenTelemetry tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Neither end.
    Internal,
    /// Somebody asked and waits.
    Server,
    /// Somebody is asked and waited for.
    Client,
    /// What somebody published earlier is handled.
    Consumer,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for AttributeValue {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for AttributeValue {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSpan {
    /// Its trace and its own id.
    pub context: TraceContext,
    /// The span that it is part of; `None` where it begins its trace.
    pub parent: Option<SpanId>,
    /// Which service worked.
    pub service: &'static str,
    /// A word of [`Doing`] and a declared name.
    pub name: String,
    /// Which end of an exchange it is.
    pub kind: SpanKind,
    /// When it began.
    pub began: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What else is known; few.
    pub attributes: Vec<(&'static str, AttributeValue)>,
    /// Spans of other traces that the work was done for, at most [`MAX_LINKS`].
    pub links: Vec<TraceContext>,
    /// Links beyond those.
    pub dropped_links: u32,
    /// Why the work failed: a fixed text.
    pub failed: Option<&'static str>,
}

/// Where a process's spans go.
pub trait SpanSink: Send + Sync + 'static {
    /// Clock and randomness of spans.
    fn host(&self) -> &Host;

    /// Whether spans of this trace are kept. `parent` says what whoever began the trace decided; `None`: it begins here.
    /// MUST be the same for the same trace and parent.
    fn samples(&self, trace: TraceId, parent: Option<bool>) -> bool;

    /// Takes a span. MUST NOT wait, and MUST bound what it keeps.
    fn ended(&self, span: EndedSpan);
}

static SINK: OnceLock<Box<dyn SpanSink>> = OnceLock::new();

/// From now on the process's spans go to `sink`, for good; false where they go somewhere already.
pub fn keep(sink: Box<dyn SpanSink>) -> bool {
    SINK.set(sink).is_ok()
}

/// Whether the process's spans go anywhere.
pub fn are_kept() -> bool {
    SINK.get().is_some()
}

/// Whether spans of a trace that arrives here, or begins here (`parent` is `None`), are kept. Where nobody keeps spans it is
/// as whoever began the trace decided: others may.
pub fn are_sampled(trace: TraceId, parent: Option<bool>) -> bool {
    SINK.get().map_or(parent.unwrap_or(true), |sink| sink.samples(trace, parent))
}

fn sink() -> Option<&'static dyn SpanSink> {
    SINK.get().map(Box::as_ref)
}

#[cfg(test)]
mod tests;

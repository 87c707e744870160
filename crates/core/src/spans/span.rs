//! One span.

use std::sync::Arc;

use super::{AttributeValue, Doing, EndedSpan, SpanId, SpanSink, TraceContext, sink};
use crate::context::CallContext;
use crate::tasks::{self, Instant};

/// A piece of work that is under way; it ends when this is dropped, also where the work is given up. Where nobody keeps spans
/// it is nothing, and everything that is done with it does nothing.
#[derive(Debug, Default)]
#[must_use = "the span ends when it is dropped"]
pub struct Span(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    span: EndedSpan,
    since: Instant,
}

impl Span {
    /// No span.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Work of `service` as part of the span that `parent` (a `traceparent`) names; nothing where there is none, or its trace
    /// is not sampled.
    pub fn begin(service: &'static str, doing: Doing, subject: &str, parent: Option<&str>) -> Self {
        let Some(sink) = sink() else { return Self(None) };
        match parent.and_then(TraceContext::parse).filter(|parent| parent.sampled) {
            Some(parent) => Self::within(sink, service, doing, subject, parent),
            None => Self(None),
        }
    }

    /// The span that `context` names, which is part of `parent` or begins its trace; nothing where it is not sampled.
    pub fn of(
        context: TraceContext,
        parent: Option<SpanId>,
        service: &'static str,
        doing: Doing,
        subject: impl FnOnce() -> String,
    ) -> Self {
        match sink().filter(|_| context.sampled) {
            Some(sink) => Self::open(sink, context, parent, service, doing, &subject()),
            None => Self(None),
        }
    }

    pub(super) fn within(
        sink: &dyn SpanSink,
        service: &'static str,
        doing: Doing,
        subject: &str,
        parent: TraceContext,
    ) -> Self {
        let context = TraceContext { span: SpanId::new(sink.host()), ..parent };
        Self::open(sink, context, Some(parent.span), service, doing, subject)
    }

    pub(super) fn open(
        sink: &dyn SpanSink,
        context: TraceContext,
        parent: Option<SpanId>,
        service: &'static str,
        doing: Doing,
        subject: &str,
    ) -> Self {
        let span = EndedSpan {
            context,
            parent,
            service,
            name: doing.name(subject),
            kind: doing.kind(),
            began: sink.host().now(),
            took: std::time::Duration::ZERO,
            attributes: Vec::new(),
            links: Vec::new(),
            dropped_links: 0,
            failed: None,
        };
        Self(Some(Box::new(Open { span, since: tasks::instant() })))
    }

    /// How what is done in it names it; `None` where there is no span.
    pub fn traceparent(&self) -> Option<Arc<str>> {
        self.0.as_ref().map(|open| open.span.context.to_text())
    }

    /// From here on what is done with `context` is part of this span, if there is one.
    pub fn enter(&self, context: &mut CallContext) {
        if let Some(traceparent) = self.traceparent() {
            context.traceparent = Some(traceparent);
        }
    }

    /// `context` as part of this span; `None` where there is none.
    pub fn entered(&self, context: &CallContext) -> Option<CallContext> {
        let traceparent = self.traceparent()?;
        Some(CallContext { traceparent: Some(traceparent), ..context.clone() })
    }

    /// Says something more about the work. `value` is only asked for where the span is kept.
    pub fn note<V: Into<AttributeValue>>(&mut self, name: &'static str, value: impl FnOnce() -> V) {
        if let Some(open) = &mut self.0 {
            open.span.attributes.push((name, value().into()));
        }
    }

    /// Says that the work failed, and in a word why.
    pub fn fail(&mut self, why: &'static str) {
        if let Some(open) = &mut self.0 {
            open.span.failed = Some(why);
        }
    }

    pub(super) fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|open| open.span.context)
    }

    pub(super) fn link(&mut self, links: Vec<TraceContext>, dropped: u32) {
        if let Some(open) = &mut self.0 {
            open.span.links = links;
            open.span.dropped_links = dropped;
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let (Some(open), Some(sink)) = (self.0.take(), sink()) {
            let Open { mut span, since } = *open;
            span.took = since.elapsed();
            sink.ended(span);
        }
    }
}

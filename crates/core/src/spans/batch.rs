//! Spans of work that is done for several traces at once.

use super::{Doing, Span, SpanId, SpanSink, TraceContext, TraceId, sink};

/// The most traces that one batch names: those beyond are counted.
pub const MAX_LINKS: usize = 64;

/// The spans of a batch. Where it concerns one trace it is a span of that trace. Where it concerns several it is a trace of
/// its own, with a link to each; and each of them has a span for as long as the batch takes, with a link to the batch: so a
/// trace shows everything that was done for it, and with whom it shared the way.
#[derive(Debug, Default)]
#[must_use = "the spans end when it is dropped"]
pub struct BatchSpans {
    /// The batch's own.
    batch: Span,
    /// Those of the traces that share it.
    parts: Vec<Span>,
}

impl BatchSpans {
    /// Work of `service` for whoever wrote these, by their `traceparent`s. They are looked at only where spans are kept.
    pub fn begin<'a>(
        service: &'static str,
        doing: Doing,
        subject: &str,
        parents: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Self {
        match sink() {
            Some(sink) => Self::of(sink, service, doing, subject, parents),
            None => Self::default(),
        }
    }

    fn of<'a>(
        sink: &dyn SpanSink,
        service: &'static str,
        doing: Doing,
        subject: &str,
        parents: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Self {
        let mut traces: Vec<TraceContext> = Vec::new();
        let (mut dropped, mut last) = (0, None);
        for text in parents.into_iter().flatten() {
            // One append's events name the same span, one after the other.
            if last == Some(text) {
                continue;
            }
            last = Some(text);
            let Some(parent) = TraceContext::parse(text).filter(|parent| parent.sampled) else { continue };
            if traces.iter().rev().any(|known| known.trace == parent.trace) {
                continue;
            }
            if traces.len() < MAX_LINKS { traces.push(parent) } else { dropped += 1 }
        }
        match traces.as_slice() {
            [] => Self::default(),
            [parent] => Self { batch: Span::within(sink, service, doing, subject, *parent), parts: Vec::new() },
            several => {
                let host = sink.host();
                let context = TraceContext { trace: TraceId::new(host), span: SpanId::new(host), sampled: true };
                let mut batch = Span::open(sink, context, None, service, doing, subject);
                let part = |parent: &TraceContext| {
                    let mut part = Span::within(sink, service, doing, subject, *parent);
                    part.link(vec![context], 0);
                    part
                };
                let parts: Vec<Span> = several.iter().map(part).collect();
                // The batch leads to its parts: what was done, where it can be seen.
                batch.link(parts.iter().filter_map(Span::context).collect(), dropped);
                Self { batch, parts }
            }
        }
    }

    /// How what is done for the whole batch names it; `None` where there is no span.
    pub fn traceparent(&self) -> Option<std::sync::Arc<str>> {
        self.batch.traceparent()
    }

    /// Says something more about the work, on each span.
    pub fn note(&mut self, name: &'static str, value: usize) {
        self.each(|span| span.note(name, || value));
    }

    /// Says that the work failed, and in a word why.
    pub fn fail(&mut self, why: &'static str) {
        self.each(|span| span.fail(why));
    }

    fn each(&mut self, act: impl Fn(&mut Span)) {
        act(&mut self.batch);
        self.parts.iter_mut().for_each(act);
    }
}

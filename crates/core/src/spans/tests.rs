//! A process has one sink: these tests share it, and tell their spans by their traces.

use std::sync::{LazyLock, Mutex};

use super::*;
use crate::context::CallContext;

static ENDED: Mutex<Vec<EndedSpan>> = Mutex::new(Vec::new());
static HOST: LazyLock<Host> = LazyLock::new(|| Host::seeded(7));

struct Kept;

impl SpanSink for Kept {
    fn host(&self) -> &Host {
        &HOST
    }

    fn samples(&self, _: TraceId, parent: Option<bool>) -> bool {
        parent.unwrap_or(true)
    }

    fn ended(&self, span: EndedSpan) {
        ENDED.lock().unwrap().push(span);
    }
}

fn written() -> (TraceContext, std::sync::Arc<str>) {
    keep(Box::new(Kept));
    let context = TraceContext { trace: TraceId::new(&HOST), span: SpanId::new(&HOST), sampled: true };
    (context, context.to_text())
}

fn ended(of: impl Fn(&EndedSpan) -> bool) -> Vec<EndedSpan> {
    ENDED.lock().unwrap().iter().filter(|span| of(span)).cloned().collect()
}

#[test]
fn a_span_is_part_of_what_its_parent_names_and_what_is_done_in_it_is_part_of_it() {
    let (parent, text) = written();
    let mut call = CallContext::new(&HOST);
    {
        let mut outer = Span::begin("order-service", Doing::Step, "process-payment", Some(&text));
        outer.note("madrigal.saga.attempt", || 2_u32);
        outer.fail("rejected");
        outer.enter(&mut call);
        drop(Span::begin("payment-service", Doing::Answer, "payment.charge", call.traceparent.as_deref()));
    }
    let spans = ended(|span| span.context.trace == parent.trace);
    let [inner, outer] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((outer.parent, inner.parent), (Some(parent.span), Some(outer.context.span)));
    assert_eq!((outer.name.as_str(), inner.name.as_str()), ("step process-payment", "answer payment.charge"));
    assert_eq!((outer.failed, inner.failed), (Some("rejected"), None));
    assert_eq!(outer.attributes, [("madrigal.saga.attempt", AttributeValue::Number(2))]);
}

#[test]
fn of_a_trace_that_is_not_kept_nothing_is() {
    let (context, _) = written();
    let silent = TraceContext { sampled: false, ..context };
    for parent in [Some(&*silent.to_text()), Some("00-ab"), None] {
        let span = Span::begin("order-service", Doing::Step, "process-payment", parent);
        assert_eq!(span.traceparent(), None, "whoever calls from here keeps the context that they had");
    }
    drop(Span::of(silent, None, "gateway", Doing::Request, || panic!("nobody wants the name")));
    drop(BatchSpans::begin("order-service", Doing::Fold, "order-view", [Some(&*silent.to_text()), None]));
    assert_eq!(ended(|span| span.context.trace == context.trace), []);
}

#[test]
fn a_batch_for_one_trace_is_part_of_it() {
    let (parent, text) = written();
    let batch = BatchSpans::begin("order-service", Doing::Fold, "order-view", [Some(&*text), None, Some(&*text)]);
    let inside = batch.traceparent().unwrap();
    drop(batch);
    let spans = ended(|span| span.context.trace == parent.trace);
    let [only] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((only.parent, &*only.context.to_text()), (Some(parent.span), &*inside));
    assert!(only.links.is_empty());
}

#[test]
fn a_batch_for_many_traces_is_a_trace_of_its_own_that_each_of_them_leads_to() {
    let traces: Vec<_> = (0..MAX_LINKS + 5).map(|_| written()).collect();
    let mut batch =
        BatchSpans::begin("sync-service", Doing::Capture, "users", traces.iter().map(|(_, text)| Some(&**text)));
    let inside = TraceContext::parse(&batch.traceparent().unwrap()).unwrap();
    batch.fail("not told");
    drop(batch);
    let own = ended(|span| span.context == inside);
    let parts = ended(|span| span.links == [inside]);
    let [own] = own.as_slice() else { panic!("{own:?}") };
    assert_eq!((own.parent, own.links.len(), own.dropped_links), (None, MAX_LINKS, 5));
    assert!(traces.iter().all(|(context, _)| context.trace != inside.trace));
    assert_eq!(parts.len(), MAX_LINKS);
    for part in &parts {
        assert!(
            traces.iter().any(|(context, _)| (context.trace, Some(context.span)) == (part.context.trace, part.parent))
        );
        assert!(own.links.contains(&part.context));
        assert_eq!((part.failed, part.name.as_str()), (Some("not told"), "capture users"));
    }
}

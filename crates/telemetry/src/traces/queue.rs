//! Where ended spans wait to be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use madrigal_core::Host;
use madrigal_core::spans::{EndedSpan, SpanSink, TraceId};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::sampler::Sampler;
use crate::names;

/// Takes spans, never waits, keeps at most as many as it was made for.
pub(super) struct Queue {
    host: Host,
    sampler: Sampler,
    spans: Sender<EndedSpan>,
    dropped: Dropped,
}

/// Counts spans that nobody will see.
#[derive(Debug, Clone, Default)]
pub(super) struct Dropped(Arc<AtomicU64>);

impl Dropped {
    pub(super) fn add(&self, spans: usize, reason: &'static str) {
        if spans > 0 {
            self.0.fetch_add(spans as u64, Ordering::Relaxed);
            metrics::counter!(names::TRACE_SPANS_DROPPED, "reason" => reason).increment(spans as u64);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// A queue of at most so many spans, and its other end.
    pub(super) fn new(host: Host, sampler: Sampler, most: usize, dropped: Dropped) -> (Self, Receiver<EndedSpan>) {
        let (spans, waiting) = mpsc::channel(most);
        (Self { host, sampler, spans, dropped }, waiting)
    }

    /// How many spans nobody will see.
    #[cfg(test)]
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.total()
    }
}

impl SpanSink for Queue {
    fn host(&self) -> &Host {
        &self.host
    }

    fn samples(&self, trace: TraceId, parent: Option<bool>) -> bool {
        self.sampler.samples(trace, parent)
    }

    fn ended(&self, span: EndedSpan) {
        if self.spans.try_send(span).is_err() {
            self.dropped.add(1, "queue-full");
        }
    }
}

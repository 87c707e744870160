//! Traces: the process's spans, sent to a collector over OTLP/HTTP.
//!
//! Nothing is set up, and spans cost a look at a flag, unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Then ended spans wait in
//! a bounded queue for one task that sends them in batches. Nobody waits for it: what does not fit is dropped and counted
//! ([`names::TRACE_SPANS_DROPPED`](crate::names::TRACE_SPANS_DROPPED)), and a collector that is away is said once, and once
//! that it is back.
//!
//! * [`options`]: what the environment says; `sampler`: which traces; `queue`: where spans wait; `export`: the task that
//!   sends; `otlp`: what is sent.

pub mod options;

mod export;
mod otlp;
mod queue;
mod sampler;

use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, environment, spans};
use tokio::task::JoinHandle;

pub use options::{TraceOptions, TraceOptionsError};
pub use sampler::Sampler;

/// How long the last spans of a process may take to be sent.
const LAST_CALL: Duration = Duration::from_secs(3);

/// Spans on their way to a collector, as long as the process runs.
#[derive(Debug)]
#[must_use = "the last spans are sent by `finish`"]
pub struct Traces {
    stop: StopSignal,
    task: JoinHandle<()>,
}

/// Sends the process's spans to where the environment says; nothing where it says nothing. Once in a process.
///
/// What is wrong with the variables is logged, and no spans are sent then: the shop runs without.
pub fn init_traces(host: &Host) -> Option<Traces> {
    let options = match TraceOptions::read(environment::variable) {
        Ok(options) => options?,
        Err(error) => {
            tracing::warn!(%error, "traces are not sent");
            return None;
        }
    };
    let (queue, exporter) = match export::pair(options, host.clone()) {
        Ok(pair) => pair,
        Err(error) => {
            tracing::warn!(error, "traces are not sent");
            return None;
        }
    };
    if !spans::keep(Box::new(queue)) {
        tracing::warn!("traces are sent already");
        return None;
    }
    crate::names::describe_traces();
    tracing::info!("traces are sent to OTEL_EXPORTER_OTLP_ENDPOINT");
    let stop = StopSignal::new();
    let task = tasks::spawn("traces", exporter.run(stop.clone()));
    Some(Traces { stop, task })
}

impl Traces {
    /// Sends what has ended by now, for at most 3 s.
    ///
    /// # Cancellation
    /// Safe: what was not sent is lost.
    pub async fn finish(self) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if tasks::within(LAST_CALL, self.task).await.is_none() {
            abort.abort();
        }
    }
}

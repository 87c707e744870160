//! The sink in memory keeps the contract of sinks.

use std::sync::Arc;

use madrigal_cdc::{DynSink, MemorySink};

madrigal_conformance::sink_suite!(memory_sink);

async fn memory_sink() -> (DynSink, ()) {
    (Arc::new(MemorySink::new()), ())
}

//! Who asks, on whose behalf, and until when.

use std::sync::Arc;

use crate::host::Host;
use crate::id::{CorrelationId, EventId};
use crate::tasks::Instant;

/// Travels with every call, inside the process and over HTTP.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The request that set everything in motion.
    pub correlation_id: CorrelationId,
    /// The message that caused this call.
    pub causation_id: Option<EventId>,
    /// On whose behalf, as in `42` or `operator:anna`.
    pub user_id: Option<Arc<str>>,
    /// W3C trace context.
    pub traceparent: Option<Arc<str>>,
    /// When the caller stops waiting; `None` is the callee's own limit.
    pub deadline: Option<Instant>,
}

impl CallContext {
    /// A new correlation, on nobody's behalf.
    pub fn new(host: &Host) -> Self {
        Self {
            correlation_id: CorrelationId::new(host),
            causation_id: None,
            user_id: None,
            traceparent: None,
            deadline: None,
        }
    }

    /// The same context, caused by this event.
    #[must_use]
    pub fn caused_by(mut self, cause: EventId) -> Self {
        self.causation_id = Some(cause);
        self
    }
}

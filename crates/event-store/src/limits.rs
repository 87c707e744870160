//! What one call may bring, checked before anything is written.

use std::collections::HashSet;

use crate::port::{AppendError, StreamAppend};

/// The largest data of one event, in bytes.
pub const MAX_EVENT_BYTES: usize = 1 << 20;
/// The most events in one call.
pub const MAX_EVENTS: usize = 1_000;
/// The largest data of all events in one call together, in bytes.
pub const MAX_CALL_BYTES: usize = 8 << 20;
/// The longest text in an event's metadata (caller, trace), in bytes.
pub const MAX_METADATA_BYTES: usize = 1_024;
/// The most events that one read returns.
pub const MAX_READ: usize = 10_000;

/// Refuses what is too large or malformed.
///
/// # Errors
/// [`AppendError::Malformed`], [`AppendError::TooLarge`], and [`AppendError::EventIdReused`] where an id stands twice
/// in one stream's events.
pub fn check(appends: &[StreamAppend]) -> Result<(), AppendError> {
    let too_large = |what, actual: usize, limit: usize, unit| {
        Err(AppendError::TooLarge { what, actual: actual as u64, limit: limit as u64, unit })
    };
    let events = appends.iter().map(|append| append.events.len()).sum();
    if events > MAX_EVENTS {
        return too_large("a call", events, MAX_EVENTS, "events");
    }
    let mut streams = HashSet::with_capacity(appends.len());
    let mut call_bytes = 0;
    for append in appends {
        if append.events.is_empty() || !streams.insert(&append.stream) {
            return Err(AppendError::Malformed { stream: append.stream.clone() });
        }
        let mut ids = HashSet::with_capacity(append.events.len());
        for event in &append.events {
            if !ids.insert(event.event_id) {
                return Err(AppendError::EventIdReused { stream: append.stream.clone(), event_id: event.event_id });
            }
            let bytes = event.event_data.as_bytes().len();
            if bytes > MAX_EVENT_BYTES {
                return too_large("an event's data", bytes, MAX_EVENT_BYTES, "bytes");
            }
            for text in [&event.user_id, &event.traceparent].into_iter().flatten() {
                if text.len() > MAX_METADATA_BYTES {
                    return too_large("a text of an event's metadata", text.len(), MAX_METADATA_BYTES, "bytes");
                }
            }
            call_bytes += bytes;
        }
    }
    if call_bytes > MAX_CALL_BYTES {
        return too_large("a call's data", call_bytes, MAX_CALL_BYTES, "bytes");
    }
    Ok(())
}

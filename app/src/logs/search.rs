//! Finding the events of one correlation: a bounded look through the log, for which there is no index.

use madrigal_core::Position;
use madrigal_event_store::{DynEventStore, ReadError};
use madrigal_http::problem::{self, Answered};

use super::{Events, wrong};

/// The most events that one question looks at.
const LOOKED_AT: u64 = 100_000;
/// How many are read at once.
const AT_ONCE: usize = 10_000;

/// The events of a correlation after `after`, or among the last [`LOOKED_AT`].
///
/// # Cancellation
/// Safe: reads only.
pub(super) async fn by_correlation(
    store: &DynEventStore,
    correlation: &str,
    after: Option<u64>,
    limit: usize,
) -> Answered<Events> {
    let from = after.unwrap_or_else(|| store.end().0.saturating_sub(LOOKED_AT));
    let until = from.saturating_add(LOOKED_AT);
    let (mut items, mut at) = (Vec::new(), from);
    let end = loop {
        let left = usize::try_from(until - at).unwrap_or(AT_ONCE).min(AT_ONCE);
        let read = match store.read_log(Position(at), left).await {
            Ok(read) => read,
            Err(error @ (ReadError::BeyondEnd { .. } | ReadError::OtherEpoch { .. })) => {
                return Err(wrong("/after", &error));
            }
            Err(ReadError::Fault(fault)) => return Err(problem::from_fault(&fault)),
        };
        at = read.scanned_through.0;
        for event in read.events {
            let found = event.metadata.correlation_id.as_ref().is_some_and(|id| id.as_str() == correlation);
            if found && items.len() < limit {
                items.push(event);
                if items.len() == limit {
                    // What comes after this one was not looked at as far as the caller can tell.
                    at = items.last().map_or(at, |last| last.position.0);
                }
            }
        }
        if items.len() == limit || at >= until || at >= read.end.0 {
            break read.end.0;
        }
    };
    let epoch = store.epoch().to_string();
    Ok(Events { items, after: at, end, epoch, stream_version: None, looked_from: Some(from) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use madrigal_core::{CallContext, CorrelationId, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent};
    use madrigal_event_store::MemoryEventStore;

    use super::*;

    #[tokio::test]
    async fn events_of_a_correlation_are_found_page_by_page_and_the_bound_is_told() {
        let host = Host::seeded(1);
        let store: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
        for number in 0..10 {
            let mut context = CallContext::new(&host);
            context.correlation_id = CorrelationId::parse(if number % 2 == 0 { "even" } else { "odd" }).unwrap();
            let data = JsonBytes::of(&number).unwrap();
            let event = NewEvent::fresh(&host, EventType::parse("Counted").unwrap(), 1, data, &context);
            store.append("note-1".parse().unwrap(), ExpectedVersion::Any, vec![event]).await.unwrap();
        }
        let first = by_correlation(&store, "odd", None, 3).await.unwrap();
        let positions = |events: &Events| events.items.iter().map(|event| event.position.0).collect::<Vec<_>>();
        assert_eq!((positions(&first), first.after, first.looked_from), (vec![2, 4, 6], 6, Some(0)));
        let rest = by_correlation(&store, "odd", Some(first.after), 3).await.unwrap();
        assert_eq!((positions(&rest), rest.after, rest.end), (vec![8, 10], 10, 10));
        assert!(by_correlation(&store, "neither", None, 3).await.unwrap().items.is_empty());
        assert!(by_correlation(&store, "odd", Some(11), 3).await.is_err());
    }
}

//! Loading one order.

use std::time::Duration;

use madrigal_core::{Fault, StreamName, StreamVersion};
use madrigal_event_store::{EventStore, StreamRead};

use crate::aggregates::order::Order;
use crate::events::OrderEvent;

/// The order of a stream, folded from all its events, or `None` if there is none.
///
/// # Errors
/// A [`Fault`] if the store broke or an event cannot be read.
pub async fn load_order(store: &dyn EventStore, stream: &StreamName) -> Result<Option<Order>, Fault> {
    let mut order = None;
    let mut after = StreamVersion::NONE;
    loop {
        let slice = store.read_stream(stream, StreamRead::after(after)).await?;
        for event in &slice.events {
            let decoded =
                OrderEvent::decode(event).map_err(|error| Fault::permanent("order-service", "load order", error))?;
            order = Order::evolve(order, &decoded);
        }
        match slice.events.last() {
            Some(last) if slice.has_more() => after = last.version(),
            _ => return Ok(order),
        }
    }
}

/// How often, and how long each time, a decision waits for what was faster to be durable: longer than a disk takes.
const MAX_WAITS: u32 = 8;
const WAIT: Duration = Duration::from_millis(100);

/// Waits a little until a stream can be read as far as whoever was faster wrote it: before that is durable, another
/// decision would be made on the same old state and lose again.
pub(super) async fn until_readable(store: &dyn EventStore, stream: &StreamName, version: StreamVersion) {
    for _ in 0..MAX_WAITS {
        let end = store.end();
        let read = StreamRead { after: version, limit: 1 };
        if !matches!(store.read_stream(stream, read).await, Ok(slice) if slice.version < version) {
            return;
        }
        let _ = store.wait_beyond(end, WAIT).await;
    }
}

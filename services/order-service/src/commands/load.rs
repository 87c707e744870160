//! Loading one order.

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

//! Requests that are to have their effect once, however often they are sent.
//!
//! A request with an `Idempotency-Key` leaves a record in a stream of its own, `request-{digest of caller, operation and key}`,
//! in the same append as its effect: either both exist or none. A refused request leaves nothing, so that its key is free.

use madrigal_core::{EventId, Fingerprint, RecordedEvent, StreamName, StreamVersion};
use serde::{Deserialize, Serialize};

use super::event::{UnreadableEvent, Written, read, written};
use super::ids::ProductId;
use super::stock::Stock;

/// The key of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The digest of caller, operation and key.
    name: Fingerprint,
    /// The fingerprint of what is asked.
    asked: Fingerprint,
}

impl RequestKey {
    /// The key of this caller for this operation; `asked` is the fingerprint of everything that is asked.
    pub fn new(caller: &str, operation: &str, key: &str, asked: Fingerprint) -> Self {
        Self { name: Fingerprint::of_parts(&[caller.as_bytes(), operation.as_bytes(), key.as_bytes()]), asked }
    }

    /// The stream of the record.
    #[expect(clippy::expect_used, reason = "the category is a constant and the id has 64 hexadecimal digits")]
    pub fn stream(&self) -> StreamName {
        StreamName::new(Request::CATEGORY, self.name.as_str()).expect("a valid stream name")
    }

    /// The id of the record's event.
    pub fn event_id(&self) -> EventId {
        EventId::derived(&format!("catalog request {}", self.name.as_str()))
    }

    /// The record of the effect.
    pub fn record(
        &self,
        product_id: &ProductId,
        product_version: StreamVersion,
        stock: Stock,
        stock_version: StreamVersion,
    ) -> Request {
        let asked = self.asked.as_str().to_owned();
        Request { asked, product_id: product_id.clone(), product_version, stock, stock_version }
    }

    /// Whether a record is of the same request.
    pub fn is_of(&self, record: &Request) -> bool {
        record.asked == self.asked.as_str()
    }
}

/// The data of `RequestFulfilled`: what was asked, and what the product and its stock were then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The fingerprint of what was asked.
    pub asked: String,
    /// The product.
    pub product_id: ProductId,
    /// The version of its stream.
    pub product_version: StreamVersion,
    /// Its stock.
    pub stock: Stock,
    /// The version of the stock's stream.
    pub stock_version: StreamVersion,
}

impl Request {
    /// The category of the streams.
    pub const CATEGORY: &'static str = "request";

    /// The event's type and data for the store.
    pub fn written(&self) -> Written {
        written("RequestFulfilled", self)
    }

    /// The event as recorded in a `request-…` stream.
    ///
    /// # Errors
    /// [`UnreadableEvent`] for a type or form that is not known.
    pub fn read(event: &RecordedEvent) -> Result<Self, UnreadableEvent> {
        match event.event_type.as_str() {
            "RequestFulfilled" => read(event),
            _ => Err(UnreadableEvent::of(event, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_its_caller_and_operation() {
        let key =
            |caller, operation, key, asked: &[u8]| RequestKey::new(caller, operation, key, Fingerprint::of(asked));
        let one = key("anna", "create", "k", b"a");
        assert_eq!(one.stream(), key("anna", "create", "k", b"b").stream());
        for other in
            [key("bert", "create", "k", b"a"), key("anna", "stock", "k", b"a"), key("anna", "create", "l", b"a")]
        {
            assert_ne!(one.stream(), other.stream());
        }
        let id = ProductId::parse("p").unwrap();
        let record = one.record(&id, StreamVersion(1), Stock::default(), StreamVersion::NONE);
        assert!(one.is_of(&record) && !key("anna", "create", "k", b"b").is_of(&record));
    }
}

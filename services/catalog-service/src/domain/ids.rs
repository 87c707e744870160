//! Identifiers of products and of reservations.

use std::fmt;
use std::sync::Arc;

use madrigal_core::StreamName;
use serde::{Deserialize, Deserializer, Serialize};

/// A product's id: 1 to 64 of ASCII letters, digits, `.`, `_`, `-`, not dots only. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProductId(Arc<str>);

impl ProductId {
    /// The id, or `None` if the text has another form. No URL carries `.` and `..`: nothing consists of dots only.
    pub fn parse(text: &str) -> Option<Self> {
        Self::stored(text).filter(|_| text.bytes().any(|byte| byte != b'.'))
    }

    /// The same, of dots only too: such ids were taken once, and what is stored stays readable.
    fn stored(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream of the product's own events.
    pub fn product_stream(&self) -> StreamName {
        stream("product", &self.0)
    }

    /// The stream of the product's stock.
    pub fn stock_stream(&self) -> StreamName {
        stream("stock", &self.0)
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProductId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::stored(&text).ok_or_else(|| serde::de::Error::custom("not a product's id"))
    }
}

/// The saga that a reservation belongs to: the reservation's only key. 1 to 100 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SagaKey(Arc<str>);

impl SagaKey {
    /// The category of reservations' streams.
    pub const CATEGORY: &'static str = "reservation";

    /// The key, or `None` if the text has another form.
    pub fn parse(text: &str) -> Option<Self> {
        ((1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream of the reservation.
    pub fn stream(&self) -> StreamName {
        stream(Self::CATEGORY, &self.0)
    }
}

impl fmt::Display for SagaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[expect(clippy::expect_used, reason = "both kinds of ids were checked to fit a stream's name")]
fn stream(category: &str, id: &str) -> StreamName {
    StreamName::new(category, id).expect("a valid stream name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["1", "A-1_b.c", "..a", "a.", "-", "._.", &"x".repeat(64)] {
            assert_eq!(ProductId::parse(good).unwrap().stock_stream().id(), good);
        }
        for bad in ["", ".", "..", "...", "a b", "a/b", "ä", "a\0", &"x".repeat(65)] {
            assert!(ProductId::parse(bad).is_none(), "{bad}");
        }
        assert!(SagaKey::parse(&"x".repeat(100)).unwrap().stream().as_str().starts_with("reservation-"));
        assert!(SagaKey::parse("").is_none() && SagaKey::parse("a b").is_none());
    }

    #[test]
    fn what_was_stored_when_dots_were_ids_stays_readable() {
        let stored: ProductId = serde_json::from_str("\"..\"").unwrap();
        assert_eq!(stored.as_str(), "..");
        assert!(serde_json::from_str::<ProductId>("\"a b\"").is_err());
    }
}

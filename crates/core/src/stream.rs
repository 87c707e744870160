//! Names of streams: `category-id`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of one stream: a category in lower case, a hyphen, and an id, as in `order-0198c5…`.
///
/// At most [`StreamName::MAX_BYTES`] bytes of visible ASCII. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

/// Why a text cannot name a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamNameError {
    /// Longer than the limit.
    #[error("a stream's name has at most {} bytes", StreamName::MAX_BYTES)]
    TooLong,
    /// Not `category-id`.
    #[error("a stream's name is a lower-case category, a hyphen and an id")]
    Form,
    /// A character outside visible ASCII.
    #[error("a stream's name has visible ASCII characters only")]
    Characters,
}

impl StreamName {
    /// The longest name, in bytes: room for a category and two UUIDs.
    pub const MAX_BYTES: usize = 128;

    /// The stream `category-id`.
    ///
    /// # Errors
    /// If the parts do not make a valid name; see [`StreamNameError`].
    pub fn new(category: &str, id: impl fmt::Display) -> Result<Self, StreamNameError> {
        format!("{category}-{id}").parse()
    }

    /// The part before the first hyphen.
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or(&*self.0, |(category, _)| category)
    }

    /// The part after the first hyphen: the aggregate's id.
    pub fn id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }

    /// The brief's `aggregateType`: the category with a capital, as in `Order`.
    pub fn aggregate_type(&self) -> String {
        let category = self.category();
        let mut letters = category.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_BYTES {
            return Err(StreamNameError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(StreamNameError::Characters);
        }
        let (category, id) = text.split_once('-').ok_or(StreamNameError::Form)?;
        let category_fits = !category.is_empty() && category.bytes().all(|byte| byte.is_ascii_lowercase());
        if category_fits && !id.is_empty() { Ok(Self(text.into())) } else { Err(StreamNameError::Form) }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for StreamName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StreamName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_category_and_an_id() {
        let name = StreamName::new("order", "0198-77").unwrap();
        assert_eq!((name.category(), name.id(), name.aggregate_type().as_str()), ("order", "0198-77", "Order"));
        assert_eq!("order".parse::<StreamName>(), Err(StreamNameError::Form));
        assert_eq!("Order-1".parse::<StreamName>(), Err(StreamNameError::Form));
        assert_eq!("order-".parse::<StreamName>(), Err(StreamNameError::Form));
        assert_eq!("order-a b".parse::<StreamName>(), Err(StreamNameError::Characters));
        assert_eq!(format!("order-{}", "x".repeat(200)).parse::<StreamName>(), Err(StreamNameError::TooLong));
    }
}

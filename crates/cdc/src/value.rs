//! The value of one column.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// What Debezium writes where the database did not log a value because it had not changed (a large column of PostgreSQL).
///
/// # Source
/// Debezium, `unavailable.value.placeholder`, its default.
pub const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// The value of one column of a row, as JSON can say it.
///
/// Decimals are texts (`decimal.handling.mode=string`), so that no digit is lost; JSON columns are texts too, as Debezium
/// writes them. [`Value::Unchanged`] is a value of its own and never NULL: whoever keeps the row keeps what it has.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// Not told, because it did not change.
    Unchanged,
    /// A truth value.
    Bool(bool),
    /// A whole or a floating-point number.
    Number(Number),
    /// A text; also decimals, times, UUIDs and JSON documents.
    Text(String),
    /// An array or an object.
    Nested(serde_json::Value),
}

impl Value {
    /// The value as a whole number: a number, or a text that is one (a decimal of scale 0).
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as a text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as JSON; [`Value::Unchanged`] is Debezium's placeholder.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Unchanged => UNAVAILABLE.into(),
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => serde_json::Value::Number(number.clone()),
            Self::Text(text) => text.as_str().into(),
            Self::Nested(value) => value.clone(),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number),
            serde_json::Value::String(text) if text == UNAVAILABLE => Self::Unchanged,
            serde_json::Value::String(text) => Self::Text(text),
            // An array column that was not logged has the placeholder as its only element.
            serde_json::Value::Array(items) if items.len() == 1 && items[0] == UNAVAILABLE => Self::Unchanged,
            nested => Self::Nested(nested),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Unchanged => serializer.serialize_str(UNAVAILABLE),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Nested(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Value {
    /// Its kind only: values are personal data, and reach logs by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Unchanged => "unchanged",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::Nested(_) => "nested",
        })
    }
}

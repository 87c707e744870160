//! Rows and their keys.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::value::Value;

/// A row: columns with their values, in the table's order. Two rows are equal if each column has the same value in both,
/// in whatever order.
#[derive(Clone, Default)]
pub struct Row(Vec<(Arc<str>, Value)>);

impl Row {
    /// A row without columns.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// With one more column; a column that is there already gets this value.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.set(column, value.into());
        self
    }

    /// Sets a column, at its place if it is there, else as the last one.
    pub fn set(&mut self, column: &str, value: Value) {
        match self.0.iter_mut().find(|(name, _)| **name == *column) {
            Some((_, known)) => *known = value,
            None => self.0.push((column.into(), value)),
        }
    }

    /// Takes a column out.
    pub fn remove(&mut self, column: &str) -> Option<Value> {
        let place = self.0.iter().position(|(name, _)| **name == *column)?;
        Some(self.0.remove(place).1)
    }

    /// The value of a column; `None` where the row does not have it.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| **name == *column).map(|(_, value)| value)
    }

    /// Names and values, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many columns there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no columns.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every column's value is told.
    pub fn is_complete(&self) -> bool {
        self.0.iter().all(|(_, value)| *value != Value::Unchanged)
    }

    /// This row with what it does not tell taken from `before`; `None` where `before` does not tell it either.
    pub fn completed_from(mut self, before: Option<&Self>) -> Option<Self> {
        for (name, value) in &mut self.0 {
            if *value == Value::Unchanged {
                *value = before?.get(name).filter(|known| **known != Value::Unchanged)?.clone();
            }
        }
        Some(self)
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Eq for Row {}

impl fmt::Debug for Row {
    /// Names and kinds, without values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(String, Value)> for Row {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(columns: I) -> Self {
        let mut row = Self::new();
        for (name, value) in columns {
            row.set(&name, value);
        }
        row
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of columns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut row = Row::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    row.set(&name, value);
                }
                Ok(row)
            }
        }
        deserializer.deserialize_map(Columns)
    }
}

/// The key of a row: its key columns, and the same as compact JSON, which is what stays in order and what copies use.
#[derive(Clone)]
pub struct Key {
    columns: Row,
    text: Arc<str>,
}

impl Key {
    /// The key that these columns are; `None` without columns, or where one is NULL or not told.
    pub fn new(columns: Row) -> Option<Self> {
        let told = columns.iter().all(|(_, value)| !matches!(value, Value::Null | Value::Unchanged));
        if columns.is_empty() || !told {
            return None;
        }
        let text = serde_json::to_string(&columns).ok()?;
        Some(Self { columns, text: text.into() })
    }

    /// A key of one column.
    pub fn of(column: &str, value: impl Into<Value>) -> Option<Self> {
        Self::new(Row::new().with(column, value))
    }

    /// The key of a row, by the names of the key's columns.
    pub fn of_row<'a>(row: &Row, columns: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut key = Row::new();
        for column in columns {
            key.set(column, row.get(column)?.clone());
        }
        Self::new(key)
    }

    /// The columns, in the key's order.
    pub const fn columns(&self) -> &Row {
        &self.columns
    }

    /// The value of the key's only column; `None` where it has several.
    pub fn only(&self) -> Option<&Value> {
        if self.columns.len() == 1 { self.columns.iter().next().map(|(_, value)| value) } else { None }
    }

    /// Compact JSON, as in `{"id":7}`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    /// By their text: an order, not that of any table.
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.columns.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let columns = Row::deserialize(deserializer)?;
        Self::new(columns).ok_or_else(|| serde::de::Error::custom("a key has columns, and none of them is NULL"))
    }
}

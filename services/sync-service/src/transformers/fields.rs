//! The fields that rows of a topic have, and those that copies cannot do without.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// A number.
    Number,
    /// A text; times too.
    Text,
    /// An object.
    Object,
    /// Anything, or nothing.
    Any,
}

impl FieldType {
    /// Whether a field of this type may have that value.
    pub(super) fn admits(self, value: &Value) -> bool {
        match self {
            Self::Number => value.is_number(),
            Self::Text => value.is_string(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Object => "an object",
            Self::Any => "anything",
        }
    }
}

/// Fields with their types.
pub(super) type Fields = BTreeMap<String, FieldType>;

/// The fields of a topic's rows before any transformer; `None` for a topic whose rows go to no copy.
pub fn fields_of(topic: &str) -> Option<BTreeMap<String, FieldType>> {
    let fields: &[(&str, FieldType)] = match topic {
        "users" => &[
            ("id", FieldType::Number),
            ("email", FieldType::Text),
            ("username", FieldType::Text),
            ("profile", FieldType::Object),
            ("createdAt", FieldType::Text),
            ("updatedAt", FieldType::Text),
            ("version", FieldType::Number),
        ],
        "user_events" => {
            &[("userId", FieldType::Number), ("totalEvents", FieldType::Number), ("lastActivity", FieldType::Text)]
        }
        _ => return None,
    };
    Some(fields.iter().map(|&(name, kind)| (name.to_owned(), kind)).collect())
}

/// The fields that a row keeps whatever happens to it: by them it is found and compared.
pub(super) const KEPT: &[&str] = &["id", "userId", "version"];

/// The fields that a copy needs beside those.
pub(super) fn needed_by(copy: &str) -> &'static [(&'static str, FieldType)] {
    match copy {
        "users.index" => &[("email", FieldType::Text), ("username", FieldType::Text)],
        "users.activity" => &[("totalEvents", FieldType::Number), ("lastActivity", FieldType::Text)],
        _ => &[],
    }
}

/// The copies that rows of a topic go to.
pub(super) fn copies_of(topic: &str) -> &'static [&'static str] {
    match topic {
        "users" => &["users.key-value", "users.index", "users.analytics"],
        "user_events" => &["users.activity"],
        _ => &[],
    }
}

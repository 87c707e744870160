//! Rows, their keys, and ranges of keys.

use madrigal_core::RowVersion;
use serde::{Deserialize, Serialize};

use crate::canonical::Content;

/// The only field of a row that cannot be read; no other row has it.
const UNREADABLE: &str = "unreadable";

/// A row of an owner or of a copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its key: text, the same at the owner and at every copy. Keys are ordered by their bytes.
    pub key: String,
    /// Its version; `None` where the set keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<RowVersion>,
    /// Whether it is known to be deleted: a tombstone. As good as no row, but newer than some.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Its content, where it was asked for and it is not deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

impl Row {
    /// A row without its content.
    pub fn new(key: impl Into<String>, version: Option<RowVersion>) -> Self {
        Self { key: key.into(), version, deleted: false, content: None }
    }

    /// A tombstone.
    pub fn tombstone(key: impl Into<String>, version: Option<RowVersion>) -> Self {
        Self { deleted: true, ..Self::new(key, version) }
    }

    /// A row that is there and cannot be read, with what is told of it.
    pub fn unreadable(key: impl Into<String>, version: Option<RowVersion>, told: impl Into<String>) -> Self {
        Self::new(key, version).with_content(Content::new().with(UNREADABLE, told.into()))
    }

    /// Whether it is there and cannot be read. Of an owner's row nothing can be said then; a copy's diverges.
    pub fn is_unreadable(&self) -> bool {
        self.content.as_ref().is_some_and(|content| content.get(UNREADABLE).is_some())
    }

    /// The same row, with its content.
    #[must_use]
    pub fn with_content(mut self, content: Content) -> Self {
        self.content = Some(content);
        self
    }
}

/// What of rows is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Detail {
    /// Keys and versions.
    Versions,
    /// Contents too.
    Content,
}

/// Keys after one and up to another, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRange {
    /// Only keys greater than this one; from the first where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only keys up to and including this one; to the last where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
}

impl KeyRange {
    /// All keys.
    pub const ALL: Self = Self { after: None, through: None };

    /// Whether a key is in the range.
    pub fn contains(&self, key: &str) -> bool {
        self.after.as_deref().is_none_or(|after| key > after)
            && self.through.as_deref().is_none_or(|through| key <= through)
    }
}

/// The key of a number, so that keys are in the order of the numbers: 20 digits, zeros in front.
pub fn number_key(number: u64) -> String {
    format!("{number:020}")
}

/// The number of such a key.
pub fn key_number(key: &str) -> Option<u64> {
    (key.len() == 20 && key.bytes().all(|byte| byte.is_ascii_digit())).then(|| key.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_numbers_are_in_the_order_of_the_numbers() {
        let mut numbers = [0, 9, 10, 99, 1_000, u64::MAX];
        numbers.sort_by_key(|number| number_key(*number));
        assert_eq!(numbers, [0, 9, 10, 99, 1_000, u64::MAX]);
        assert_eq!(key_number(&number_key(42)), Some(42));
        assert_eq!((key_number("42"), key_number("+0000000000000000042")), (None, None));
    }

    #[test]
    fn a_range_begins_after_one_key_and_ends_with_another() {
        let range = KeyRange { after: Some("b".into()), through: Some("d".into()) };
        let inside: Vec<&str> =
            ["a", "b", "bb", "c", "d", "da"].into_iter().filter(|key| range.contains(key)).collect();
        assert_eq!(inside, ["bb", "c", "d"]);
        assert!(KeyRange::ALL.contains(""));
    }
}

//! Where a field stands in a document.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The place of a field: the names from the top of the document down to it. A JSON pointer in text (RFC 6901).
///
/// Elements of arrays have no place of their own: an array is merged as a whole, by its rule. At most
/// [`FieldPath::MAX_DEPTH`] names of [`FieldPath::MAX_NAME_BYTES`] bytes each where it is parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FieldPath(Vec<String>);

/// A text that is no path of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a field: begins with /, at most 32 names of at most 256 bytes, ~0 for ~ and ~1 for /")]
pub struct BadPath;

impl FieldPath {
    /// The most names.
    pub const MAX_DEPTH: usize = 32;
    /// The longest name, in bytes.
    pub const MAX_NAME_BYTES: usize = 256;

    /// The document itself.
    pub const ROOT: Self = Self(Vec::new());

    /// The path of these names.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(str::to_owned).collect())
    }

    /// The names, from the top.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The field `name` below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// The value at this place; `None` where there is none.
    pub fn in_document<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(document, |value, name| value.as_object()?.get(name))
    }

    /// Whether one of the two lies inside the other, or they are the same.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one == other)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

impl FromStr for FieldPath {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        if text.is_empty() {
            return Ok(Self::ROOT);
        }
        let names: Vec<String> =
            text.strip_prefix('/').ok_or(BadPath)?.split('/').map(unescaped).collect::<Result<_, _>>()?;
        let fits = names.len() <= Self::MAX_DEPTH && names.iter().all(|name| name.len() <= Self::MAX_NAME_BYTES);
        if fits { Ok(Self(names)) } else { Err(BadPath) }
    }
}

fn unescaped(name: &str) -> Result<String, BadPath> {
    let stray = name.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
    if stray { Err(BadPath) } else { Ok(name.replace("~1", "/").replace("~0", "~")) }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_its_text_and_back() {
        for text in ["", "/profile", "/profile/counter", "/a~1b/~0c", "/ "] {
            assert_eq!(text.parse::<FieldPath>().unwrap().to_string(), text);
        }
        for text in ["profile", "/a~2", "/~", &"/x".repeat(33)] {
            assert_eq!(text.parse::<FieldPath>(), Err(BadPath), "{text}");
        }
    }

    #[test]
    fn a_path_finds_members_and_no_elements() {
        let document = json!({"a": {"b/c": 1}, "list": [1]});
        let at = |text: &str| text.parse::<FieldPath>().unwrap().in_document(&document).cloned();
        assert_eq!(at("/a/b~1c"), Some(json!(1)));
        assert_eq!(at("/list/0"), None);
        assert_eq!(at(""), Some(document.clone()));
    }
}

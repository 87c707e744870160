//! Lists in pages, by cursor.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{self, Problem};

/// The longest cursor that is read, in bytes.
const MAX_CURSOR_BYTES: usize = 2_048;

/// A page of a list: at most as many items as were asked for, and the cursor of the rest.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of up to `limit` of `rows`, which were read with a limit of `limit + 1` to see whether there are more.
    pub fn of<K: Serialize>(mut rows: Vec<T>, limit: usize, key: impl FnOnce(&T) -> K) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| Cursor(key(last)).to_text());
        Self { items: rows, next }
    }

    /// The same page of other items.
    pub fn map<U>(self, item: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(item).collect(), next: self.next }
    }
}

/// Where a page begins: opaque to clients (base64url of a versioned JSON), `T` to the list that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor<T>(pub T);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned<T> {
    v: u8,
    at: T,
}

impl<T: Serialize> Cursor<T> {
    /// The text that clients send back.
    pub fn to_text(&self) -> String {
        // Keys are texts and numbers, which always serialise; an empty cursor would be refused when it comes back.
        let json = serde_json::to_vec(&Versioned { v: 1, at: &self.0 }).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(json)
    }
}

impl<T: DeserializeOwned> Cursor<T> {
    /// The cursor that this text is.
    ///
    /// # Errors
    /// 400 `bad-cursor` for every other text.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_CURSOR_BYTES {
            return Err(problem::bad_cursor());
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| problem::bad_cursor())?;
        match serde_json::from_slice::<Versioned<T>>(&json) {
            Ok(Versioned { v: 1, at }) => Ok(Self(at)),
            Ok(_) | Err(_) => Err(problem::bad_cursor()),
        }
    }

    /// The key behind an optional cursor of a query.
    ///
    /// # Errors
    /// As [`Cursor::parse`].
    pub fn key(text: Option<&str>) -> Result<Option<T>, Problem> {
        text.map(|text| Self::parse(text).map(|cursor| cursor.0)).transpose()
    }
}

/// A page size from a query: `default` where none was asked for.
///
/// # Errors
/// 400 `invalid-query` outside 1..=`most`.
pub fn page_limit(asked: Option<u32>, default: u32, most: u32) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(default);
    if (1..=most).contains(&limit) {
        Ok(limit as usize)
    } else {
        let detail = format!("must be between 1 and {most}");
        Err(problem::invalid_query(vec![crate::FieldError { pointer: "/limit".into(), detail }]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_refuses_others() {
        let cursor = Cursor((7u64, "o-1".to_owned()));
        assert_eq!(Cursor::parse(&cursor.to_text()).unwrap(), cursor);
        let other_version = URL_SAFE_NO_PAD.encode(r#"{"v":2,"at":[7,"o-1"]}"#);
        for odd in ["", "x", "e30", "%%%", &other_version, &Cursor("x").to_text(), &"A".repeat(3_000)] {
            let problem = Cursor::<(u64, String)>::parse(odd).unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.code()), (400, "bad-cursor"), "{odd}");
        }
    }

    #[test]
    fn a_page_has_a_next_only_if_there_is_more() {
        let page = Page::of(vec![1, 2, 3], 2, |last| *last);
        assert_eq!((page.items, Cursor::<i32>::key(page.next.as_deref()).unwrap()), (vec![1, 2], Some(2)));
        assert_eq!(Page::of(vec![1, 2], 2, |last| *last).next, None);
    }
}

//! Globs over keys.

use std::fmt;
use std::sync::Arc;

/// A glob over keys: `*` is any text, `?` any one character, `\` takes the next character as it is. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Arc<str>,
    prefix: Arc<str>,
}

enum Sign {
    Any,
    One,
    Plain(char),
}

impl Pattern {
    /// The glob of this text. Every text is one.
    pub fn new(text: &str) -> Self {
        let prefix: String = signs(text)
            .map_while(|sign| match sign {
                Sign::Plain(plain) => Some(plain),
                Sign::Any | Sign::One => None,
            })
            .collect();
        Self { text: text.into(), prefix: prefix.into() }
    }

    /// What all keys that it matches begin with: where an index is entered.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole key matches. Takes at most the product of both lengths.
    ///
    /// # Source
    /// The usual two-pointer match: on a mismatch go back to the last `*` and let it take one character more.
    pub fn matches(&self, key: &str) -> bool {
        let wanted: Vec<Sign> = signs(&self.text).collect();
        let (mut at, mut rest) = (0, key.chars());
        // Where the last `*` stood, and the text that it has not taken yet.
        let mut last: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            match (wanted.get(at), ahead.next()) {
                (Some(Sign::Any), _) => {
                    at += 1;
                    last = Some((at, rest.clone()));
                    continue;
                }
                (None, None) => return true,
                (Some(Sign::One), Some(_)) => {
                    (at, rest) = (at + 1, ahead);
                    continue;
                }
                (Some(Sign::Plain(plain)), Some(found)) if *plain == found => {
                    (at, rest) = (at + 1, ahead);
                    continue;
                }
                _ => {}
            }
            let Some((after, taken)) = &mut last else { return false };
            if taken.next().is_none() {
                return false;
            }
            (at, rest) = (*after, taken.clone());
        }
    }
}

fn signs(text: &str) -> impl Iterator<Item = Sign> + '_ {
    let mut chars = text.chars();
    std::iter::from_fn(move || {
        Some(match chars.next()? {
            '*' => Sign::Any,
            '?' => Sign::One,
            // A single one at the end stands for itself.
            '\\' => Sign::Plain(chars.next().unwrap_or('\\')),
            plain => Sign::Plain(plain),
        })
    })
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_keys() {
        let cases = [
            ("user:*", "user:7", true),
            ("user:*", "users:7", false),
            ("user:?", "user:12", false),
            ("user:?", "user:ä", true),
            ("*:7:*", "a:7:b:7:c", true),
            ("*:7", "a:7:8", false),
            ("a*b*c", "abbbc", true),
            ("a*b*c", "acb", false),
            ("", "", true),
            ("*", "", true),
            ("", "a", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\", "a\\", true),
        ];
        for (glob, key, matches) in cases {
            assert_eq!(Pattern::new(glob).matches(key), matches, "{glob} on {key}");
        }
    }

    #[test]
    fn the_prefix_is_what_stands_before_the_first_wildcard() {
        assert_eq!(Pattern::new("user:\\*7*x").prefix(), "user:*7");
        assert_eq!(Pattern::new("?a").prefix(), "");
    }

    #[test]
    fn a_nasty_glob_ends_soon() {
        let (glob, key) = ("a*".repeat(200) + "b", "a".repeat(400));
        assert!(!Pattern::new(&glob).matches(&key));
    }
}

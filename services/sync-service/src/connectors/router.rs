//! Topic names by regular expression, as Kafka Connect's `RegexRouter` has them.

use std::fmt;

use regex::Regex;

/// The longest expression, in bytes.
const MAX_REGEX_BYTES: usize = 1_000;
/// How much memory a compiled expression may take.
const MAX_COMPILED_BYTES: usize = 256 * 1024;

/// Renames topics whose whole name matches; others keep their name.
///
/// # Source
/// `org.apache.kafka.connect.transforms.RegexRouter`: `Pattern.matcher(topic).matches()`, then `replaceFirst`, with
/// Java's replacements: `$3` and `${name}` are groups, a backslash takes the next character as it is.
#[derive(Clone)]
pub struct RegexRouter {
    whole: Regex,
    replacement: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

/// An expression or a replacement that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// The expression.
    #[error("not a regular expression: {0}")]
    Regex(String),
    /// The replacement.
    #[error("not a replacement: {0}")]
    Replacement(String),
}

impl RegexRouter {
    /// The router with this expression and replacement.
    ///
    /// # Errors
    /// [`RouterError`] where either cannot be used; a group that the expression does not have included.
    pub fn new(regex: &str, replacement: &str) -> Result<Self, RouterError> {
        if regex.len() > MAX_REGEX_BYTES {
            return Err(RouterError::Regex(format!("longer than {MAX_REGEX_BYTES} bytes")));
        }
        let whole = regex::RegexBuilder::new(&format!(r"\A(?:{regex})\z")).size_limit(MAX_COMPILED_BYTES).build();
        let whole = whole.map_err(|error| RouterError::Regex(error.to_string()))?;
        let replacement = parts(&whole, replacement).map_err(RouterError::Replacement)?;
        Ok(Self { whole, replacement })
    }

    /// The topic's name behind the router; `None` where the expression does not match it.
    pub fn routed(&self, topic: &str) -> Option<String> {
        let found = self.whole.captures(topic)?;
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Group(group) => found.get(*group).map_or_else(String::new, |group| group.as_str().to_owned()),
        };
        Some(self.replacement.iter().map(text).collect())
    }
}

impl fmt::Debug for RegexRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegexRouter").field("regex", &self.whole.as_str()).finish_non_exhaustive()
    }
}

fn parts(regex: &Regex, replacement: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut left = replacement.chars().peekable();
    while let Some(next) = left.next() {
        let group = match next {
            '\\' => {
                text.push(left.next().ok_or("it ends with a backslash")?);
                continue;
            }
            '$' if left.peek() == Some(&'{') => {
                let name: String = left.by_ref().skip(1).take_while(|&next| next != '}').collect();
                let found = regex.capture_names().position(|known| known == Some(name.as_str()));
                found.ok_or_else(|| format!("the expression has no group {name:?}"))?
            }
            '$' => {
                let digit = |next: Option<&char>| next.and_then(|next| next.to_digit(10)).map(|digit| digit as usize);
                let mut group = digit(left.peek()).ok_or("a $ is followed by a number or {name}")?;
                left.next();
                // As Java: further digits belong to the number as long as there is such a group.
                while let Some(longer) = digit(left.peek()).map(|next| group * 10 + next) {
                    if longer >= regex.captures_len() {
                        break;
                    }
                    group = longer;
                    left.next();
                }
                if group >= regex.captures_len() {
                    return Err(format!("the expression has no group {group}"));
                }
                group
            }
            other => {
                text.push(other);
                continue;
            }
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Group(group));
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(regex: &str, replacement: &str, topic: &str) -> Option<String> {
        RegexRouter::new(regex, replacement).unwrap().routed(topic)
    }

    #[test]
    fn the_briefs_route_names_a_topic_as_its_table() {
        let brief = (r"([^.]+)\.([^.]+)\.([^.]+)", "$3");
        assert_eq!(routed(brief.0, brief.1, "userdb.public.users").as_deref(), Some("users"));
        assert_eq!(routed(brief.0, brief.1, "userdb.public.user_events").as_deref(), Some("user_events"));
        assert_eq!(routed(brief.0, brief.1, "a.userdb.public.users"), None, "the whole name must match");
    }

    #[test]
    fn replacements_are_javas() {
        assert_eq!(routed("(a)(b)", "$2$1", "ab").as_deref(), Some("ba"));
        assert_eq!(routed("(a)(b)", "$1x", "ab").as_deref(), Some("ax"), "a letter ends the number");
        assert_eq!(routed("(a)(b)", "$12", "ab").as_deref(), Some("a2"), "there is no group 12");
        assert_eq!(routed("(?P<whole>a.*)", r"\$${whole}\\", "ab").as_deref(), Some(r"$ab\"));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for (regex, replacement) in [("(", "$1"), ("a", "$1"), ("a", "$x"), ("a", "x\\"), ("a", "${b}"), ("a", "$")] {
            assert!(RegexRouter::new(regex, replacement).is_err(), "{regex} {replacement}");
        }
        assert!(RegexRouter::new(&"(a{1,100}){1,100}".repeat(20), "x").is_err(), "a costly expression");
    }
}

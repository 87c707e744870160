//! A rule that does not hold.

use std::fmt;

/// A rule that was found broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule's name, as in `stock-balances`.
    pub rule: &'static str,
    /// Whom it is about: orders, keys, sagas, products; none where it is about the whole.
    pub ids: Vec<String>,
    /// What was found.
    pub found: String,
}

impl Violation {
    /// A violation about these ids.
    pub fn new<'a>(rule: &'static str, ids: impl IntoIterator<Item = &'a str>, found: impl Into<String>) -> Self {
        Self { rule, ids: ids.into_iter().map(str::to_owned).collect(), found: found.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.found)?;
        if self.ids.is_empty() { Ok(()) } else { write!(f, " ({})", self.ids.join(", ")) }
    }
}

//! Environment variables, read in one place.

/// The variable's value, or `None` where it is unset or not Unicode.
#[expect(clippy::disallowed_methods, reason = "the one place that reads variables")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

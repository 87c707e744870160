//! The terms that find a user.

use std::collections::BTreeSet;

use madrigal_tantivy::analysis::folded;
use serde_json::Value;

/// The longest term, in bytes; longer words are found by their beginnings.
const MAX_TERM: usize = 64;
/// The most terms of one user.
const MAX_TERMS: usize = 64;

/// The words of a text in lower case and without accents; `@`, dots and hyphens separate words.
pub(super) fn words(text: &str) -> Vec<String> {
    let text = folded(text);
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(shortened).collect()
}

/// What a user is found by: the words of user name, address and names, and user name and address as a whole.
pub(super) fn of_row(row: &Value) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    let texts = ["/username", "/email", "/profile/firstName", "/profile/lastName"];
    for text in texts.iter().filter_map(|pointer| row.pointer(pointer).and_then(Value::as_str)) {
        terms.extend(words(text));
    }
    for whole in ["/username", "/email"].iter().filter_map(|pointer| row.pointer(pointer).and_then(Value::as_str)) {
        terms.insert(shortened(&folded(whole)));
    }
    terms.into_iter().filter(|term| !term.is_empty()).take(MAX_TERMS).collect()
}

fn shortened(word: &str) -> String {
    let mut end = word.len().min(MAX_TERM);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_is_found_by_words_and_by_the_whole_name_and_address() {
        let row = json!({"username": "ada.l", "email": "ada@example.org", "profile": {"firstName": "Ádá", "lastName": "Łovelace-King"}});
        let terms = of_row(&row);
        for expected in ["ada", "ada l", "ada example org", "example", "king", "l", "org"] {
            assert!(terms.contains(expected), "{expected} of {terms:?}");
        }
        assert_eq!(words("ÁDÁ  King"), ["ada", "king"]);
    }

    #[test]
    fn terms_are_bounded() {
        let row = json!({"username": "é".repeat(500), "email": (0..500).map(|n| format!("w{n} ")).collect::<String>()});
        let terms = of_row(&row);
        assert!(terms.len() <= MAX_TERMS && terms.iter().all(|term| term.len() <= MAX_TERM));
    }
}

//! How far a word may be from what was typed.

use std::sync::Arc;

use tantivy::Term;
use tantivy::query::{AutomatonWeight, DfaWrapper, EnableScoring, FuzzyTermQuery, Query, Weight};
use tantivy::schema::Field;

/// The longest word that is looked up with typos, in characters: the automaton of a longer one would be too large.
const MAX_TYPO_CHARS: usize = 32;

/// How many edits a word may have: none up to 2 characters, one up to 5, two up to 32, none above.
///
/// # Source
/// Elasticsearch's `fuzziness: AUTO` (there is no upper end there).
pub fn allowed_edits(word: &str) -> u8 {
    match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=MAX_TYPO_CHARS => 2,
        _ => 0,
    }
}

/// The edits (insertions, deletions, substitutions, and swaps of neighbours, each counting one) that make one word of the
/// other, if there are at most `most`.
///
/// # Source
/// The optimal string alignment distance: no part is edited twice.
pub fn edits(one: &str, other: &str, most: u8) -> Option<u8> {
    if one == other {
        return Some(0);
    }
    let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if a.len().abs_diff(b.len()) > usize::from(most) {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut least = (last[j + 1] + 1).min(row[j] + 1).min(last[j] + usize::from(from != to));
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    u8::try_from(last[b.len()]).ok().filter(|edits| *edits <= most)
}

/// The words within a distance of one, as an automaton that several fields share.
#[derive(Clone)]
pub(crate) struct Similar(Arc<DfaWrapper>);

impl Similar {
    pub(crate) fn of(word: &str, edits: u8) -> tantivy::Result<Self> {
        // The field of the term plays no part in its automaton.
        let term = Term::from_field_text(Field::from_field_id(0), word);
        Ok(Self(Arc::new(FuzzyTermQuery::new(term, edits, true).automaton()?)))
    }

    pub(crate) fn within(&self, field: Field) -> SimilarIn {
        SimilarIn { field, words: self.clone() }
    }
}

/// Documents with such a word in a field.
#[derive(Clone)]
pub(crate) struct SimilarIn {
    field: Field,
    words: Similar,
}

impl std::fmt::Debug for SimilarIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimilarIn").field("field", &self.field).finish_non_exhaustive()
    }
}

impl Query for SimilarIn {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(AutomatonWeight::<DfaWrapper>::new(self.field, Arc::clone(&self.words.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_with_swaps_as_one() {
        for (one, other, expected) in [
            ("milk", "milk", Some(0)),
            ("milk", "mlik", Some(1)),
            ("milk", "mil", Some(1)),
            ("milk", "silk", Some(1)),
            ("chocolate", "choclate", Some(1)),
            ("chocolate", "chocolat", Some(1)),
            ("chocolate", "chololcate", Some(2)),
            ("ca", "abc", None),
            ("abcdef", "ghijkl", None),
            ("", "ab", Some(2)),
        ] {
            assert_eq!(edits(one, other, 2), expected, "{one} {other}");
            assert_eq!(edits(other, one, 2), expected, "{other} {one}");
        }
    }

    #[test]
    fn short_words_have_no_typos_and_long_ones_two() {
        let allowed = |count| allowed_edits(&"ä".repeat(count));
        assert_eq!([2, 3, 5, 6, 32, 33].map(allowed), [0, 1, 1, 2, 2, 0]);
    }
}

//! The words of a search with their synonyms: what the query, the highlights and a plain scan all go by.

use crate::analysis;
use crate::synonyms::Synonyms;
use crate::typos::{allowed_edits, edits};

/// The most words of a search; more are left out.
pub const MAX_WORDS: usize = 32;

/// What must be found: each part somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    parts: Vec<Part>,
}

/// One or more words that are next to each other, and what may stand for them: all of the typed ones, or one of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The words, each of which may be anywhere and have typos; empty where only the others are meant.
    pub typed: Vec<String>,
    /// Phrases, each of which may stand in some field instead, as it is.
    pub others: Vec<Vec<String>>,
}

impl Wanted {
    /// What `text` asks for. There is no syntax: operators and signs of other search languages are words or nothing.
    pub fn of(text: &str, synonyms: &Synonyms) -> Self {
        let mut words: Vec<String> = analysis::words(text).into_iter().map(|word| word.text).collect();
        words.truncate(MAX_WORDS);
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = words.as_slice();
        while let Some(first) = rest.first() {
            let part = match synonyms.at(rest) {
                Some((count, meaning)) => {
                    let (here, after) = rest.split_at(count);
                    rest = after;
                    let typed = if meaning.itself { here.to_vec() } else { Vec::new() };
                    Part { typed, others: meaning.others.clone() }
                }
                None => {
                    rest = &rest[1..];
                    Part { typed: vec![first.clone()], others: Vec::new() }
                }
            };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        Self { parts }
    }

    /// Whether nothing is asked for: then nothing is found.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What must be found.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Which of a text's words are asked for.
    pub(crate) fn marks(&self, words: &[analysis::Word]) -> Vec<bool> {
        let mut marks: Vec<bool> = words.iter().map(|word| self.asks_for(&word.text)).collect();
        for phrase in self.parts.iter().flat_map(|part| &part.others) {
            let fits = |window: &[analysis::Word]| window.iter().map(|word| &word.text).eq(phrase);
            for (start, window) in words.windows(phrase.len()).enumerate() {
                if fits(window) {
                    marks[start..start + phrase.len()].fill(true);
                }
            }
        }
        marks
    }

    fn asks_for(&self, word: &str) -> bool {
        let typed = self.parts.iter().flat_map(|part| &part.typed);
        typed.into_iter().any(|typed| edits(typed, word, allowed_edits(typed)).is_some())
    }

    /// Whether a document with these texts (each a list of words) is found: the rule that the index follows, said plainly.
    pub fn finds(&self, texts: &[Vec<String>]) -> bool {
        let typed = |typed: &String| {
            let allowed = allowed_edits(typed);
            texts.iter().flatten().any(|word| edits(typed, word, allowed).is_some())
        };
        let phrase = |phrase: &Vec<String>| texts.iter().any(|text| text.windows(phrase.len()).any(|at| at == phrase));
        !self.parts.is_empty()
            && self.parts.iter().all(|part| {
                let as_typed = !part.typed.is_empty() && part.typed.iter().all(typed);
                as_typed || part.others.iter().any(phrase)
            })
    }
}

//! Words that mean the same: Solr's synonym format, applied to what is searched for, so that a change needs no new index.
//!
//! ```text
//! # a comment
//! soda, pop, soft drink        each finds all of them
//! kleenex => facial tissue     the left is searched for as the right
//! a\, b, c                     a backslash takes the next character as it is
//! ```

use std::collections::HashMap;

use crate::analysis;

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The most lines that are not empty or comments.
pub const MAX_RULES: usize = 10_000;
/// The most terms of a line, and the most that one is searched for as.
pub const MAX_TERMS: usize = 32;
/// The most words of a term.
pub const MAX_TERM_WORDS: usize = 8;

/// A set of synonyms. The default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synonyms {
    /// By first word: the sequences that begin so, longest first.
    by_first: HashMap<String, Vec<Entry>>,
    rules: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    words: Vec<String>,
    meaning: Meaning,
}

/// What a sequence of words is searched for as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// Whether it keeps its own words too: not where it only stands left of an arrow.
    pub(crate) itself: bool,
    /// The others.
    pub(crate) others: Vec<Vec<String>>,
}

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// Its number, from 1; 0 is the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Synonyms {
    /// The synonyms of a file.
    ///
    /// # Errors
    /// Every [`BadLine`], at most 100.
    pub fn parse(text: &str) -> Result<Self, Vec<BadLine>> {
        let mut synonyms = Self::default();
        let mut bad = Vec::new();
        if text.len() > MAX_BYTES {
            return Err(vec![BadLine { line: 0, problem: format!("the file has more than {MAX_BYTES} bytes") }]);
        }
        for (line, text) in text.lines().enumerate() {
            let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Err(problem) = synonyms.add(text) {
                bad.push(BadLine { line: line + 1, problem });
            }
        }
        for entries in synonyms.by_first.values_mut() {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.words.len()));
        }
        bad.truncate(100);
        if bad.is_empty() { Ok(synonyms) } else { Err(bad) }
    }

    /// How many lines it was made of.
    pub const fn rules(&self) -> usize {
        self.rules
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        if self.rules == MAX_RULES {
            return Err(format!("there are more than {MAX_RULES} rules"));
        }
        let mut sides = sides(line)?.into_iter();
        let (left, right) = (sides.next().unwrap_or_default(), sides.next());
        if sides.next().is_some() {
            return Err("it has more than one arrow".to_owned());
        }
        let left = terms(&left)?;
        match right {
            Some(right) => {
                let right = terms(&right)?;
                for term in &left {
                    for other in &right {
                        self.mean(term, other)?;
                    }
                }
            }
            None if left.len() < 2 => return Err("a line without an arrow has at least two terms".to_owned()),
            None => {
                for term in &left {
                    for other in &left {
                        self.mean(term, other)?;
                    }
                }
            }
        }
        self.rules += 1;
        Ok(())
    }

    fn mean(&mut self, term: &[String], other: &[String]) -> Result<(), String> {
        let Some(first) = term.first() else { return Ok(()) };
        let entries = self.by_first.entry(first.clone()).or_default();
        let known = entries.iter().position(|entry| entry.words == term).unwrap_or_else(|| {
            entries.push(Entry { words: term.to_vec(), meaning: Meaning::default() });
            entries.len() - 1
        });
        let meaning = &mut entries[known].meaning;
        if term == other {
            meaning.itself = true;
        } else if !meaning.others.iter().any(|known| known == other) {
            if meaning.others.len() == MAX_TERMS {
                return Err(format!("`{}` would mean more than {MAX_TERMS} others", term.join(" ")));
            }
            meaning.others.push(other.to_vec());
        }
        Ok(())
    }

    /// The longest sequence at the beginning of `words` that has synonyms: how many words, and what they mean.
    pub(crate) fn at(&self, words: &[String]) -> Option<(usize, &Meaning)> {
        let entries = self.by_first.get(words.first()?)?;
        let entry = entries.iter().find(|entry| words.starts_with(&entry.words))?;
        Some((entry.words.len(), &entry.meaning))
    }
}

/// The sides of the arrows, each as its terms, unescaped.
fn sides(line: &str) -> Result<Vec<Vec<String>>, String> {
    let mut sides = vec![vec![String::new()]];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let side = sides.len() - 1;
        match c {
            '\\' => {
                let taken = chars.next().ok_or("it ends with a backslash")?;
                if let Some(term) = sides[side].last_mut() {
                    term.push(taken);
                }
            }
            ',' => sides[side].push(String::new()),
            '=' if chars.peek() == Some(&'>') => {
                chars.next();
                sides.push(vec![String::new()]);
            }
            c => {
                if let Some(term) = sides[side].last_mut() {
                    term.push(c);
                }
            }
        }
    }
    Ok(sides)
}

/// The words of terms.
fn terms(side: &[String]) -> Result<Vec<Vec<String>>, String> {
    if side.len() > MAX_TERMS {
        return Err(format!("it has more than {MAX_TERMS} terms on a side"));
    }
    let mut terms: Vec<Vec<String>> = Vec::new();
    for term in side {
        let words: Vec<String> = analysis::words(term).into_iter().map(|word| word.text).collect();
        if words.is_empty() {
            return Err(format!("the term `{}` has no words", term.trim()));
        }
        if words.len() > MAX_TERM_WORDS {
            return Err(format!("the term `{}` has more than {MAX_TERM_WORDS} words", term.trim()));
        }
        if !terms.contains(&words) {
            terms.push(words);
        }
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(synonyms: &Synonyms, words: &str) -> Option<(usize, bool, Vec<String>)> {
        let words: Vec<String> = words.split(' ').map(ToOwned::to_owned).collect();
        let (count, meaning) = synonyms.at(&words)?;
        Some((count, meaning.itself, meaning.others.iter().map(|other| other.join(" ")).collect()))
    }

    #[test]
    fn equals_mean_each_other_and_an_arrow_one_way() {
        let text = "# drinks\n\nSoda, Pop,soft drink\nkleenex => facial tissue\npop, cola\na\\, b, c\n";
        let synonyms = Synonyms::parse(text).unwrap();
        assert_eq!(synonyms.rules(), 4);
        assert_eq!(meaning(&synonyms, "soft drink cup"), Some((2, true, vec!["soda".into(), "pop".into()])));
        let pop = vec!["soda".into(), "soft drink".into(), "cola".into()];
        assert_eq!(meaning(&synonyms, "pop corn"), Some((1, true, pop)));
        assert_eq!(meaning(&synonyms, "kleenex"), Some((1, false, vec!["facial tissue".into()])));
        assert_eq!(meaning(&synonyms, "facial tissue"), None);
        assert_eq!(meaning(&synonyms, "soft"), None);
        assert_eq!(meaning(&synonyms, "c"), Some((1, true, vec!["a b".into()])));
    }

    #[test]
    fn bad_lines_are_named() {
        let text = "a, b\nalone\na => b => c\na,,b\n=> a\n!!, b\nends\\\n";
        let lines: Vec<usize> = Synonyms::parse(text).unwrap_err().iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7]);
        let many: Vec<String> = (0..40).map(|n| format!("w{n}")).collect();
        assert_eq!(Synonyms::parse(&many.join(",")).unwrap_err()[0].line, 1);
        assert_eq!(Synonyms::parse(&"x".repeat(MAX_BYTES + 1)).unwrap_err()[0].line, 0);
    }
}

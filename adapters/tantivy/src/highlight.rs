//! Where the words of a search were found.

use std::fmt::Write as _;

use crate::analysis;
use crate::wanted::Wanted;

/// About how much of a text is shown, in characters.
const FRAGMENT_CHARS: usize = 150;

/// The best part of `text`, as HTML: everything escaped, the words found in `<b>`; `None` where none is in it.
///
/// At most some 150 characters of text, and whole words.
pub fn highlight(wanted: &Wanted, text: &str) -> Option<String> {
    let words = analysis::words(text);
    let marks = wanted.marks(&words);
    let fragment = fragment(text, &words, &marks)?;
    let mut html = String::new();
    let mut written = fragment.start;
    for (word, marked) in words.iter().zip(marks) {
        // The pieces of a word that was too long all stand where the word does.
        if !marked || word.at.start < written || word.at.end > fragment.end {
            continue;
        }
        escape(&text[written..word.at.start], &mut html);
        html.push_str("<b>");
        escape(&text[word.at.clone()], &mut html);
        html.push_str("</b>");
        written = word.at.end;
    }
    escape(&text[written..fragment.end], &mut html);
    Some(html)
}

/// The bytes of the text in which most marked words are, the first such.
fn fragment(text: &str, words: &[analysis::Word], marks: &[bool]) -> Option<std::ops::Range<usize>> {
    let reach = |start: usize| {
        let end = text[start..].char_indices().nth(FRAGMENT_CHARS).map_or(text.len(), |(at, _)| start + at);
        let cut = words.iter().find(|word| word.at.start < end && end < word.at.end && word.at.start > start);
        cut.map_or(end, |word| word.at.start)
    };
    if text.chars().nth(FRAGMENT_CHARS).is_none() {
        return marks.contains(&true).then_some(0..text.len());
    }
    let marked: Vec<&analysis::Word> =
        words.iter().zip(marks).filter(|(_, mark)| **mark).map(|(word, _)| word).collect();
    let mut best: Option<(usize, std::ops::Range<usize>)> = None;
    // A text is full of a word rarely; the first 64 places are enough to choose from.
    for first in marked.iter().take(64) {
        let range = first.at.start..reach(first.at.start).max(first.at.end);
        let count = marked.iter().filter(|word| range.start <= word.at.start && word.at.end <= range.end).count();
        if best.as_ref().is_none_or(|(most, _)| count > *most) {
            best = Some((count, range));
        }
    }
    best.map(|(_, range)| range)
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#x27;"),
            c if c.is_control() && c != '\n' && c != '\t' => {
                let _ = write!(html, "&#xFFFD;");
            }
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synonyms::Synonyms;

    fn marked(words: &str, text: &str) -> Option<String> {
        let synonyms = Synonyms::parse("soda, soft drink").unwrap();
        highlight(&Wanted::of(words, &synonyms), text)
    }

    #[test]
    fn words_are_marked_and_everything_is_escaped() {
        for (words, text, expected) in [
            ("tea", "<img src=x onerror=\"tea\">", Some("&lt;img src=x onerror=&quot;<b>tea</b>&quot;&gt;")),
            ("creme", "Die Crème!", Some("Die <b>Crème</b>!")),
            ("choclate", "Dark Chocolate", Some("Dark <b>Chocolate</b>")),
            ("soda", "A soft drink & more", Some("A <b>soft</b> <b>drink</b> &amp; more")),
            ("soft drink", "Soda", Some("<b>Soda</b>")),
            ("tea", "coffee", None),
            ("", "coffee", None),
        ] {
            assert_eq!(marked(words, text).as_deref(), expected, "{words} in {text}");
        }
    }

    #[test]
    fn a_long_text_is_cut_around_the_words() {
        let text = format!("{}green tea and more green tea {}", "filler ".repeat(100), "filler ".repeat(100));
        let shown = marked("green tea", &text).unwrap();
        assert!(shown.starts_with("<b>green</b> <b>tea</b> and more <b>green</b>"), "{shown}");
        assert!(shown.len() < 250 && !shown.ends_with("fil"), "{shown}");
        assert_eq!(marked(&"x".repeat(64), &"x".repeat(5_000)).map(|shown| shown.len()), Some(5_007));
    }
}

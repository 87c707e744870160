//! Texts to words: the analyzer of names, descriptions and of what is searched for.
//!
//! The brief's `product_analyzer`: standard tokenizer, lower case, ASCII folding (synonyms come at query time, see
//! [`crate::synonyms`]). Words are those of Unicode's segmentation (UAX #29) but for three deliberate differences: a full
//! stop or a colon between letters parts words (`Bread:Italian` has two), so does `_`, and Chinese, Japanese and Korean
//! ideographs and kana stand alone. An apostrophe inside a word, and a point or comma between digits, belong to it.

use std::ops::Range;

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use tantivy::tokenizer::{AsciiFoldingFilter, TextAnalyzer, Token, TokenStream, Tokenizer};

/// The longest word, in characters; a longer one is indexed and searched for as pieces of this length.
pub const MAX_WORD_CHARS: usize = 64;

/// A word of a text: in lower case, without accents, and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it is indexed.
    pub text: String,
    /// Its bytes in the text.
    pub at: Range<usize>,
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<Word> {
    let mut analyzer = analyzer();
    let mut tokens = analyzer.token_stream(text);
    let mut words = Vec::new();
    while tokens.advance() {
        let token = tokens.token();
        words.push(Word { text: token.text.clone(), at: token.offset_from..token.offset_to });
    }
    words
}

/// The words of a text with single spaces between them: what two texts that read alike have in common.
pub fn folded(text: &str) -> String {
    words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// The analyzer as tantivy takes it.
pub(crate) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words).filter(AsciiFoldingFilter).build()
}

#[derive(Debug, Clone, Copy)]
struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = Found<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Found<'a> {
        let token = Token { position: usize::MAX, ..Token::default() };
        Found { text, next: 0, pieces: Vec::new(), token }
    }
}

struct Found<'a> {
    text: &'a str,
    next: usize,
    /// The rest of a word that was too long, last piece first.
    pieces: Vec<String>,
    token: Token,
}

impl TokenStream for Found<'_> {
    fn advance(&mut self) -> bool {
        self.token.text.clear();
        if let Some(piece) = self.pieces.pop() {
            self.token.text.push_str(&piece);
            self.token.position = self.token.position.wrapping_add(1);
            return true;
        }
        while let Some(at) = next_word(self.text, self.next) {
            self.next = at.end;
            fold(&self.text[at.clone()], &mut self.token.text);
            if self.token.text.is_empty() {
                continue;
            }
            if self.token.text.len() > MAX_WORD_CHARS {
                self.part();
            }
            (self.token.offset_from, self.token.offset_to) = (at.start, at.end);
            self.token.position = self.token.position.wrapping_add(1);
            self.token.position_length = 1;
            return true;
        }
        false
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

impl Found<'_> {
    /// Leaves the first piece in the token and keeps the others.
    fn part(&mut self) {
        let chars: Vec<char> = self.token.text.chars().collect();
        let mut pieces = chars.chunks(MAX_WORD_CHARS).map(|piece| piece.iter().collect::<String>());
        self.token.text = pieces.next().unwrap_or_default();
        self.pieces = pieces.collect();
        self.pieces.reverse();
    }
}

/// Where the next word is, from this byte on.
fn next_word(text: &str, from: usize) -> Option<Range<usize>> {
    let mut chars = text[from..].char_indices().map(|(at, c)| (from + at, c)).peekable();
    let (start, first) = loop {
        let (at, c) = chars.next()?;
        if c.is_alphanumeric() {
            break (at, c);
        }
    };
    let mut end = start + first.len_utf8();
    let mut before = first;
    let mut alone = stands_alone(first);
    while let Some((at, c)) = chars.next() {
        if joins(c) {
            end = at + c.len_utf8();
        } else if alone {
            break;
        } else if c.is_alphanumeric() && !stands_alone(c) {
            (end, before) = (at + c.len_utf8(), c);
        } else {
            let after = chars.peek().map(|(_, after)| *after);
            let inside = |kind: fn(char) -> bool| kind(before) && after.is_some_and(kind);
            let belongs = match c {
                '\'' | '’' | '＇' => inside(|c| c.is_alphabetic() && !stands_alone(c)),
                '.' | ',' => inside(|c| c.is_ascii_digit()),
                _ => false,
            };
            if !belongs {
                break;
            }
            alone = false;
        }
    }
    Some(start..end)
}

/// Ideographs and kana, of which each is a word.
const fn stands_alone(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{2FDF}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Marks and invisible characters, which belong to the character before them.
fn joins(c: char) -> bool {
    !c.is_ascii() && (invisible(c) || CanonicalCombiningClassMapBorrowed::new().get_u8(c) != 0)
}

const fn invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

/// Accents of letters, and the points of Hebrew and Arabic, which are left out when people type.
const fn accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5C7}' | '\u{610}'..='\u{61A}' | '\u{64B}'..='\u{65F}' | '\u{670}'
        | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// A word in lower case without accents, in its composed compatibility form (NFKC): wide and decomposed characters are what
/// they look like.
fn fold(word: &str, into: &mut String) {
    if word.is_ascii() {
        into.push_str(word);
        into.make_ascii_lowercase();
        return;
    }
    let lower = word.chars().flat_map(char::to_lowercase);
    let plain =
        DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(lower).filter(|c| !accent(*c) && !invisible(*c));
    let plain = plain.flat_map(char::to_lowercase).map(|c| match c {
        'ς' => 'σ',
        '’' => '\'',
        c => c,
    });
    into.extend(ComposingNormalizerBorrowed::new_nfc().normalize_iter(plain));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_what_people_mean_by_them() {
        for (text, expected) in [
            ("Bread:Italian/French", vec!["bread", "italian", "french"]),
            ("Crème BRÛLÉE", vec!["creme", "brulee"]),
            ("Cre\u{300}me", vec!["creme"]),
            ("Ｔｅａ ①②", vec!["tea", "12"]),
            ("Ben's  6.5 oz, 1,000 pcs.", vec!["ben's", "6.5", "oz", "1,000", "pcs"]),
            ("Ben’s", vec!["ben's"]),
            ("Straße Ærø Łódź İstanbul", vec!["strasse", "aero", "lodz", "istanbul"]),
            ("ΟΔΟΣ οδός", vec!["οδοσ", "οδοσ"]),
            ("抹茶tea ガム", vec!["抹", "茶", "tea", "ガ", "ム"]),
            ("한국어", vec!["한국어"]),
            ("שָׁלוֹם", vec!["שלום"]),
            ("soft\u{AD}ware", vec!["software"]),
            ("a_b a.b", vec!["a", "b", "a", "b"]),
            ("'quoted' -- !?", vec!["quoted"]),
            ("🍵 \u{0}\u{301}", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_knows_where_it_stood() {
        let text = "Die Crème, süß";
        let stood: Vec<&str> = words(text).into_iter().map(|word| &text[word.at]).collect();
        assert_eq!(stood, ["Die", "Crème", "süß"]);
    }

    #[test]
    fn a_very_long_word_is_parted() {
        let lengths: Vec<usize> = words(&"x".repeat(150)).iter().map(|word| word.text.len()).collect();
        assert_eq!(lengths, [64, 64, 22]);
    }
}

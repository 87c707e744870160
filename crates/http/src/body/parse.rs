//! Strict JSON into a [`Value`]: what `serde_json` takes silently (a member given twice, numbers beyond every type, NUL in
//! texts) is found here, with its place.
//!
//! # Source
//! RFC 8259 for the grammar; RFC 7493 (I-JSON), 2.3, for refusing repeated members.

use serde_json::{Map, Number, Value};

use super::place::{Findings, Place};

/// How deep arrays and objects may nest.
pub(crate) const MAX_DEPTH: usize = 64;

/// Text that is not JSON: where it stops being so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line}, column {column}")]
pub(crate) struct SyntaxError {
    what: &'static str,
    line: usize,
    column: usize,
}

/// Parses a whole document. Things that are JSON but never acceptable are added to `findings`; the value there is null.
pub(crate) fn parse(text: &[u8], findings: &mut Findings) -> Result<Value, SyntaxError> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => return Err(at(text, error.valid_up_to(), "not UTF-8")),
    };
    let mut parser = Parser { text, bytes: text.as_bytes(), next: 0, findings };
    parser.skip_space();
    let value = parser.value(&Place::Root, 0)?;
    parser.skip_space();
    if parser.next < parser.bytes.len() {
        Err(parser.error("something after the end of the document"))
    } else {
        Ok(value)
    }
}

fn at(text: &[u8], offset: usize, what: &'static str) -> SyntaxError {
    let before = &text[..offset.min(text.len())];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    SyntaxError { what, line, column }
}

struct Parser<'a, 'f> {
    text: &'a str,
    bytes: &'a [u8],
    next: usize,
    findings: &'f mut Findings,
}

impl Parser<'_, '_> {
    fn error(&self, what: &'static str) -> SyntaxError {
        at(self.bytes, self.next, what)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.next).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.next += 1;
        }
    }

    fn value(&mut self, place: &Place<'_>, depth: usize) -> Result<Value, SyntaxError> {
        match self.peek() {
            Some(b'{') => self.object(place, depth + 1),
            Some(b'[') => self.array(place, depth + 1),
            Some(b'"') => {
                let text = self.string()?;
                if text.contains('\0') {
                    self.findings.add(place, "must not contain the character NUL");
                }
                Ok(Value::String(text))
            }
            Some(b'-' | b'0'..=b'9') => self.number(place),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the document ends too early")),
        }
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, SyntaxError> {
        if self.bytes[self.next..].starts_with(word.as_bytes()) {
            self.next += word.len();
            Ok(value)
        } else {
            Err(self.error("expected a value"))
        }
    }

    fn object(&mut self, place: &Place<'_>, depth: usize) -> Result<Value, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested deeper than 64 levels"));
        }
        self.next += 1;
        let mut members = Map::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.next += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("expected the name of a member"));
            }
            let name = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.error("expected a colon"));
            }
            self.next += 1;
            self.skip_space();
            let here = Place::Member(place, &name);
            if name.contains('\0') {
                self.findings.add(&here, "a name must not contain the character NUL");
            }
            if members.contains_key(&name) {
                self.findings.add(&here, "given more than once");
            }
            let value = self.value(&here, depth)?;
            members.insert(name, value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.next += 1,
                Some(b'}') => {
                    self.next += 1;
                    return Ok(Value::Object(members));
                }
                Some(_) => return Err(self.error("expected a comma or the end of the object")),
                None => return Err(self.error("the document ends inside an object")),
            }
        }
    }

    fn array(&mut self, place: &Place<'_>, depth: usize) -> Result<Value, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested deeper than 64 levels"));
        }
        self.next += 1;
        let mut elements = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.next += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            self.skip_space();
            let element = self.value(&Place::Element(place, elements.len()), depth)?;
            elements.push(element);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.next += 1,
                Some(b']') => {
                    self.next += 1;
                    return Ok(Value::Array(elements));
                }
                Some(_) => return Err(self.error("expected a comma or the end of the array")),
                None => return Err(self.error("the document ends inside an array")),
            }
        }
    }

    fn number(&mut self, place: &Place<'_>) -> Result<Value, SyntaxError> {
        let start = self.next;
        if self.peek() == Some(b'-') {
            self.next += 1;
        }
        match self.peek() {
            Some(b'0') => self.next += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.error("expected a digit")),
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error("a number must not begin with zero"));
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.next += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.next += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.next += 1;
            }
            self.some_digits()?;
        }
        let text = &self.text[start..self.next];
        if whole {
            if let Ok(number) = text.parse::<u64>() {
                return Ok(Value::Number(number.into()));
            }
            if let Ok(number) = text.parse::<i64>() {
                return Ok(Value::Number(number.into()));
            }
        }
        // Too long for an integer, or with a fraction: a double, as everywhere in JSON, unless that is infinite.
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Ok(Value::Number(number));
        }
        self.findings.add(place, "the number is too large");
        Ok(Value::Null)
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.next += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), SyntaxError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error("expected a digit"));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        self.next += 1;
        let mut text = String::new();
        loop {
            let start = self.next;
            while self.peek().is_some_and(|byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
                self.next += 1;
            }
            text.push_str(&self.text[start..self.next]);
            match self.peek() {
                Some(b'"') => {
                    self.next += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.next += 1;
                    let character = self.escaped()?;
                    text.push(character);
                }
                Some(_) => return Err(self.error("a control character inside a text")),
                None => return Err(self.error("the document ends inside a text")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, SyntaxError> {
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.next += 1;
                return self.unicode();
            }
            _ => return Err(self.error("not an escape that JSON knows")),
        };
        self.next += 1;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char, SyntaxError> {
        let first = self.four_digits()?;
        let code = match first {
            0xD800..=0xDBFF => {
                if !self.bytes[self.next..].starts_with(b"\\u") {
                    return Err(self.error("half of a surrogate pair"));
                }
                self.next += 2;
                let second = self.four_digits()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(self.error("half of a surrogate pair"));
                }
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| self.error("half of a surrogate pair"))
    }

    fn four_digits(&mut self) -> Result<u32, SyntaxError> {
        let digits = self.bytes.get(self.next..self.next + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            return Err(self.error("expected four hexadecimal digits"));
        };
        let code = digits.iter().fold(0, |code, digit| code * 16 + char::from(*digit).to_digit(16).unwrap_or(0));
        self.next += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &[u8]) -> (Result<Value, SyntaxError>, Vec<String>) {
        let mut findings = Findings::default();
        let value = parse(text, &mut findings);
        (
            value,
            findings.into_errors().into_iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect(),
        )
    }

    #[test]
    fn a_syntax_error_names_its_line_and_column() {
        let error = parsed(b"{\n  \"a\": 1,\n  b\n}").0.unwrap_err();
        assert_eq!(error.to_string(), "expected the name of a member at line 3, column 3");
        let error = parsed(b"{\"a\": \"\xff\"}").0.unwrap_err();
        assert_eq!(error.to_string(), "not UTF-8 at line 1, column 8");
        let deep = "[".repeat(65);
        assert!(parsed(deep.as_bytes()).0.unwrap_err().to_string().starts_with("nested deeper"));
        let fits = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(parsed(fits.as_bytes()).0.is_ok());
    }

    #[test]
    fn what_is_json_and_never_acceptable_is_found_with_its_place() {
        let (value, found) = parsed(br#"{"a":{"b/c":1,"b/c":2},"n":[1e400],"t":"x\u0000y"}"#);
        assert!(value.is_ok());
        assert_eq!(
            found,
            [
                "/a/b~1c: given more than once",
                "/n/0: the number is too large",
                "/t: must not contain the character NUL"
            ]
        );
    }

    #[test]
    fn odd_documents_are_judged_as_serde_json_judges_them() {
        let odd: &[&str] = &[
            "",
            " ",
            "nul",
            "truex",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "-0.0",
            "1E+2",
            "[1,]",
            "{\"a\":1,}",
            "[",
            "{",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\\ud83d\\ude00\"",
            "\"\u{1}\"",
            "\"\\u00e9\"",
            "[1 2]",
            "{\"a\" 1}",
            "{1:2}",
            "1 2",
            "\u{feff}1",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "0.1",
            "1e308",
            "\"\u{7f}\"",
        ];
        for text in odd {
            let ours = parsed(text.as_bytes()).0.ok();
            assert_eq!(ours, serde_json::from_str(text).ok(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_document_that_serde_json_writes_is_read_the_same(text in any::<String>(), number in any::<i64>(), real in -1e15..1e15f64) {
            let value = serde_json::json!({"text": text, "list": [number, real, null, true, {"inner": {}}], text.clone(): []});
            let written = serde_json::to_vec_pretty(&value).unwrap();
            prop_assert_eq!(parsed(&written).0.unwrap(), value);
        }

        #[test]
        fn no_bytes_make_it_panic_and_what_it_takes_serde_json_takes(bytes in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), Just(b'1'), Just(b'e'), Just(b'-'), Just(b'u'), any::<u8>()], 0..40)) {
            let (ours, found) = parsed(&bytes);
            if found.is_empty() {
                prop_assert_eq!(ours.is_ok(), serde_json::from_slice::<Value>(&bytes).is_ok());
            }
        }
    }
}

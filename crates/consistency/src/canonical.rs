//! One form of a row's content, whatever engine it comes from.
//!
//! Two engines hold the same row when their contents are equal in this form. Its rules:
//!
//! * a field that is NULL and a field that is absent are the same; an empty text, list or object is not absent;
//! * fields, and members of objects at every depth, are in the order of their names' bytes;
//! * a number is its value: `1`, `1.0` and `1e0` are the same; zero has no sign;
//! * a decimal is its value, whatever its scale and whether the engine writes it as a number or as a text: `1.50` is `1.5`;
//! * a time is a moment in UTC, with microseconds, or with milliseconds where one of the engines has no more;
//! * texts are the same where their bytes are: no engine that holds a copy may change how a text is composed (Unicode
//!   normalisation would hide that, and searching by bytes would not find the row).

use std::collections::BTreeMap;

use madrigal_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use xxhash_rust::xxh3::Xxh3Default;

/// A row's fields in their canonical form. In JSON an object.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(BTreeMap<String, Value>);

impl Content {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more field, of any JSON; `null` is no field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        match canonical(value.into()) {
            Value::Null => self.0.remove(field),
            value => self.0.insert(field.to_owned(), value),
        };
        self
    }

    /// With a decimal, as an engine writes it: a text or a number. What is no decimal is kept as it is.
    #[must_use]
    pub fn with_decimal(self, field: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::Number(number) => decimal(&number.to_string()).map_or(Value::Number(number), Value::String),
            Value::String(text) => Value::String(decimal(&text).unwrap_or(text)),
            other => other,
        };
        self.with(field, value)
    }

    /// With a moment, to the microsecond.
    #[must_use]
    pub fn with_time(self, field: &str, time: Option<Timestamp>) -> Self {
        self.with(field, time.map(|time| time.to_string()))
    }

    /// With a moment, to the millisecond: for pairs of which one engine has no more. The rest is cut off, not rounded.
    #[must_use]
    pub fn with_time_millis(self, field: &str, time: Option<Timestamp>) -> Self {
        let cut = |time: Timestamp| Timestamp::from_micros(time.as_micros().div_euclid(1_000) * 1_000);
        self.with_time(field, time.map(cut))
    }

    /// With a moment as an engine writes it, in RFC 3339 with any zone. What is no time is kept as it is.
    #[must_use]
    pub fn with_time_text(self, field: &str, text: &str) -> Self {
        match text.parse::<Timestamp>() {
            Ok(time) => self.with_time(field, Some(time)),
            Err(_) => self.with(field, text),
        }
    }

    /// The content of a JSON object; other JSON is the field `value`.
    pub fn of_json(value: Value) -> Self {
        match value {
            Value::Object(members) => {
                members.into_iter().fold(Self::new(), |content, (field, value)| content.with(&field, value))
            }
            other => Self::new().with("value", other),
        }
    }

    /// A field's value, if there is one.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// The fields that there are, by name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value))
    }

    /// Only these fields; all of them where none is named.
    #[must_use]
    pub fn only(mut self, fields: &[String]) -> Self {
        if !fields.is_empty() {
            self.0.retain(|field, _| fields.contains(field));
        }
        self
    }

    /// The hash of these fields; of all where none is named. The order of the names does not matter.
    pub fn hash(&self, fields: &[String]) -> u64 {
        let mut hash = Xxh3Default::new();
        for (field, value) in &self.0 {
            if fields.is_empty() || fields.contains(field) {
                text(&mut hash, field);
                write(&mut hash, value);
            }
        }
        hash.digest()
    }
}

/// A value in its canonical form; members that are `null` are left out at every depth.
fn canonical(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(number_value(number)),
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (name, canonical(value)))
                .filter(|(_, value)| !value.is_null())
                .collect(),
        ),
        other => other,
    }
}

/// Whole numbers up to 2^53 in whatever form they came: beyond it a float no longer says which whole number it is.
fn number_value(number: Number) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
            Number::from(float as i64)
        }
        _ => number,
    }
}

/// A decimal without needless zeros and signs; `None` where the text is none. Exponents are written out, up to 400 digits.
fn decimal(text: &str) -> Option<String> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok().filter(|e| e.abs() <= 400)?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || digits.len() > 400 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The point stands after this many digits.
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let (mut before, mut after) = (String::new(), String::new());
    for (at, digit) in (0i32..).zip(digits.chars()) {
        if at < point { before.push(digit) } else { after.push(digit) }
    }
    let missing = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    before.push_str(&missing(point - i32::try_from(digits.len()).ok()?));
    let after = format!("{}{after}", missing(-point));
    let (before, after) = (before.trim_start_matches('0'), after.trim_end_matches('0'));
    let before = if before.is_empty() { "0" } else { before };
    let sign = if negative && (before != "0" || !after.is_empty()) { "-" } else { "" };
    Some(if after.is_empty() { format!("{sign}{before}") } else { format!("{sign}{before}.{after}") })
}

/// Each value with a byte for its kind and its length, so that no two contents have the same bytes.
fn write(hash: &mut Xxh3Default, value: &Value) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(flag) => hash.update(if *flag { b"t" } else { b"f" }),
        Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                hash.update(b"i");
                hash.update(&whole.to_le_bytes());
            } else if let Some(whole) = number.as_u64() {
                hash.update(b"u");
                hash.update(&whole.to_le_bytes());
            } else {
                hash.update(b"d");
                hash.update(&number.as_f64().unwrap_or(f64::NAN).to_bits().to_le_bytes());
            }
        }
        Value::String(value) => {
            hash.update(b"s");
            text(hash, value);
        }
        Value::Array(items) => {
            hash.update(b"a");
            hash.update(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| write(hash, item));
        }
        Value::Object(members) => {
            hash.update(b"o");
            hash.update(&(members.len() as u64).to_le_bytes());
            // `serde_json` keeps them sorted unless another crate turns its `preserve_order` on.
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (name, member) in sorted {
                text(hash, name);
                write(hash, member);
            }
        }
    }
}

fn text(hash: &mut Xxh3Default, text: &str) {
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn same(one: &Content, other: &Content) -> bool {
        assert_eq!(one == other, one.hash(&[]) == other.hash(&[]), "{one:?} {other:?}");
        one == other
    }

    #[test]
    fn a_field_that_is_null_is_absent_and_an_empty_one_is_not() {
        let (absent, null) = (Content::new(), Content::of_json(json!({ "a": null, "b": null })));
        assert!(same(&absent, &null));
        for empty in [json!(""), json!([]), json!({}), json!(0), json!(false)] {
            assert!(!same(&absent, &Content::new().with("a", empty)));
        }
        let deep = |value: Value| Content::new().with("a", json!({ "x": 1, "y": value }));
        assert!(same(&deep(Value::Null), &Content::new().with("a", json!({ "x": 1 }))));
        assert!(!same(&Content::new().with("a", json!([null])), &Content::new().with("a", json!([]))));
        assert!(same(&Content::new().with("a", 1).with("a", Value::Null), &absent));
    }

    #[test]
    fn members_are_the_same_in_any_order() {
        let parse = |text: &str| Content::of_json(serde_json::from_str(text).unwrap());
        assert!(same(
            &parse(r#"{"b":{"y":1,"x":[1,{"q":2,"p":3}]},"a":1}"#),
            &parse(r#"{"a":1,"b":{"x":[1,{"p":3,"q":2}],"y":1}}"#)
        ));
        assert!(!same(&parse(r#"{"a":[1,2]}"#), &parse(r#"{"a":[2,1]}"#)));
    }

    #[test]
    fn a_number_is_its_value() {
        let one = |text: &str| Content::new().with("n", serde_json::from_str::<Value>(text).unwrap());
        assert!(same(&one("1"), &one("1.0")) && same(&one("1"), &one("1e0")) && same(&one("0"), &one("-0.0")));
        assert!(!same(&one("1"), &one("1.5")) && !same(&one("1"), &Content::new().with("n", "1")));
        assert!(!same(&one("9007199254740993"), &one("9007199254740992")));
        assert!(!same(&one("18446744073709551615"), &one("-1")));
    }

    #[test]
    fn a_decimal_is_its_value_whatever_its_scale_and_its_type() {
        let one = |value: Value| Content::new().with_decimal("d", value);
        for (left, right) in [
            (json!("1.50"), json!("1.5")),
            (json!("1.5"), json!(1.5)),
            (json!("100"), json!("1e2")),
            (json!("0.001"), json!("1E-3")),
            (json!("-0.00"), json!(0)),
            (json!("+7.0"), json!(7)),
            (json!("007"), json!("7")),
            (json!(".5"), json!("0.5")),
            (json!("12.34e1"), json!("123.4")),
        ] {
            assert!(same(&one(left.clone()), &one(right.clone())), "{left} {right}");
        }
        assert!(!same(&one(json!("1.5")), &one(json!("1.51"))) && !same(&one(json!("-1")), &one(json!("1"))));
        for odd in ["", "-", "1,5", "0x1", "1e", "1e999", "NaN"] {
            assert_eq!(one(json!(odd)).get("d"), Some(&json!(odd)), "kept as it is");
        }
    }

    #[test]
    fn a_time_is_a_moment_whatever_its_zone_and_precision() {
        let micros: Timestamp = "2026-11-22T10:15:00.123456Z".parse().unwrap();
        let millis: Timestamp = "2026-11-22T10:15:00.123Z".parse().unwrap();
        let (plain, cut) = (Content::new(), Content::new());
        assert!(same(
            &plain.clone().with_time("t", Some(micros)),
            &cut.clone().with_time_text("t", "2026-11-22T11:15:00.123456000+01:00")
        ));
        assert!(!same(&plain.clone().with_time("t", Some(micros)), &cut.clone().with_time("t", Some(millis))));
        assert!(same(&plain.clone().with_time_millis("t", Some(micros)), &cut.with_time_millis("t", Some(millis))));
        let before = Timestamp::from_micros(-1);
        assert_eq!(
            plain.with_time_millis("t", Some(before)).get("t"),
            Some(&json!("1969-12-31T23:59:59.999Z")),
            "cut towards the past on both sides of 1970"
        );
    }

    #[test]
    fn texts_are_the_same_where_their_bytes_are() {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
        assert!(!same(&Content::new().with("n", composed), &Content::new().with("n", decomposed)));
    }

    #[test]
    fn no_two_contents_run_together() {
        let contents = [
            json!({ "a": "b", "c": "d" }),
            json!({ "a": "bcd" }),
            json!({ "ab": "cd" }),
            json!({ "a": ["b", "c"] }),
            json!({ "a": ["bc"] }),
            json!({ "a": [["b"], "c"] }),
            json!({ "a": { "b": "c" } }),
            json!({ "a": true }),
            json!({ "a": "t" }),
        ];
        let hashes: std::collections::HashSet<u64> =
            contents.iter().map(|content| Content::of_json(content.clone()).hash(&[])).collect();
        assert_eq!(hashes.len(), contents.len());
    }

    #[test]
    fn fields_that_are_not_compared_do_not_count() {
        let one = Content::new().with("a", 1).with("b", 2);
        let other = Content::new().with("a", 1).with("b", 3).with("c", 4);
        let only = ["a".to_owned()];
        assert_eq!(one.hash(&only), other.hash(&only));
        assert_eq!(one.clone().only(&only), other.only(&only));
        assert_ne!(one.hash(&only), one.hash(&[]));
    }
}

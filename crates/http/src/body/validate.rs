//! A value against a compiled schema: everything that is wrong, each with its place.

use serde_json::Value;

use super::place::{Findings, Place};
use super::schema::{DEFAULT_MAX_CHARS, Format, ObjectRule, Rule, Schema, TextRule};

/// Adds everything that is wrong with `value` to `findings`; at places that are mentioned there nothing is added.
pub(crate) fn validate(schema: &Schema, value: &Value, findings: &mut Findings) {
    Validation { schema, hidden: findings }.check(schema.root, value, &Place::Root);
}

struct Validation<'a> {
    schema: &'a Schema,
    hidden: &'a mut Findings,
}

impl Validation<'_> {
    fn add(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        if !self.hidden.mention(place) {
            self.hidden.add(place, detail);
        }
    }

    fn check(&mut self, rule: usize, value: &Value, place: &Place<'_>) {
        if self.hidden.is_full() {
            return;
        }
        let schema = self.schema;
        match &schema.rules[rule] {
            Rule::Any => self.within_limits(value, place),
            Rule::Nothing => self.add(place, "not allowed here"),
            Rule::Object(rule) => self.object(rule, value, place),
            Rule::Array { item, min, max } => self.array((*item, *min, *max), value, place),
            Rule::Text(rule) => self.text(rule, value, place),
            Rule::Integer { min, max } => self.integer(*min, *max, value, place),
            Rule::Number { min, above, max, below } => match value.as_f64() {
                Some(number) if number >= *min && number <= *max && number > *above && number < *below => {}
                Some(_) => self.add(place, "the number is out of range"),
                None => self.wrong_kind("a number", value, place),
            },
            Rule::Boolean if value.is_boolean() => {}
            Rule::Boolean => self.wrong_kind("true or false", value, place),
            Rule::Null if value.is_null() => {}
            Rule::Null => self.wrong_kind("null", value, place),
            Rule::OneOfValues(values) => {
                if !values.contains(value) {
                    let known = values.iter().take(30).map(Value::to_string).collect::<Vec<_>>().join(", ");
                    self.add(place, format!("expected {}{known}", if values.len() > 1 { "one of " } else { "" }));
                }
            }
            Rule::Either(rules) => self.either(rules, value, place),
            Rule::Every(rules) => rules.iter().for_each(|rule| self.check(*rule, value, place)),
        }
    }

    fn wrong_kind(&mut self, expected: &str, value: &Value, place: &Place<'_>) {
        self.add(place, format!("expected {expected}, not {}", kind(value)));
    }

    fn object(&mut self, rule: &ObjectRule, value: &Value, place: &Place<'_>) {
        let Value::Object(members) = value else {
            return self.wrong_kind("an object", value, place);
        };
        for (name, member) in members {
            let here = Place::Member(place, name);
            match (rule.members.get(name), rule.others) {
                (Some(rule), _) => self.check(*rule, member, &here),
                (None, Some(rule)) => self.check(rule, member, &here),
                (None, None) => self.add(&here, "not a known field"),
            }
        }
        for name in rule.required.iter().filter(|name| !members.contains_key(*name)) {
            self.add(&Place::Member(place, name), "is required");
        }
        self.count(members.len(), rule.min, rule.max, "members", place);
    }

    fn array(&mut self, (item, min, max): (usize, u64, u64), value: &Value, place: &Place<'_>) {
        let Value::Array(elements) = value else {
            return self.wrong_kind("an array", value, place);
        };
        self.count(elements.len(), min, max, "elements", place);
        for (index, element) in elements.iter().enumerate() {
            self.check(item, element, &Place::Element(place, index));
        }
    }

    fn count(&mut self, count: usize, min: u64, max: u64, what: &str, place: &Place<'_>) {
        let count = count as u64;
        if count < min {
            self.add(place, format!("at least {min} {what} are needed, not {count}"));
        } else if count > max {
            self.add(place, format!("at most {max} {what} are accepted, not {count}"));
        }
    }

    fn text(&mut self, rule: &TextRule, value: &Value, place: &Place<'_>) {
        let Value::String(text) = value else {
            return self.wrong_kind("a text", value, place);
        };
        let chars = text.chars().count() as u64;
        if chars < rule.min {
            let wanted = rule.min;
            self.add(
                place,
                if wanted == 1 {
                    "must not be empty".into()
                } else {
                    format!("at least {wanted} characters are needed")
                },
            );
        } else if chars > rule.max {
            self.add(place, format!("at most {} characters are accepted, not {chars}", rule.max));
        } else if rule.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            let pattern = rule.pattern.as_ref().map(regex::Regex::as_str).unwrap_or_default();
            // Said in words: a pattern that asks for more than dots does not look like it does.
            let dots = chars > 0 && text.bytes().all(|byte| byte == b'.');
            self.add(place, format!("{}does not match {pattern}", if dots { "has nothing but dots: " } else { "" }));
        } else if rule.format == Format::DateTime && text.parse::<madrigal_core::Timestamp>().is_err() {
            self.add(place, "expected a time such as 2026-11-22T10:15:00Z (RFC 3339)");
        } else if rule.format == Format::Uuid && text.parse::<madrigal_core::EventId>().is_err() {
            self.add(place, "expected a UUID");
        }
    }

    fn integer(&mut self, min: i128, max: i128, value: &Value, place: &Place<'_>) {
        let Value::Number(number) = value else {
            return self.wrong_kind("an integer", value, place);
        };
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        match whole {
            Some(whole) if whole < min => self.add(place, format!("must be at least {min}")),
            Some(whole) if whole > max => self.add(place, format!("must be at most {max}")),
            Some(_) => {}
            // Beyond 2^64 a whole number arrives as a double.
            None if number.as_f64().is_some_and(|real| real.abs() >= 9.2e18) => {
                self.add(place, format!("must be between {min} and {max}"));
            }
            None => self.add(place, "expected an integer, without fraction or exponent"),
        }
    }

    /// One alternative must hold. If none does, the errors of the alternative that was meant are told: the one whose
    /// constant members (a tag) agree, else the one that has the value's kind, if there is only one.
    fn either(&mut self, rules: &[usize], value: &Value, place: &Place<'_>) {
        let mut meant: Vec<(Findings, usize)> = Vec::new();
        for rule in rules {
            let mut findings = Findings::default();
            Validation { schema: self.schema, hidden: &mut findings }.check(*rule, value, place);
            if findings.is_empty() {
                return;
            }
            meant.push((findings, *rule));
        }
        let by_tag = meant.iter().position(|(_, rule)| self.tag_agrees(*rule, value, 0));
        let by_kind = || {
            let mut same = meant.iter().enumerate().filter(|(_, (_, rule))| self.kind_agrees(*rule, value, 0));
            same.next().filter(|_| same.next().is_none()).map(|(index, _)| index)
        };
        match by_tag.or_else(by_kind) {
            Some(index) => {
                let (findings, _) = meant.swap_remove(index);
                self.hidden.extend(findings);
            }
            None => {
                let mut expected: Vec<&str> = rules.iter().map(|rule| self.expected(*rule, 0)).collect();
                expected.dedup();
                self.add(place, format!("matches none of the accepted forms ({})", expected.join(", ")));
            }
        }
    }

    fn tag_agrees(&self, rule: usize, value: &Value, depth: usize) -> bool {
        match &self.schema.rules[rule] {
            Rule::Object(rule) => rule.members.iter().any(|(name, member)| {
                matches!(&self.schema.rules[*member], Rule::OneOfValues(values)
                    if values.len() == 1 && value.get(name) == values.first())
            }),
            Rule::Every(rules) if depth < 16 => rules.iter().any(|rule| self.tag_agrees(*rule, value, depth + 1)),
            _ => false,
        }
    }

    fn kind_agrees(&self, rule: usize, value: &Value, depth: usize) -> bool {
        match &self.schema.rules[rule] {
            Rule::Any => true,
            Rule::Object(_) => value.is_object(),
            Rule::Array { .. } => value.is_array(),
            Rule::Text(_) => value.is_string(),
            Rule::Integer { .. } | Rule::Number { .. } => value.is_number(),
            Rule::Boolean => value.is_boolean(),
            Rule::OneOfValues(values) => values.first().is_some_and(|first| kind(first) == kind(value)),
            Rule::Every(rules) if depth < 16 => rules.iter().all(|rule| self.kind_agrees(*rule, value, depth + 1)),
            Rule::Either(rules) if depth < 16 => rules.iter().any(|rule| self.kind_agrees(*rule, value, depth + 1)),
            _ => false,
        }
    }

    fn expected(&self, rule: usize, depth: usize) -> &'static str {
        match &self.schema.rules[rule] {
            Rule::Object(_) => "an object",
            Rule::Array { .. } => "an array",
            Rule::Text(_) => "a text",
            Rule::Integer { .. } => "an integer",
            Rule::Number { .. } => "a number",
            Rule::Boolean => "true or false",
            Rule::Null => "null",
            Rule::OneOfValues(_) => "a known word",
            Rule::Every(rules) | Rule::Either(rules) if depth < 16 => {
                rules.first().map_or("something else", |rule| self.expected(*rule, depth + 1))
            }
            _ => "something else",
        }
    }

    /// Free-form values keep to the limit on texts, too.
    fn within_limits(&mut self, value: &Value, place: &Place<'_>) {
        match value {
            Value::String(text) if text.chars().count() as u64 > DEFAULT_MAX_CHARS => {
                self.add(place, format!("at most {DEFAULT_MAX_CHARS} characters are accepted"));
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.within_limits(element, &Place::Element(place, index));
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.within_limits(member, &Place::Member(place, name));
                }
            }
            _ => {}
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

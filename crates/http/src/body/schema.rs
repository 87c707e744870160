//! The schema of a body type, compiled once from its OpenAPI description.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use regex::Regex;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema as OpenApiSchema};

/// The longest text accepted where the schema names no `max_length`, in characters.
pub(crate) const DEFAULT_MAX_CHARS: u64 = 10_000;

/// A compiled schema: rules in one list that name each other by index, so that recursive types are no matter.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) rules: Vec<Rule>,
    pub(crate) root: usize,
}

/// What one value must be.
#[derive(Debug)]
pub(crate) enum Rule {
    /// Anything, within the limits on texts.
    Any,
    /// Nothing is allowed here.
    Nothing,
    /// An object.
    Object(ObjectRule),
    /// An array.
    Array { item: usize, min: u64, max: u64 },
    /// A text.
    Text(TextRule),
    /// A number written without fraction or exponent.
    Integer { min: i128, max: i128 },
    /// Any number.
    Number { min: f64, above: f64, max: f64, below: f64 },
    /// True or false.
    Boolean,
    /// Null.
    Null,
    /// One of these values.
    OneOfValues(Vec<Value>),
    /// What one of these rules says.
    Either(Vec<usize>),
    /// What all of these rules say.
    Every(Vec<usize>),
}

/// What an object must be.
#[derive(Debug)]
pub(crate) struct ObjectRule {
    pub(crate) members: BTreeMap<String, usize>,
    pub(crate) required: Vec<String>,
    /// The rule for members that are not named; `None` refuses them.
    pub(crate) others: Option<usize>,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// What a text must be.
#[derive(Debug)]
pub(crate) struct TextRule {
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Format,
}

/// Formats that are checked here; others are left to the type itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Free,
    DateTime,
    Uuid,
}

/// The compiled schema of `T`, made at the first use.
pub(crate) fn of<T: utoipa::ToSchema + 'static>() -> Arc<Schema> {
    static COMPILED: OnceLock<RwLock<HashMap<TypeId, Arc<Schema>>>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(RwLock::default);
    if let Some(schema) = compiled.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<T>()) {
        return Arc::clone(schema);
    }
    let mut named = Vec::new();
    T::schemas(&mut named);
    named.push((T::name().into_owned(), T::schema()));
    let schema = Arc::new(compile(&T::schema(), named));
    compiled.write().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), Arc::clone(&schema));
    schema
}

fn compile(root: &RefOr<OpenApiSchema>, named: Vec<(String, RefOr<OpenApiSchema>)>) -> Schema {
    let json = |schema: &RefOr<OpenApiSchema>| serde_json::to_value(schema).unwrap_or(Value::Bool(true));
    let mut by_name = HashMap::new();
    for (name, schema) in named {
        let schema = json(&schema);
        if by_name.insert(name.clone(), schema.clone()).is_some_and(|other| other != schema) {
            tracing::error!(schema = name, "two types of one body have the same name: one is checked as the other");
        }
    }
    let mut compiler = Compiler { named: by_name, done: HashMap::new(), rules: Vec::new() };
    let root = compiler.compile(&json(root));
    Schema { rules: compiler.rules, root }
}

struct Compiler {
    named: HashMap<String, Value>,
    done: HashMap<String, usize>,
    rules: Vec<Rule>,
}

impl Compiler {
    fn push(&mut self, rule: Rule) -> usize {
        self.rules.push(rule);
        self.rules.len() - 1
    }

    fn compile(&mut self, schema: &Value) -> usize {
        let Value::Object(schema) = schema else {
            return self.push(Rule::Any);
        };
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            return self.reference(name);
        }
        let rule = self.rule(schema);
        self.push(rule)
    }

    fn reference(&mut self, location: &str) -> usize {
        let name = location.rsplit('/').next().unwrap_or(location);
        if let Some(index) = self.done.get(name) {
            return *index;
        }
        // The place is taken before the rule is known, because the rule may refer to itself.
        let index = self.push(Rule::Any);
        self.done.insert(name.to_owned(), index);
        if let Some(schema) = self.named.get(name).cloned() {
            let target = self.compile(&schema);
            self.rules[index] = Rule::Every(vec![target]);
        } else {
            tracing::error!(schema = name, "a body's schema names another one that is not there: not checked");
        }
        index
    }

    fn rule(&mut self, schema: &Map<String, Value>) -> Rule {
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return Rule::OneOfValues(values.clone());
        }
        if let Some(value) = schema.get("const") {
            return Rule::OneOfValues(vec![value.clone()]);
        }
        for either in ["oneOf", "anyOf"] {
            if let Some(parts) = schema.get(either).and_then(Value::as_array) {
                return Rule::Either(parts.iter().map(|part| self.compile(part)).collect());
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.every(parts);
        }
        match schema.get("type") {
            Some(Value::String(kind)) => self.typed(kind, schema),
            Some(Value::Array(kinds)) => {
                let rules =
                    kinds.iter().filter_map(Value::as_str).map(|kind| self.typed(kind, schema)).collect::<Vec<_>>();
                Rule::Either(rules.into_iter().map(|rule| self.push(rule)).collect())
            }
            _ => Rule::Any,
        }
    }

    /// Objects that are put together (`#[serde(flatten)]`) become one, because only together do they know every member.
    fn every(&mut self, parts: &[Value]) -> Rule {
        let mut merged = Map::new();
        for part in parts {
            match self.as_object(part, 0) {
                Some(object) => merge(&mut merged, &object),
                None => return Rule::Every(parts.iter().map(|part| self.compile(part)).collect()),
            }
        }
        self.object(&merged)
    }

    fn as_object(&self, part: &Value, depth: usize) -> Option<Map<String, Value>> {
        let part = part.as_object()?;
        if depth > 16 {
            return None;
        }
        if let Some(location) = part.get("$ref").and_then(Value::as_str) {
            return self.as_object(self.named.get(location.rsplit('/').next()?)?, depth + 1);
        }
        if let Some(parts) = part.get("allOf").and_then(Value::as_array) {
            let mut merged = Map::new();
            for part in parts {
                merge(&mut merged, &self.as_object(part, depth + 1)?);
            }
            return Some(merged);
        }
        (part.get("type").and_then(Value::as_str) == Some("object")).then(|| part.clone())
    }

    fn typed(&mut self, kind: &str, schema: &Map<String, Value>) -> Rule {
        match kind {
            "object" => self.object(schema),
            "array" => {
                let item = match schema.get("items") {
                    Some(Value::Bool(false)) => self.push(Rule::Nothing),
                    Some(items) => self.compile(items),
                    None => self.push(Rule::Any),
                };
                Rule::Array { item, min: count(schema, "minItems", 0), max: count(schema, "maxItems", u64::MAX) }
            }
            "string" => Rule::Text(text(schema)),
            "integer" => integer(schema),
            "number" => Rule::Number {
                min: real(schema, "minimum", f64::NEG_INFINITY),
                above: real(schema, "exclusiveMinimum", f64::NEG_INFINITY),
                max: real(schema, "maximum", f64::INFINITY),
                below: real(schema, "exclusiveMaximum", f64::INFINITY),
            },
            "boolean" => Rule::Boolean,
            "null" => Rule::Null,
            _ => Rule::Any,
        }
    }

    fn object(&mut self, schema: &Map<String, Value>) -> Rule {
        let mut members = BTreeMap::new();
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                members.insert(name.clone(), self.compile(property));
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let required = required.filter_map(Value::as_str).map(str::to_owned).collect();
        let others = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(Value::Bool(true)) => Some(self.push(Rule::Any)),
            Some(other) => Some(self.compile(other)),
            // A type that names its members names all of them; one that names none is a free-form object.
            None if members.is_empty() => Some(self.push(Rule::Any)),
            None => None,
        };
        let (min, max) = (count(schema, "minProperties", 0), count(schema, "maxProperties", u64::MAX));
        Rule::Object(ObjectRule { members, required, others, min, max })
    }
}

fn merge(into: &mut Map<String, Value>, part: &Map<String, Value>) {
    for (key, value) in part {
        match (into.get_mut(key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => {
                known.extend(more.iter().map(|(name, property)| (name.clone(), property.clone())));
            }
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more.iter().cloned()),
            // A part that allows other members (a flattened map) allows them for the whole.
            (Some(known), more) if key == "additionalProperties" && *known == Value::Bool(false) => {
                *known = more.clone()
            }
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn count(schema: &Map<String, Value>, key: &str, default: u64) -> u64 {
    schema.get(key).and_then(Value::as_u64).unwrap_or(default)
}

fn real(schema: &Map<String, Value>, key: &str, default: f64) -> f64 {
    schema.get(key).and_then(Value::as_f64).unwrap_or(default)
}

fn text(schema: &Map<String, Value>) -> TextRule {
    let pattern = schema.get("pattern").and_then(Value::as_str).and_then(|pattern| match Regex::new(pattern) {
        Ok(regex) => Some(regex),
        Err(error) => {
            tracing::error!(pattern, %error, "a schema's pattern is not understood: not checked");
            None
        }
    });
    let format = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => Format::DateTime,
        Some("uuid") => Format::Uuid,
        _ => Format::Free,
    };
    TextRule { min: count(schema, "minLength", 0), max: count(schema, "maxLength", DEFAULT_MAX_CHARS), pattern, format }
}

fn integer(schema: &Map<String, Value>) -> Rule {
    let bound = |key: &str| schema.get(key).and_then(whole);
    let (lowest, highest) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") if bound("minimum").is_some_and(|min| min >= 0) => (0, i128::from(u32::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    let min = bound("minimum").or(bound("exclusiveMinimum").map(|bound| bound + 1)).unwrap_or(lowest).max(lowest);
    let max = bound("maximum").or(bound("exclusiveMaximum").map(|bound| bound - 1)).unwrap_or(highest).min(highest);
    Rule::Integer { min, max }
}

fn whole(value: &Value) -> Option<i128> {
    let integer = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    #[expect(clippy::cast_possible_truncation, reason = "bounds are written by us, far below 2^53")]
    integer.or_else(|| value.as_f64().map(|real| real as i128))
}

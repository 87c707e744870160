//! Declared transformers, read and checked.
//!
//! Each is an object with `kind` and `topic`, perhaps `copy`, and its own fields:
//!
//! | kind | fields |
//! | --- | --- |
//! | `route` | `to`: changes of `topic` are handled as that topic's: in the end `users` or `user_events` |
//! | `rename` | `field`, `to` |
//! | `filter` | `field`, and `is` or `is_not` a value: rows that do not fit are not in the copy |
//! | `mask` | `field`, perhaps `keep_last`: a text's characters become `*` |
//! | `flatten` | `field`, `fields`: an object becomes fields of its own, named `profile_firstName` |
//! | `enrich` | `field`, and `value` or `template` (`"{username} <{email}>"`): one field more |

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{FieldType, Fields, KEPT, copies_of, fields_of, needed_by};
use super::{Action, Enrichment, Piece, Route, Step, Transformers};
use crate::connectors::Misfit;
use crate::processors;

/// The most transformers.
const MAX: usize = 100;
/// The longest text in a declaration, in bytes.
const MAX_TEXT: usize = 1_000;

pub(super) fn read(declared: &[Value]) -> Result<Transformers, Vec<Misfit>> {
    let mut reading = Reading::default();
    if declared.len() > MAX {
        reading.refuse("", format!("at most {MAX} transformers"));
        return Err(reading.misfits);
    }
    let mut places = Vec::new();
    for (index, declared) in declared.iter().enumerate() {
        if reading.one(index, declared) {
            places.push(index);
        }
    }
    reading.cycles();
    reading.ends();
    reading.schemas(&places);
    if reading.misfits.is_empty() { Ok(reading.read) } else { Err(reading.misfits) }
}

#[derive(Default)]
struct Reading {
    read: Transformers,
    /// Where each route stands in the list.
    route_places: Vec<usize>,
    misfits: Vec<Misfit>,
}

impl Reading {
    fn refuse(&mut self, pointer: &str, detail: impl Into<String>) {
        self.misfits.push(Misfit { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// Reads one; true where it is a step.
    fn one(&mut self, index: usize, declared: &Value) -> bool {
        let at = format!("/{index}");
        let Some(declared) = declared.as_object() else {
            self.refuse(&at, "a transformer is an object with kind and topic");
            return false;
        };
        let before = self.misfits.len();
        let kind = self.text(declared, &at, "kind").unwrap_or_default();
        let own: &[&str] = match kind.as_str() {
            "route" => &["to"],
            "rename" => &["field", "to", "copy"],
            "filter" => &["field", "is", "is_not", "copy"],
            "mask" => &["field", "keep_last", "copy"],
            "flatten" => &["field", "fields", "copy"],
            "enrich" => &["field", "value", "template", "copy"],
            "" => return false,
            other => {
                let known = "route, rename, filter, mask, flatten, enrich";
                self.refuse(&format!("{at}/kind"), format!("{other:?} is not known: {known}"));
                return false;
            }
        };
        for key in
            declared.keys().filter(|key| !["kind", "topic"].contains(&key.as_str()) && !own.contains(&key.as_str()))
        {
            self.refuse(&format!("{at}/{key}"), format!("{kind} has no such field"));
        }
        let topic = self.text(declared, &at, "topic");
        if kind == "route" {
            if let (Some(topic), Some(to)) = (topic, self.text(declared, &at, "to")) {
                self.route(index, &at, topic, to);
            }
            return false;
        }
        if let Some(topic) = &topic
            && fields_of(topic).is_none()
        {
            self.refuse(&format!("{at}/topic"), format!("rows of {topic:?} go to no copy: users, user_events"));
        }
        let copy = declared.contains_key("copy").then(|| self.text(declared, &at, "copy")).flatten();
        if let (Some(topic), Some(copy)) = (&topic, &copy)
            && !copies_of(topic).contains(&copy.as_str())
        {
            let known = copies_of(topic).join(", ");
            self.refuse(&format!("{at}/copy"), format!("{topic:?} has no copy {copy:?}: {known}"));
        }
        let action = self.action(&kind, declared, &at);
        match (topic, action) {
            (Some(topic), Some(action)) if self.misfits.len() == before => {
                self.read.steps.push(Step { topic, copy, action });
                true
            }
            _ => false,
        }
    }

    fn route(&mut self, index: usize, at: &str, topic: String, to: String) {
        if self.read.routes.iter().any(|route| route.topic == topic) {
            self.refuse(&format!("{at}/topic"), format!("{topic:?} is routed twice"));
            return;
        }
        self.read.routes.push(Route { topic, to });
        self.route_places.push(index);
    }

    fn action(&mut self, kind: &str, declared: &Map<String, Value>, at: &str) -> Option<Action> {
        let field = self.text(declared, at, "field");
        match kind {
            "rename" => Some(Action::Rename { to: self.text(declared, at, "to")?, field: field? }),
            "filter" => match (declared.get("is"), declared.get("is_not")) {
                (Some(value), None) => Some(Action::Filter { field: field?, value: value.clone(), keep_equal: true }),
                (None, Some(value)) => Some(Action::Filter { field: field?, value: value.clone(), keep_equal: false }),
                _ => {
                    self.refuse(at, "a filter has one of is and is_not");
                    None
                }
            },
            "mask" => {
                let keep = declared.get("keep_last").map_or(Some(0), |keep| keep.as_u64().filter(|keep| *keep <= 100));
                let Some(keep_last) = keep.and_then(|keep| usize::try_from(keep).ok()) else {
                    self.refuse(&format!("{at}/keep_last"), "a whole number from 0 to 100");
                    return None;
                };
                Some(Action::Mask { field: field?, keep_last })
            }
            "flatten" => {
                let names = declared.get("fields").and_then(Value::as_array).filter(|names| !names.is_empty());
                let names: Option<Vec<String>> = names.and_then(|names| {
                    names.iter().map(|name| name.as_str().filter(|name| is_name(name)).map(ToOwned::to_owned)).collect()
                });
                let Some(fields) = names else {
                    self.refuse(&format!("{at}/fields"), "the names of the fields to take out, at least one");
                    return None;
                };
                Some(Action::Flatten { field: field?, fields })
            }
            "enrich" => {
                let with = match (declared.get("value"), declared.get("template")) {
                    (Some(value), None) if !value.is_array() && !value.is_object() => Enrichment::Value(value.clone()),
                    (Some(_), None) => {
                        self.refuse(&format!("{at}/value"), "a text, a number, true or false");
                        return None;
                    }
                    (None, Some(_)) => {
                        let template = self.text(declared, at, "template")?;
                        match pieces(&template) {
                            Ok(pieces) => Enrichment::Template(pieces),
                            Err(why) => {
                                self.refuse(&format!("{at}/template"), why);
                                return None;
                            }
                        }
                    }
                    _ => {
                        self.refuse(at, "an enrichment has one of value and template");
                        return None;
                    }
                };
                Some(Action::Enrich { field: field?, with })
            }
            _ => None,
        }
    }

    fn text(&mut self, declared: &Map<String, Value>, at: &str, key: &str) -> Option<String> {
        let text = declared.get(key).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= MAX_TEXT);
        if text.is_none() {
            self.refuse(&format!("{at}/{key}"), format!("a text of 1 to {MAX_TEXT} bytes"));
        }
        text.map(ToOwned::to_owned)
    }

    /// Refuses routes that lead back to where they came from, each of a circle.
    fn cycles(&mut self) {
        for (route, place) in self.read.routes.clone().iter().zip(self.route_places.clone()) {
            let mut seen = BTreeSet::from([route.topic.clone()]);
            let mut path = vec![route.topic.clone()];
            let mut at = route.to.clone();
            loop {
                path.push(at.clone());
                if at == route.topic {
                    self.refuse(&format!("/{place}/to"), format!("the route leads back: {}", path.join(" → ")));
                    break;
                }
                if !seen.insert(at.clone()) {
                    break; // A circle that this route leads into is told by those that are in it.
                }
                match self.read.routes.iter().find(|next| next.topic == at) {
                    Some(next) => at.clone_from(&next.to),
                    None => break,
                }
            }
        }
    }

    /// Refuses routes that end where nobody handles what comes, and routes that take a topic from who handles it.
    fn ends(&mut self) {
        let known = processors::topics_of_changes().join(" and ");
        for (route, place) in self.read.routes.clone().iter().zip(self.route_places.clone()) {
            let goes_on = self.read.routes.iter().any(|next| next.topic == route.to);
            if !goes_on && !processors::handles(&route.to) {
                let detail = format!("no processor handles the topic {:?}; {known} are handled", route.to);
                self.refuse(&format!("/{place}/to"), detail);
            } else if processors::handles(&route.topic) && route.topic != route.to {
                let detail = format!("{:?} is handled as it is, its rows are no other topic's", route.topic);
                self.refuse(&format!("/{place}/topic"), detail);
            }
        }
    }

    /// Follows the fields of each topic through its transformers, for each copy.
    fn schemas(&mut self, places: &[usize]) {
        let mut told: BTreeSet<(String, String)> = BTreeSet::new();
        for topic in ["users", "user_events"] {
            for copy in copies_of(topic) {
                let Some(mut fields) = fields_of(topic) else { continue };
                let steps: Vec<(usize, Step)> = places.iter().copied().zip(self.read.steps.iter().cloned()).collect();
                let mut last = None;
                for (place, step) in steps.iter().filter(|(_, step)| step.is_for(topic, copy)) {
                    for (key, detail) in step.action.change(&mut fields) {
                        // A transformer of all copies is wrong once, not once for each.
                        let pointer = format!("/{place}/{key}");
                        if told.insert((pointer.clone(), detail.clone())) {
                            self.refuse(&pointer, detail);
                        }
                    }
                    last = Some(*place);
                }
                let Some(last) = last else { continue };
                for (name, kind) in needed_by(copy) {
                    match fields.get(*name) {
                        Some(found) if found == kind || *found == FieldType::Any => {}
                        Some(_) => self.refuse(&format!("/{last}"), format!("{copy} needs {name} as {}", kind.word())),
                        None => {
                            self.refuse(&format!("/{last}"), format!("{copy} needs {name}, which is gone behind this"))
                        }
                    }
                }
            }
        }
    }
}

impl Action {
    /// What becomes of the fields; and what is wrong with that, by the declaration's key.
    fn change(&self, fields: &mut Fields) -> Vec<(&'static str, String)> {
        let known = fields.keys().cloned().collect::<Vec<_>>().join(", ");
        let missing = |field: &str| format!("there is no field {field:?} here: {known}");
        let (Self::Rename { field, .. }
        | Self::Filter { field, .. }
        | Self::Mask { field, .. }
        | Self::Flatten { field, .. }
        | Self::Enrich { field, .. }) = self;
        let kind = fields.get(field).copied();
        let kept = KEPT.contains(&field.as_str());
        let mut wrong = Vec::new();
        match (self, kind) {
            (Self::Enrich { .. }, Some(_)) => wrong.push(("field", format!("there is a field {field:?} already"))),
            (Self::Enrich { with, .. }, None) => {
                if let Enrichment::Template(pieces) = with {
                    for piece in pieces {
                        if let Piece::Field(named) = piece
                            && !fields.contains_key(named)
                        {
                            wrong.push(("template", missing(named)));
                        }
                    }
                }
                let kind = match with {
                    Enrichment::Value(value) if value.is_number() => FieldType::Number,
                    Enrichment::Value(value) if !value.is_string() => FieldType::Any,
                    Enrichment::Value(_) | Enrichment::Template(_) => FieldType::Text,
                };
                fields.insert(field.clone(), kind);
            }
            (_, None) => wrong.push(("field", missing(field))),
            (Self::Rename { .. } | Self::Mask { .. } | Self::Flatten { .. }, Some(_)) if kept => {
                wrong.push(("field", format!("{field:?} stays as it is: rows are found and compared by it")));
            }
            (Self::Rename { to, .. }, Some(kind)) => {
                if fields.contains_key(to) {
                    wrong.push(("to", format!("there is a field {to:?} already")));
                }
                fields.remove(field);
                fields.insert(to.clone(), kind);
            }
            (Self::Filter { value, keep_equal, .. }, Some(kind)) => {
                let key = if *keep_equal { "is" } else { "is_not" };
                if !value.is_null() && !kind.admits(value) {
                    wrong.push((key, format!("{field:?} is {}", kind.word())));
                }
            }
            (Self::Mask { .. }, Some(kind)) => {
                if !matches!(kind, FieldType::Text | FieldType::Any) {
                    wrong.push(("field", format!("{field:?} is {}, only a text can be masked", kind.word())));
                }
            }
            (Self::Flatten { fields: names, .. }, Some(kind)) => {
                if !matches!(kind, FieldType::Object | FieldType::Any) {
                    wrong.push(("field", format!("{field:?} is {}, only an object can be flattened", kind.word())));
                }
                fields.remove(field);
                for name in names {
                    fields.insert(format!("{field}_{name}"), FieldType::Any);
                }
            }
        }
        wrong
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 100
}

/// The pieces of a template: `{field}` is a field's value, `{{` and `}}` are braces.
fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut left = template.chars().peekable();
    while let Some(next) = left.next() {
        match next {
            '{' | '}' if left.peek() == Some(&next) => {
                left.next();
                text.push(next);
            }
            '{' => {
                let mut name = String::new();
                loop {
                    match left.next() {
                        Some('}') => break,
                        Some(letter) => name.push(letter),
                        None => return Err("a { has no }".to_owned()),
                    }
                }
                if !is_name(&name) {
                    return Err("{} names no field".to_owned());
                }
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Field(name));
            }
            '}' => return Err("a } has no {".to_owned()),
            letter => text.push(letter),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

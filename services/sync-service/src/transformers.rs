//! Transformers: what happens to a row between its owner and its copies, as the configuration declares it.
//!
//! They work on rows as processors make them of changes (see [`fields_of`]), in the order of their declaration. A
//! transformer may be for one copy only. [`declared`] reads and checks them: a field that is not there, a value of another
//! type, or a route that leads back to where it came from is refused before anything starts, all of it at once.

pub mod declared;
mod fields;

use serde_json::{Map, Value};

pub use fields::{FieldType, fields_of};

use crate::connectors::Misfit;

/// The transformers of all topics, checked. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Transformers {
    routes: Vec<Route>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Route {
    topic: String,
    to: String,
}

/// One transformer of rows.
#[derive(Debug, Clone)]
struct Step {
    topic: String,
    /// Only for this copy; for all where there is none.
    copy: Option<String>,
    action: Action,
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    Rename { field: String, to: String },
    Filter { field: String, value: Value, keep_equal: bool },
    Mask { field: String, keep_last: usize },
    Flatten { field: String, fields: Vec<String> },
    Enrich { field: String, with: Enrichment },
}

#[derive(Debug, Clone, PartialEq)]
enum Enrichment {
    Value(Value),
    Template(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Field(String),
}

/// What a masked character becomes.
const MASK: char = '*';

impl Transformers {
    /// The transformers that are declared so.
    ///
    /// # Errors
    /// Everything that is wrong with them, with pointers into the list.
    pub fn declared(declared: &[Value]) -> Result<Self, Vec<Misfit>> {
        declared::read(declared)
    }

    /// The topic that messages of `topic` are handled as.
    pub fn routed(&self, topic: &str) -> String {
        let mut at = topic;
        // Checked when it was declared: routes do not lead back.
        while let Some(route) = self.routes.iter().find(|route| route.topic == at) {
            at = &route.to;
        }
        at.to_owned()
    }

    /// Whether rows of this topic are told to a copy as they are.
    pub fn leaves(&self, topic: &str, copy: &str) -> bool {
        !self.steps.iter().any(|step| step.is_for(topic, copy))
    }

    /// Whether rows of this topic may be left out for a copy.
    pub fn drop_rows(&self, topic: &str, copy: &str) -> bool {
        self.steps.iter().any(|step| step.is_for(topic, copy) && matches!(step.action, Action::Filter { .. }))
    }

    /// A row of `topic` as `copy` gets it; `None` where it is filtered out, so that the copy must not have it.
    ///
    /// # Errors
    /// Which field has not the form that a transformer needs; never its value.
    pub fn row(&self, topic: &str, copy: &str, row: Map<String, Value>) -> Result<Option<Map<String, Value>>, String> {
        let mut row = row;
        for step in self.steps.iter().filter(|step| step.is_for(topic, copy)) {
            match step.action.act(row)? {
                Some(changed) => row = changed,
                None => return Ok(None),
            }
        }
        Ok(Some(row))
    }
}

impl Step {
    fn is_for(&self, topic: &str, copy: &str) -> bool {
        self.topic == topic && self.copy.as_deref().is_none_or(|only| only == copy)
    }
}

impl Action {
    fn act(&self, mut row: Map<String, Value>) -> Result<Option<Map<String, Value>>, String> {
        match self {
            Self::Rename { field, to } => {
                let value = row.remove(field).unwrap_or(Value::Null);
                row.insert(to.clone(), value);
            }
            Self::Filter { field, value, keep_equal } => {
                let equal = row.get(field).unwrap_or(&Value::Null) == value;
                if equal != *keep_equal {
                    return Ok(None);
                }
            }
            Self::Mask { field, keep_last } => match row.get_mut(field) {
                Some(Value::String(text)) => *text = masked(text, *keep_last),
                None | Some(Value::Null) => {}
                Some(_) => return Err(format!("{field} is not a text, it cannot be masked")),
            },
            Self::Flatten { field, fields } => {
                let mut nested = match row.remove(field) {
                    Some(Value::Object(nested)) => nested,
                    None | Some(Value::Null) => Map::new(),
                    Some(_) => return Err(format!("{field} is not an object, it cannot be flattened")),
                };
                for name in fields {
                    row.insert(format!("{field}_{name}"), nested.remove(name).unwrap_or(Value::Null));
                }
            }
            Self::Enrich { field, with } => {
                let value = match with {
                    Enrichment::Value(value) => value.clone(),
                    Enrichment::Template(pieces) => Value::from(filled(pieces, &row)),
                };
                row.insert(field.clone(), value);
            }
        }
        Ok(Some(row))
    }
}

fn masked(text: &str, keep_last: usize) -> String {
    let length = text.chars().count();
    // A short text would be shown whole otherwise.
    let kept = if keep_last * 2 > length { 0 } else { keep_last };
    text.chars().enumerate().map(|(index, letter)| if index + kept >= length { letter } else { MASK }).collect()
}

fn filled(pieces: &[Piece], row: &Map<String, Value>) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Field(field) => match row.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        },
    };
    pieces.iter().map(piece).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests;

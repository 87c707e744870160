//! What a merge leaves behind: losers, or conflicts.

use std::fmt;
use std::sync::Arc;

use madrigal_core::{StreamVersion, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::path::FieldPath;
use crate::rules::Rule;

/// Who wrote a side of a merge, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The version that it is; `None` for what is proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<StreamVersion>,
    /// When it was written.
    pub at: Timestamp,
    /// By whom, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

/// Which side's value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Taken {
    /// The one that was there.
    Current,
    /// The one that came.
    Proposed,
}

/// A value of a merge that was not taken.
///
/// A side that has no such field (or removed it) is `None`; JSON's null is a value. Its `Debug` shows no values: they may be
/// personal.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loser {
    /// Which field.
    pub field: FieldPath,
    /// The rule that decided.
    pub rule: Rule,
    /// The field in the base.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub base: Option<Value>,
    /// The field as it was.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub current: Option<Value>,
    /// The field as it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub proposed: Option<Value>,
    /// Which of the two stands; the other one is the loser.
    pub taken: Taken,
    /// Who wrote `current`.
    pub current_origin: Origin,
    /// Who wrote `proposed`.
    pub proposed_origin: Origin,
}

impl Loser {
    /// The value that was not taken; `None` where that side has no such field.
    pub fn value(&self) -> Option<&Value> {
        match self.taken {
            Taken::Current => self.proposed.as_ref(),
            Taken::Proposed => self.current.as_ref(),
        }
    }

    /// The value that was taken.
    pub fn standing(&self) -> Option<&Value> {
        match self.taken {
            Taken::Current => self.current.as_ref(),
            Taken::Proposed => self.proposed.as_ref(),
        }
    }
}

impl fmt::Debug for Loser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loser").field("rule", &self.rule).field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// Why a rule could not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConflictCause {
    /// Both changed it, and the rule leaves that to a person.
    BothChanged,
    /// The values are of types that the rule cannot bring together.
    TypeClash,
    /// The sum does not fit into 64 bits.
    Overflow,
    /// Texts or lists that are too long to be compared piece by piece.
    TooLong,
}

/// A field that only a person can decide. Its `Debug` shows no values: they may be personal.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Which field.
    pub field: FieldPath,
    /// Its rule.
    pub rule: Rule,
    /// Why the rule could not decide.
    pub cause: ConflictCause,
    /// The field in the base.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub base: Option<Value>,
    /// The field as it is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub current: Option<Value>,
    /// The field as it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub proposed: Option<Value>,
    /// Who wrote `current`.
    pub current_origin: Origin,
    /// Who wrote `proposed`.
    pub proposed_origin: Origin,
}

impl fmt::Debug for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conflict").field("rule", &self.rule).field("cause", &self.cause).finish_non_exhaustive()
    }
}

/// A member that is there and null is a value; `Option` alone would read it as absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_loser_is_its_json_and_back_null_included_and_shows_no_values() {
        let origin = |by: &str| Origin { version: None, at: Timestamp::from_micros(5), by: Some(by.into()) };
        let loser = Loser {
            field: "/profile/street".parse().unwrap(),
            rule: Rule::LastWriter,
            base: None,
            current: Some(Value::Null),
            proposed: Some(json!("Via Appia")),
            taken: Taken::Current,
            current_origin: origin("a"),
            proposed_origin: origin("b"),
        };
        let text = serde_json::to_string(&loser).unwrap();
        assert_eq!(serde_json::from_str::<Loser>(&text).unwrap(), loser);
        assert_eq!((loser.value(), loser.standing()), (Some(&json!("Via Appia")), Some(&Value::Null)));
        let shown = format!("{loser:?}");
        assert!(!shown.contains("Via") && !shown.contains("street"), "{shown}");
    }
}

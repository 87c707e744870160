//! A value that a merge did not take, as it is kept and shown.

use std::fmt;
use std::sync::Arc;

use madrigal_conflict::{FieldPath, Loser, Origin, Rule, Taken};
use madrigal_core::{StreamVersion, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A value of a merge that does not stand, and what a person chose since.
#[derive(Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserConflict {
    /// Its number among all users' conflicts.
    pub conflict_id: i64,
    /// Which field, as a JSON pointer.
    #[schema(value_type = String, example = "/profile/city")]
    pub field: FieldPath,
    /// The rule that decided.
    #[schema(value_type = String, example = "last writer")]
    pub rule: Rule,
    /// The field in the version that both changes were based on; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::models::ProfileValue>)]
    pub base: Option<Value>,
    /// The value that was not taken; absent where that side removed the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::models::ProfileValue>)]
    pub loser: Option<Value>,
    /// Who wrote it.
    pub loser_origin: ConflictOrigin,
    /// The value that was taken instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::models::ProfileValue>)]
    pub standing: Option<Value>,
    /// Who wrote that.
    pub standing_origin: ConflictOrigin,
    /// The user's version after the merge.
    #[schema(value_type = u64)]
    pub version: StreamVersion,
    /// When it was merged.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// What a person chose; absent as long as nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// Who wrote a value, and when.
#[derive(Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConflictOrigin {
    /// The version that it came with, where it stood once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub version: Option<StreamVersion>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: a user's id, or `operator:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub by: Option<Arc<str>>,
}

/// What a person chose.
#[derive(Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// Which value.
    pub choice: Choice,
    /// Who chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// One of the two values of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Choice {
    /// The value that was not taken: it becomes the field's.
    Loser,
    /// The value that was taken: it stays, and the conflict is closed.
    Standing,
}

impl Choice {
    /// The word of the table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Loser => "loser",
            Self::Standing => "standing",
        }
    }

    /// The choice of this word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Loser, Self::Standing].into_iter().find(|choice| choice.word() == word)
    }
}

impl UserConflict {
    /// A loser that was recorded under this number.
    pub(crate) fn of(
        conflict_id: i64,
        loser: Loser,
        (version, recorded_at): (StreamVersion, Timestamp),
        settled: Option<Settled>,
    ) -> Self {
        let Loser { field, rule, base, current, proposed, taken, current_origin, proposed_origin } = loser;
        let (was, came) = ((current, current_origin), (proposed, proposed_origin));
        let ((lost, lost_by), (stands, stands_by)) = match taken {
            Taken::Current => (came, was),
            Taken::Proposed => (was, came),
        };
        Self {
            conflict_id,
            field,
            rule,
            base,
            loser: lost,
            loser_origin: lost_by.into(),
            standing: stands,
            standing_origin: stands_by.into(),
            version,
            recorded_at,
            settled,
        }
    }
}

impl From<Origin> for ConflictOrigin {
    fn from(Origin { version, at, by }: Origin) -> Self {
        Self { version, at, by }
    }
}

impl fmt::Debug for UserConflict {
    /// Without the values, which are personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserConflict").field("conflict_id", &self.conflict_id).finish_non_exhaustive()
    }
}

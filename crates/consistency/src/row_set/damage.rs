//! Damage on purpose, to see whether it is found.

use serde::{Deserialize, Serialize};

/// What is done to a row of a copy to see whether it is found; only in tests and demonstrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// Another content under the same version.
    Change,
    /// The row is taken away.
    Delete,
    /// A row that the owner does not have.
    Add,
    /// The row under an older version.
    Older,
    /// The row under a version that the owner has not reached.
    Newer,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Planted {
    /// Done.
    Done,
    /// There is no such row to damage, or (for [`Damage::Add`]) there is one.
    NoSuchRow,
    /// This set takes no damage of this kind.
    Refused {
        /// Why.
        why: String,
    },
}

//! What a set says of itself.

use serde::{Deserialize, Serialize};

/// Whose word a set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SetKind {
    /// Its word counts.
    Owner,
    /// It is told by an owner.
    Copy,
}

/// What a set is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetDescription {
    /// Its name, as in `orders.view`.
    pub name: String,
    /// Whose word it is.
    pub kind: SetKind,
    /// The fields of its contents. A pair is compared by the fields of its copy; the owner must have all of them.
    pub fields: Vec<String>,
    /// Whether its rows carry their owner's version. A copy without is compared by content only.
    pub versioned: bool,
    /// Whether it holds some of its owner's rows only, as a cache does: then nothing is missing there.
    pub partial: bool,
    /// Whether it can be repaired.
    pub repairable: bool,
}

impl SetDescription {
    /// An owner with these fields.
    pub fn owner(name: &str, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Self { name: name.to_owned(), kind: SetKind::Owner, fields, versioned: true, partial: false, repairable: false }
    }

    /// A whole copy with these fields, that keeps versions and can be repaired.
    pub fn copy(name: &str, fields: &[&str]) -> Self {
        Self { kind: SetKind::Copy, repairable: true, ..Self::owner(name, fields) }
    }
}

//! A pair: an owner's rows and one copy of them.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use madrigal_core::Timestamp;

use crate::judge::Rules;
use crate::row::Detail;
use crate::row_set::{DynRowSet, Reached, SetDescription};
use crate::verdict::Behind;

/// An owner's rows and one copy of them, as they are compared.
pub struct Pair {
    name: String,
    pub(crate) owner: DynRowSet,
    pub(crate) copy: DynRowSet,
    described: SetDescription,
    /// Since when every look has found the copy behind.
    behind_since: Mutex<Option<Timestamp>>,
}

/// Why two sets are no pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{copy} compares fields that {owner} does not have: {}", missing.join(", "))]
pub struct PairError {
    /// The owner's set.
    pub owner: String,
    /// The copy's set.
    pub copy: String,
    /// The fields that the owner lacks.
    pub missing: Vec<String>,
}

impl Pair {
    /// A pair with this name, as in `orders.view`.
    ///
    /// # Errors
    /// [`PairError`] where the copy has fields that the owner does not have.
    pub fn new(name: impl Into<String>, owner: DynRowSet, copy: DynRowSet) -> Result<Self, PairError> {
        let (owned, described) = (owner.description(), copy.description());
        let known: HashSet<&String> = owned.fields.iter().collect();
        let missing: Vec<String> = described.fields.iter().filter(|field| !known.contains(field)).cloned().collect();
        if !missing.is_empty() {
            return Err(PairError { owner: owned.name, copy: described.name, missing });
        }
        Ok(Self { name: name.into(), owner, copy, described, behind_since: Mutex::default() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the copy is like.
    pub const fn described(&self) -> &SetDescription {
        &self.described
    }

    /// The owner.
    pub const fn owner(&self) -> &DynRowSet {
        &self.owner
    }

    /// The copy.
    pub const fn copy(&self) -> &DynRowSet {
        &self.copy
    }

    pub(crate) fn rules(&self, detail: Detail) -> Rules<'_> {
        let SetDescription { versioned, partial, fields, .. } = &self.described;
        Rules { detail, versioned: *versioned, partial: *partial, fields }
    }

    /// Notes how far the copy was seen; what is to be said of it if it is behind.
    pub(crate) fn noted(&self, reached: &Reached, now: Timestamp) -> Option<Behind> {
        let mut since = self.behind_since.lock().unwrap_or_else(PoisonError::into_inner);
        let by = match reached {
            Reached::Yes => {
                *since = None;
                return None;
            }
            Reached::Behind { by } => Some(*by),
            Reached::OtherEpoch => None,
        };
        Some(Behind { by, since: *since.get_or_insert(now) })
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("name", &self.name).field("copy", &self.described.name).finish_non_exhaustive()
    }
}

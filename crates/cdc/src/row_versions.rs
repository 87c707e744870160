//! Which version a change gives its row.

use madrigal_core::{RowVersion, RowVersionError};

use crate::change::{Change, Op};
use crate::row::Row;

/// Where the versions of a table's rows come from.
///
/// A deleted row's version is the one after its last; where the database does not tell the last one, it is the highest of
/// the epoch: ids never return, so a delete beats everything of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowVersions {
    /// A column that the owner raises by one at every change.
    Column {
        /// The owner's epoch.
        epoch: u16,
        /// The column's name.
        column: String,
    },
    /// Rows never change: all are of version 1.
    Immutable {
        /// The owner's epoch.
        epoch: u16,
    },
}

/// Why a change has no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The row does not tell it.
    #[error("the row does not tell its version in column {0}")]
    NotTold(String),
    /// What is told is no version.
    #[error(transparent)]
    OutOfRange(#[from] RowVersionError),
    /// The change is not about a row.
    #[error("a truncation or a message has no row")]
    NoRow,
}

impl RowVersions {
    /// The column `column` in epoch 1.
    pub fn column(column: &str) -> Self {
        Self::Column { epoch: 1, column: column.to_owned() }
    }

    /// Rows that never change, in epoch 1.
    pub const fn immutable() -> Self {
        Self::Immutable { epoch: 1 }
    }

    /// The version that the row of this change has after it.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn of(&self, change: &Change) -> Result<RowVersion, VersionError> {
        match (change.op, &change.before, &change.after) {
            (Op::Truncate | Op::Message, ..) => Err(VersionError::NoRow),
            (Op::Delete, before, _) => self.of_deleted(before.as_ref()),
            (_, _, Some(after)) => self.of_row(after),
            (_, _, None) => Err(VersionError::NoRow),
        }
    }

    /// The version of a row that is there.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn of_row(&self, row: &Row) -> Result<RowVersion, VersionError> {
        match self {
            Self::Immutable { epoch } => Ok(RowVersion::new(*epoch, 1)?),
            Self::Column { epoch, column } => {
                let count = row.get(column).and_then(crate::Value::as_i64);
                let count = count.and_then(|count| u64::try_from(count).ok());
                Ok(RowVersion::new(*epoch, count.ok_or_else(|| VersionError::NotTold(column.clone()))?)?)
            }
        }
    }

    fn of_deleted(&self, before: Option<&Row>) -> Result<RowVersion, VersionError> {
        match before.map(|row| self.of_row(row)) {
            Some(Ok(last)) => Ok(RowVersion::new(last.epoch(), last.count() + 1)?),
            None | Some(Err(VersionError::NotTold(_))) => Ok(RowVersion::new(self.epoch(), RowVersion::MAX_COUNT)?),
            Some(Err(error)) => Err(error),
        }
    }

    /// The owner's epoch.
    pub const fn epoch(&self) -> u16 {
        match self {
            Self::Column { epoch, .. } | Self::Immutable { epoch } => *epoch,
        }
    }
}

//! What a service needs for its own statements. These types live inside the closures of [`crate::Database`]: an error
//! that leaves one becomes a `Fault`.

pub use rusqlite::types::{FromSql, ToSql, Type, Value};
pub use rusqlite::{
    Connection, Error, OptionalExtension, Result, Row, Transaction, named_params, params, params_from_iter,
};

/// Whether a statement was refused because a unique key is taken (primary keys included).
pub fn is_unique_violation(error: &Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    let unique = [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE];
    error.sqlite_error().is_some_and(|error| unique.contains(&error.extended_code))
}

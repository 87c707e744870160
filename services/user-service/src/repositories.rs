//! The service's SQL, and nothing but: every function runs inside a transaction that a command or a query opened.

pub(crate) mod conflicts;
pub(crate) mod events;
pub(crate) mod users;

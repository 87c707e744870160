//! The copies that this service keeps: read models under `user:{id}`, as sync-service brings them.
//!
//! One file, `read-models.sqlite`: it can be built again from the owner's tables at any time, and nothing in it expires.
//! Two copies live in it: `users.key-value`, the document of a user, and `users.activity`, how much a user did and when
//! last. A deleted user leaves a tombstone; the values are overwritten, in the write-ahead log too.

mod document;
mod keeper;

pub(crate) use keeper::ReadModels;

//! Keys of persons: one per user, wrapped by a master key, in a database of their own.
//!
//! Whoever has a person's key can read what is sealed for that person; once it is destroyed nobody can.

mod master;
mod store;

pub use master::new_master_key;
pub(crate) use store::KeyStore;

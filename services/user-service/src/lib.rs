//! The user service: who buys. It owns `users`, `user_events` and the keys of persons.
//!
//! Users live in `users.sqlite` in the clear, because this is their home; everything that leaves it about a person leaves it
//! sealed, with a key from `keys/keys.sqlite` that the person's erasure destroys. Passwords are hashed by argon2id and never
//! leave their column.
//!
//! Modules in reading order:
//!
//! * [`service`]: opening it, and what it offers to the process around it; [`config`]: what can be set;
//! * [`models`], [`events`]: users, their fields, what happens to them;
//! * `commands`, `queries`: what is done and what is asked; [`projections`]: the read model `user_profiles`;
//! * `repositories`, `migrations`: SQL; `capture`: what others hear of the tables; `copies`: read models;
//! * `keys`, [`passwords`]: secrets;
//! * `http`: the public routes.

pub mod config;
pub mod events;
pub mod models;
pub mod passwords;
pub mod projections;
pub mod service;

mod capture;
mod commands;
mod copies;
mod http;
mod keys;
mod migrations;
mod queries;
mod repositories;
mod row_sets;
mod state;

pub use config::{MasterKeySource, UserConfig};
pub use keys::new_master_key;
pub use passwords::PasswordCost;
pub use service::UserService;

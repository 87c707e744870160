//! What the service keeps: users and what happened to them.

mod conflict;
mod event;
mod fields;
mod user;

pub use conflict::{Choice, ConflictOrigin, Settled, UserConflict};
pub use event::UserEvent;
pub use fields::{Email, InvalidField, Profile, ProfilePatch, ProfileValue, Username};
pub use user::User;

pub(crate) use user::stored_time;

//! What happens to users, as `user_events` keeps it: facts, with everything personal sealed.

use madrigal_core::{Fault, Host, PersonKey, Sealed};
use serde::{Deserialize, Serialize};

use crate::models::{Email, Profile, User, Username};

/// The version of the events' form.
pub const SCHEMA_VERSION: u16 = 1;

/// The type of [`UserErased`], by which erasures are found again.
pub(crate) const ERASED: &str = "UserErased";

/// The personal fields of a user, as they are after an event: also the base of a later merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PersonalFields {
    /// The address that mails go to.
    pub email: Email,
    /// The name to log in with.
    pub username: Username,
    /// What the user says about herself.
    pub profile: Profile,
}

impl PersonalFields {
    /// Those of `user`.
    pub fn of(user: &User) -> Self {
        Self { email: user.email.clone(), username: user.username.clone(), profile: user.profile.clone() }
    }
}

/// A user came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRegistered {
    /// Whether an operator brought the user from another shop.
    pub imported: bool,
    /// What is known about the person.
    pub person: Sealed<PersonalFields>,
}

/// A user's fields changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserChanged {
    /// Which of `email`, `username`, `profile`.
    pub changed: Vec<ChangedField>,
    /// What is known about the person after the change.
    pub person: Sealed<PersonalFields>,
}

/// A field that a change touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangedField {
    /// The address that mails go to.
    Email,
    /// The name to log in with.
    Username,
    /// What the user says about herself.
    Profile,
}

/// A user logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLoggedIn {}

/// A user's password changed; nothing about it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPasswordChanged {}

/// A person was erased: the row is gone, and the person's key is destroyed right after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserErased {}

/// Anything that happens to a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum UserFact {
    /// A user came to be.
    Registered(UserRegistered),
    /// A user's fields changed.
    Changed(UserChanged),
    /// A user logged in.
    LoggedIn(UserLoggedIn),
    /// A user's password changed.
    PasswordChanged(UserPasswordChanged),
    /// A person was erased.
    Erased(UserErased),
}

impl UserFact {
    /// The event's type: a past tense.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Registered(_) => "UserRegistered",
            Self::Changed(_) => "UserChanged",
            Self::LoggedIn(_) => "UserLoggedIn",
            Self::PasswordChanged(_) => "UserPasswordChanged",
            Self::Erased(_) => ERASED,
        }
    }
}

/// The personal fields of `user`, sealed with the user's key.
///
/// # Errors
/// A [`Fault`] if they cannot be JSON, which does not happen.
pub fn seal(host: &Host, user: &User, key: &PersonKey) -> Result<Sealed<PersonalFields>, Fault> {
    Sealed::seal(host, user.id, key, &PersonalFields::of(user))
        .map_err(|error| Fault::permanent("user-service", "seal", error))
}

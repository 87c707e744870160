//! What comes in and goes out.

use std::collections::BTreeMap;

use madrigal_core::{PersonId, Secret, Timestamp};
use madrigal_http::FieldError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::models::{Email, InvalidField, Profile, ProfilePatch, ProfileValue, User, UserConflict, Username};

/// A user who wants to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewUser {
    /// The address that mails go to; unique regardless of case.
    #[schema(min_length = 3, max_length = 255, example = "anna.rossi@example.org")]
    pub(super) email: String,
    /// The name to log in with; unique regardless of case.
    #[schema(min_length = 3, max_length = 100, pattern = "^[A-Za-z0-9._-]+$", example = "anna.rossi")]
    pub(super) username: String,
    /// At least ten characters.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 256)]
    pub(super) password: Secret<String>,
    /// `firstName`, `lastName`, `avatar` (texts), and up to 32 texts, flags and whole numbers in all.
    #[serde(default)]
    #[schema(required = false, example = json!({"firstName": "Anna", "lastName": "Rossi"}))]
    pub(super) profile: BTreeMap<String, ProfileValue>,
    /// When the user registered in the shop that an operator imports from; refused from anybody else.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) created_at: Option<Timestamp>,
}

/// A JSON merge patch of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct UserPatch {
    /// Another address.
    #[serde(default)]
    #[schema(min_length = 3, max_length = 255)]
    pub(super) email: Option<String>,
    /// Another name.
    #[serde(default)]
    #[schema(min_length = 3, max_length = 100, pattern = "^[A-Za-z0-9._-]+$")]
    pub(super) username: Option<String>,
    /// Fields to set; null removes one.
    #[serde(default)]
    #[schema(value_type = Object, required = false, example = json!({"lastName": "Bianchi", "avatar": null}))]
    pub(super) profile: BTreeMap<String, Option<ProfileValue>>,
}

/// A user after a change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedUser {
    /// The user as it is now.
    #[serde(flatten)]
    pub(super) user: User,
    /// What merging did not take; only where merging was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) losers: Option<Vec<UserConflict>>,
}

/// A change of a password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The password that counts until now.
    #[schema(value_type = String, format = Password, max_length = 256)]
    pub(super) current: Secret<String>,
    /// The password that is to count: at least ten characters.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 256)]
    pub(super) new: Secret<String>,
}

/// A log-in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LogIn {
    /// The e-mail address or the user name.
    #[schema(min_length = 1, max_length = 255, example = "anna.rossi")]
    pub(super) login: String,
    /// The password.
    #[schema(value_type = String, format = Password, max_length = 256)]
    pub(super) password: Secret<String>,
}

/// A log-in that was granted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionAnswer {
    /// Send it as `Authorization: Bearer …`.
    pub(super) token: String,
    /// When it stops counting.
    #[schema(value_type = String, format = DateTime)]
    pub(super) expires_at: Timestamp,
    /// Who logged in.
    #[schema(value_type = i64)]
    pub(super) user_id: PersonId,
}

/// Which users to list.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct WhichUsers {
    /// Only the one with this name, regardless of case.
    #[param(max_length = 100)]
    pub(super) username: Option<String>,
    /// Where the page begins: `next` of the page before.
    #[param(max_length = 2048)]
    pub(super) cursor: Option<String>,
    /// How many at most: 1 to 200, 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct WhichPage {
    /// Where the page begins: `next` of the page before.
    #[param(max_length = 2048)]
    pub(super) cursor: Option<String>,
    /// How many at most: 1 to 200, 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u32>,
}

/// The fields of a user, each as it should be.
pub(super) struct CheckedFields {
    pub(super) email: Option<Email>,
    pub(super) username: Option<Username>,
}

/// Checks those that are there and collects everything that is wrong.
pub(super) fn checked_fields(
    email: Option<&str>,
    username: Option<&str>,
    wrong: &mut Vec<FieldError>,
) -> CheckedFields {
    CheckedFields {
        email: email.and_then(|text| Email::parse(text).map_err(|error| wrong.push(field_error(error))).ok()),
        username: username.and_then(|text| Username::parse(text).map_err(|error| wrong.push(field_error(error))).ok()),
    }
}

/// The profile, or nothing and what is wrong with it.
pub(super) fn checked_profile(fields: BTreeMap<String, ProfileValue>, wrong: &mut Vec<FieldError>) -> Option<Profile> {
    Profile::parse(fields).map_err(|errors| wrong.extend(errors.into_iter().map(field_error))).ok()
}

/// The patch of a profile, or nothing and what is wrong with what it sets.
pub(super) fn checked_profile_patch(
    fields: BTreeMap<String, Option<ProfileValue>>,
    wrong: &mut Vec<FieldError>,
) -> ProfilePatch {
    let sets = fields.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    checked_profile(sets, wrong);
    ProfilePatch(fields)
}

/// The same, for a problem.
pub(super) fn field_error(field: InvalidField) -> FieldError {
    FieldError { pointer: field.pointer, detail: field.detail }
}

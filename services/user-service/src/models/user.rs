//! A user as everybody but the password check sees it.

use std::fmt;

use madrigal_core::{PersonId, StreamVersion, Timestamp};
use serde::Serialize;

use crate::models::{Email, Profile, Username};

/// A user. The hash of the password is not part of it: it never leaves its column.
#[derive(Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The person; never given to anybody else, also after the user is erased.
    #[schema(value_type = i64)]
    pub id: PersonId,
    /// The address that mails go to.
    #[schema(value_type = String)]
    pub email: Email,
    /// The name to log in with.
    #[schema(value_type = String)]
    pub username: Username,
    /// First and last name, avatar, and whatever else the shop keeps.
    #[schema(value_type = std::collections::BTreeMap<String, crate::models::ProfileValue>)]
    pub profile: Profile,
    /// When the user registered, here or in the shop that the user was imported from.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the user last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Raised by one at every change, by the store itself.
    #[schema(value_type = u64)]
    pub version: StreamVersion,
}

impl User {
    /// What to call the person: first and last name, or the user name where there is none.
    pub fn display_name(&self) -> String {
        let parts = ["firstName", "lastName"].map(|field| self.profile.get(field).unwrap_or_default().trim());
        let name = parts.join(" ");
        if name.trim().is_empty() { self.username.as_str().to_owned() } else { name.trim().to_owned() }
    }
}

impl fmt::Debug for User {
    /// Without personal data: users reach logs by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

/// A time as the tables keep it: RFC 3339 in UTC with exactly six digits after the second, so that it sorts as text.
pub(crate) fn stored_time(time: Timestamp) -> String {
    let text = time.to_string();
    let text = text.strip_suffix('Z').unwrap_or(&text);
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<6}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_times_sort_as_text_and_keep_their_microseconds() {
        let micros = [0, 1, 999_999, 1_000_000, 1_500_000, 1_780_000_000_123_450];
        let texts: Vec<String> = micros.iter().map(|&at| stored_time(Timestamp::from_micros(at))).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        assert!(texts.iter().all(|text| text.len() == "2026-11-22T10:15:00.123456Z".len()), "{texts:?}");
        let back: Vec<i64> = texts.iter().map(|text| text.parse::<Timestamp>().unwrap().as_micros()).collect();
        assert_eq!(back, micros);
    }
}

//! The read model `user_profiles`: a view over the tables, and so never behind them.

use std::fmt;

use madrigal_core::{PersonId, Timestamp};
use madrigal_sqlite::sql::{Connection, OptionalExtension, Result};
use serde::Serialize;

use crate::repositories::users::unreadable;

/// A row of `user_profiles`.
#[derive(Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserProfile {
    /// The user.
    #[schema(value_type = i64)]
    pub id: PersonId,
    /// The name to log in with.
    pub username: String,
    /// The address that mails go to.
    pub email: String,
    /// The profile's `firstName`.
    pub first_name: Option<String>,
    /// The profile's `lastName`.
    pub last_name: Option<String>,
    /// The profile's `avatar`.
    pub avatar_url: Option<String>,
    /// How many events the user has.
    pub total_events: u64,
    /// When the last of them happened.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_activity: Option<Timestamp>,
}

impl fmt::Debug for UserProfile {
    /// Without personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserProfile").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The row of the user, if there is one.
pub(crate) fn user_profile(connection: &Connection, id: PersonId) -> Result<Option<UserProfile>> {
    connection
        .prepare_cached(
            "SELECT id, username, email, first_name, last_name, avatar_url, total_events, last_activity
             FROM user_profiles WHERE id = ?1",
        )?
        .query_row([id.0], |row| {
            let last_activity: Option<String> = row.get(7)?;
            Ok(UserProfile {
                id: PersonId(row.get(0)?),
                username: row.get(1)?,
                email: row.get(2)?,
                first_name: row.get(3)?,
                last_name: row.get(4)?,
                avatar_url: row.get(5)?,
                total_events: u64::try_from(row.get::<_, i64>(6)?).map_err(|error| unreadable(6, error))?,
                last_activity: last_activity
                    .map(|text| text.parse())
                    .transpose()
                    .map_err(|error: madrigal_core::time::TimestampError| unreadable(7, error))?,
            })
        })
        .optional()
}

//! The table `user_conflicts`.

use madrigal_conflict::Loser;
use madrigal_core::{PersonId, PersonKey, Sealed, StreamVersion, Timestamp};
use madrigal_sqlite::sql::{self, Connection, OptionalExtension, Result, Row, named_params};

use crate::models::{Choice, Settled, UserConflict, stored_time};
use crate::repositories::users::{time, unreadable};

/// The most conflicts of a user that nobody settled.
pub(crate) const MAX_OPEN: usize = 1_000;
/// The settled conflicts of a user that are kept, newest first.
const SETTLED_KEPT: u32 = 1_000;

/// A row, still sealed.
pub(crate) struct StoredConflict {
    pub(crate) id: i64,
    loser: Sealed<Loser>,
    version: StreamVersion,
    recorded_at: Timestamp,
    pub(crate) settled: Option<Settled>,
}

impl StoredConflict {
    /// What is in it; `None` for an erased person.
    ///
    /// # Errors
    /// Where it does not open with the person's key.
    pub(crate) fn open(
        self,
        key: Option<&PersonKey>,
    ) -> std::result::Result<Option<UserConflict>, madrigal_core::SealError> {
        let loser = self.loser.open(key)?.value();
        Ok(loser.map(|loser| UserConflict::of(self.id, loser, (self.version, self.recorded_at), self.settled)))
    }
}

/// Records a loser, and says its number.
pub(crate) fn insert(
    transaction: &Connection,
    user: (PersonId, StreamVersion),
    loser: &Sealed<Loser>,
    now: Timestamp,
) -> Result<i64> {
    let loser = serde_json::to_string(loser).map_err(|error| sql::Error::ToSqlConversionFailure(Box::new(error)))?;
    transaction
        .prepare_cached(
            "INSERT INTO user_conflicts (user_id, version, loser, recorded_at)
             VALUES (:user_id, :version, :loser, :recorded_at) RETURNING id",
        )?
        .query_row(
            named_params! {
                ":user_id": user.0.0,
                ":version": i64::try_from(user.1.0).unwrap_or(i64::MAX),
                ":loser": loser,
                ":recorded_at": stored_time(now),
            },
            |row| row.get(0),
        )
}

/// How many conflicts of the user nobody settled.
pub(crate) fn open_of(connection: &Connection, user: PersonId) -> Result<usize> {
    let open: u32 = connection
        .prepare_cached("SELECT count(*) FROM user_conflicts WHERE user_id = ?1 AND choice IS NULL")?
        .query_row([user.0], |row| row.get(0))?;
    Ok(open as usize)
}

/// The user's conflicts after that number, oldest first.
pub(crate) fn of_user(
    connection: &Connection,
    user: PersonId,
    after: i64,
    only_open: bool,
    limit: usize,
) -> Result<Vec<StoredConflict>> {
    connection
        .prepare_cached(
            "SELECT id, loser, version, recorded_at, choice, settled_by, settled_at FROM user_conflicts
             WHERE user_id = ?1 AND id > ?2 AND (NOT ?3 OR choice IS NULL) ORDER BY id LIMIT ?4",
        )?
        .query_map((user.0, after, only_open, i64::try_from(limit).unwrap_or(i64::MAX)), stored)?
        .collect()
}

/// One conflict of the user.
pub(crate) fn find(connection: &Connection, user: PersonId, id: i64) -> Result<Option<StoredConflict>> {
    connection
        .prepare_cached(
            "SELECT id, loser, version, recorded_at, choice, settled_by, settled_at FROM user_conflicts
             WHERE id = ?1 AND user_id = ?2",
        )?
        .query_row((id, user.0), stored)
        .optional()
}

/// Keeps what a person chose, and forgets the oldest settled conflicts of the user beyond [`SETTLED_KEPT`].
pub(crate) fn settle(
    transaction: &Connection,
    (user, id): (PersonId, i64),
    choice: Choice,
    by: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached("UPDATE user_conflicts SET choice = ?2, settled_by = ?3, settled_at = ?4 WHERE id = ?1")?
        .execute((id, choice.word(), by, stored_time(now)))?;
    transaction
        .prepare_cached(
            "DELETE FROM user_conflicts WHERE id IN (
               SELECT id FROM user_conflicts WHERE user_id = ?1 AND choice IS NOT NULL ORDER BY id DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute((user.0, SETTLED_KEPT))?;
    Ok(())
}

fn stored(row: &Row<'_>) -> Result<StoredConflict> {
    let (loser, version): (String, i64) = (row.get(1)?, row.get(2)?);
    let choice: Option<String> = row.get(4)?;
    let settled = match choice.as_deref().and_then(Choice::of_word) {
        Some(choice) => Some(Settled { choice, by: row.get(5)?, at: time(row, 6)? }),
        None => None,
    };
    Ok(StoredConflict {
        id: row.get(0)?,
        loser: serde_json::from_str(&loser).map_err(|error| unreadable(1, error))?,
        version: u64::try_from(version).map(StreamVersion).map_err(|error| unreadable(2, error))?,
        recorded_at: time(row, 3)?,
        settled,
    })
}

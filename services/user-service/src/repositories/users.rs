//! The table `users`.

use madrigal_core::{PersonId, StreamVersion, Timestamp};
use madrigal_sqlite::sql::{self, Connection, OptionalExtension, Result, Row, Type, named_params};

use crate::events::ChangedField;
use crate::models::{Email, Profile, User, Username, stored_time};
use crate::passwords::HashedPassword;

/// The columns that leave the table: all but `password_hash`.
const SELECT: &str = "SELECT id, email, username, profile, created_at, updated_at, version FROM users";

/// Adds a user whose version is 1.
pub(crate) fn insert(transaction: &Connection, user: &User, password: &HashedPassword) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO users (id, email, username, password_hash, profile, created_at, updated_at)
             VALUES (:id, :email, :username, :password_hash, :profile, :created_at, :updated_at)",
        )?
        .execute(named_params! {
            ":id": user.id.0,
            ":email": user.email.as_str(),
            ":username": user.username.as_str(),
            ":password_hash": password.expose(),
            ":profile": json(&user.profile)?,
            ":created_at": stored_time(user.created_at),
            ":updated_at": stored_time(user.updated_at),
        })?;
    Ok(())
}

/// Writes the fields of `user` that may change; the store raises the version.
pub(crate) fn update(transaction: &Connection, user: &User) -> Result<()> {
    transaction
        .prepare_cached(
            "UPDATE users SET email = :email, username = :username, profile = :profile, updated_at = :updated_at
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": user.id.0,
            ":email": user.email.as_str(),
            ":username": user.username.as_str(),
            ":profile": json(&user.profile)?,
            ":updated_at": stored_time(user.updated_at),
        })?;
    Ok(())
}

/// The user, if there is one.
pub(crate) fn find(connection: &Connection, id: PersonId) -> Result<Option<User>> {
    connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id.0], user).optional()
}

/// Users in the order of their ids, after `after`; only the one with that name where one is given.
pub(crate) fn list(
    connection: &Connection,
    username: Option<&str>,
    after: PersonId,
    limit: usize,
) -> Result<Vec<User>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    match username {
        Some(username) => connection
            .prepare_cached(&format!("{SELECT} WHERE username = ?1 AND id > ?2 LIMIT ?3"))?
            .query_map((username, after.0, limit), user)?
            .collect(),
        None => connection
            .prepare_cached(&format!("{SELECT} WHERE id > ?1 ORDER BY id LIMIT ?2"))?
            .query_map((after.0, limit), user)?
            .collect(),
    }
}

/// Which of the two belongs to somebody else than `except` already.
pub(crate) fn taken(
    connection: &Connection,
    email: &Email,
    username: &Username,
    except: Option<PersonId>,
) -> Result<Vec<ChangedField>> {
    let except = except.map_or(0, |person| person.0);
    let (email, username): (bool, bool) = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM users WHERE email = ?1 AND id <> ?3),
                    EXISTS (SELECT 1 FROM users WHERE username = ?2 AND id <> ?3)",
        )?
        .query_row((email.as_str(), username.as_str(), except), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let fields = [(email, ChangedField::Email), (username, ChangedField::Username)];
    Ok(fields.into_iter().filter(|(taken, _)| *taken).map(|(_, field)| field).collect())
}

/// What a log-in is checked against. A name has no @ and an address has one: a text is never both.
pub(crate) fn credentials(connection: &Connection, login: &str) -> Result<Option<(PersonId, HashedPassword)>> {
    let by = if login.contains('@') { "email" } else { "username" };
    connection
        .prepare_cached(&format!("SELECT id, password_hash FROM users WHERE {by} = ?1"))?
        .query_row([login], |row| Ok((PersonId(row.get(0)?), HashedPassword::stored(row.get(1)?))))
        .optional()
}

/// The hash of the user's password, and the user's version.
pub(crate) fn password(connection: &Connection, id: PersonId) -> Result<Option<(HashedPassword, StreamVersion)>> {
    connection
        .prepare_cached("SELECT password_hash, version FROM users WHERE id = ?1")?
        .query_row([id.0], |row| Ok((HashedPassword::stored(row.get(0)?), version(row, 1)?)))
        .optional()
}

/// Gives the user another password, and says the version after it.
pub(crate) fn set_password(
    transaction: &Connection,
    id: PersonId,
    password: &HashedPassword,
    now: Timestamp,
) -> Result<Option<StreamVersion>> {
    transaction.prepare_cached("UPDATE users SET password_hash = ?2, updated_at = ?3 WHERE id = ?1")?.execute((
        id.0,
        password.expose(),
        stored_time(now),
    ))?;
    Ok(self::password(transaction, id)?.map(|(_, version)| version))
}

/// Removes the user's row; name and address are free again, the id never is.
pub(crate) fn delete(transaction: &Connection, id: PersonId) -> Result<()> {
    transaction.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id.0]).map(|_| ())
}

/// The highest id that was ever given out; 0 before the first.
pub(crate) fn highest_id(connection: &Connection) -> Result<i64> {
    connection.query_row(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'users'), 0),
                    coalesce((SELECT max(id) FROM users), 0),
                    coalesce((SELECT max(user_id) FROM user_events), 0))",
        [],
        |row| row.get(0),
    )
}

fn user(row: &Row<'_>) -> Result<User> {
    let profile: String = row.get(3)?;
    Ok(User {
        id: PersonId(row.get(0)?),
        email: Email::stored(row.get(1)?),
        username: Username::stored(row.get(2)?),
        profile: serde_json::from_str(&profile).map_err(|error| unreadable(3, error))?,
        created_at: time(row, 4)?,
        updated_at: time(row, 5)?,
        version: version(row, 6)?,
    })
}

fn version(row: &Row<'_>, column: usize) -> Result<StreamVersion> {
    let version: i64 = row.get(column)?;
    u64::try_from(version).map(StreamVersion).map_err(|error| unreadable(column, error))
}

/// The time in this column.
pub(crate) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get::<_, String>(column)?.parse().map_err(|error| unreadable(column, error))
}

/// A column that holds something else than this program writes.
pub(crate) fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> sql::Error {
    sql::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn json(profile: &Profile) -> Result<String> {
    serde_json::to_string(profile).map_err(|error| sql::Error::ToSqlConversionFailure(Box::new(error)))
}

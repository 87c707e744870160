//! The table `user_events`.

use std::sync::Arc;

use madrigal_core::{CallContext, CorrelationId, EventId, Host, Metadata, PersonId, Position, Sealed, StreamVersion};
use madrigal_sqlite::sql::{self, Connection, OptionalExtension, Result, Row, named_params};
use serde::{Deserialize, Serialize};

use crate::events::{ERASED, PersonalFields, SCHEMA_VERSION, UserFact};
use crate::models::{UserEvent, stored_time};
use crate::repositories::users::{time, unreadable};

/// The column `metadata`; the time stands in its own column.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredMetadata {
    version: StreamVersion,
    causation_id: Option<EventId>,
    correlation_id: Option<CorrelationId>,
    user_id: Option<Arc<str>>,
    traceparent: Option<Arc<str>>,
}

/// Adds what happened to `user`, who has that version after it.
pub(crate) fn insert(
    transaction: &Connection,
    host: &Host,
    user: (PersonId, StreamVersion),
    fact: &UserFact,
    context: &CallContext,
) -> Result<()> {
    let metadata = StoredMetadata {
        version: user.1,
        causation_id: context.causation_id,
        correlation_id: Some(context.correlation_id.clone()),
        user_id: context.user_id.clone(),
        traceparent: context.traceparent.clone(),
    };
    transaction
        .prepare_cached(
            "INSERT INTO user_events (id, user_id, event_type, schema_version, event_data, metadata, created_at)
             VALUES (:id, :user_id, :event_type, :schema_version, :event_data, :metadata, :created_at)",
        )?
        .execute(named_params! {
            ":id": EventId::new(host).to_string(),
            ":user_id": user.0.0,
            ":event_type": fact.event_type(),
            ":schema_version": SCHEMA_VERSION,
            ":event_data": json(fact)?,
            ":metadata": json(&metadata)?,
            ":created_at": stored_time(host.now()),
        })?;
    Ok(())
}

/// Whether anything ever happened to that user: a user who is erased has a past.
pub(crate) fn has_past(connection: &Connection, id: PersonId) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM user_events WHERE user_id = ?1)")?
        .query_row([id.0], |row| row.get(0))
}

/// Whether the user was erased.
pub(crate) fn is_erased(connection: &Connection, id: PersonId) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM user_events WHERE user_id = ?1 AND event_type = ?2)")?
        .query_row((id.0, ERASED), |row| row.get(0))
}

/// Everybody who was erased.
pub(crate) fn erased(connection: &Connection) -> Result<Vec<PersonId>> {
    connection
        .prepare_cached("SELECT DISTINCT user_id FROM user_events WHERE event_type = ?1")?
        .query_map([ERASED], |row| row.get(0).map(PersonId))?
        .collect()
}

/// What happened to the user after that place, oldest first.
pub(crate) fn of_user(connection: &Connection, id: PersonId, after: Position, limit: usize) -> Result<Vec<UserEvent>> {
    let after = i64::try_from(after.0).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT sequence, id, user_id, event_type, schema_version, event_data, metadata, created_at
             FROM user_events WHERE user_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
        )?
        .query_map((id.0, after, i64::try_from(limit).unwrap_or(i64::MAX)), event)?
        .collect()
}

/// The user's personal fields at that version; `None` where it is not known what they were: there was no such version, a
/// foreign writer changed the row around it, or it lies more than [`LOOKED_BACK`] changes back.
pub(crate) fn fields_at(
    connection: &Connection,
    id: PersonId,
    version: StreamVersion,
) -> Result<Option<Sealed<PersonalFields>>> {
    let mut select = connection.prepare_cached(
        "SELECT event_type, event_data, metadata ->> '$.version' FROM user_events
         WHERE user_id = ?1 AND event_type IN ('UserRegistered', 'UserChanged', 'UserPasswordChanged')
         ORDER BY sequence DESC LIMIT ?2",
    )?;
    let mut rows = select.query((id.0, LOOKED_BACK))?;
    let mut wanted = i64::try_from(version.0).unwrap_or(i64::MAX);
    while let Some(row) = rows.next()? {
        let (event_type, at): (String, i64) = (row.get(0)?, row.get(2)?);
        if at > wanted {
            continue;
        }
        if at < wanted {
            return Ok(None);
        }
        if event_type == "UserPasswordChanged" {
            // The fields are those of the version before.
            wanted -= 1;
            continue;
        }
        let data: String = row.get(1)?;
        let person: WithPerson = serde_json::from_str(&data).map_err(|error| unreadable(1, error))?;
        return Ok(Some(person.person));
    }
    Ok(None)
}

/// Who last changed the user's fields, where that is known.
pub(crate) fn last_writer(connection: &Connection, id: PersonId) -> Result<Option<Arc<str>>> {
    let by: Option<Option<String>> = connection
        .prepare_cached(
            "SELECT metadata ->> '$.userId' FROM user_events
             WHERE user_id = ?1 AND event_type IN ('UserRegistered', 'UserChanged') ORDER BY sequence DESC LIMIT 1",
        )?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(by.flatten().map(Into::into))
}

/// How many changes of a user a merge looks back.
const LOOKED_BACK: u32 = 1_000;

/// The data of an event that carries personal fields.
#[derive(Deserialize)]
struct WithPerson {
    person: Sealed<PersonalFields>,
}

fn event(row: &Row<'_>) -> Result<UserEvent> {
    let sequence: i64 = row.get(0)?;
    let (id, data, metadata): (String, String, String) = (row.get(1)?, row.get(5)?, row.get(6)?);
    let metadata: StoredMetadata = serde_json::from_str(&metadata).map_err(|error| unreadable(6, error))?;
    Ok(UserEvent {
        event_id: id.parse().map_err(|error| unreadable(1, error))?,
        aggregate_type: "User",
        aggregate_id: PersonId(row.get(2)?),
        event_type: row.get(3)?,
        schema_version: row.get(4)?,
        event_data: serde_json::from_str(&data).map_err(|error| unreadable(5, error))?,
        metadata: Metadata {
            timestamp: time(row, 7)?,
            version: metadata.version,
            causation_id: metadata.causation_id,
            correlation_id: metadata.correlation_id,
            user_id: metadata.user_id,
            traceparent: metadata.traceparent,
        },
        position: Position(u64::try_from(sequence).map_err(|error| unreadable(0, error))?),
    })
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| sql::Error::ToSqlConversionFailure(Box::new(error)))
}

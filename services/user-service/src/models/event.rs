//! An entry of `user_events`.

use madrigal_core::{EventId, Metadata, PersonId, Position};
use serde::Serialize;
use serde_json::Value;

/// Something that happened to a user, in the shape that every event of the shop has.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserEvent {
    /// The event's own id.
    #[schema(value_type = String, format = "uuid")]
    pub event_id: EventId,
    /// Always `User`.
    #[schema(value_type = String)]
    pub aggregate_type: &'static str,
    /// The user.
    #[schema(value_type = i64)]
    pub aggregate_id: PersonId,
    /// What happened, as in `UserRegistered`.
    pub event_type: String,
    /// The version of the data's form.
    pub schema_version: u16,
    /// The data; personal fields are sealed until somebody who may see them reads them.
    #[schema(value_type = Object)]
    pub event_data: Value,
    /// When, why, on whose behalf; `version` is the user's version after it.
    #[schema(value_type = Object)]
    pub metadata: Metadata,
    /// Its place among all users' events.
    #[schema(value_type = u64)]
    pub position: Position,
}

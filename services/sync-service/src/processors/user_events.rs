//! The topic `user_events`: how much a user did, and when last.

use madrigal_cdc::{Change, Op, Row};
use madrigal_core::Timestamp;

use super::{Meaning, Processor};

/// The newest form of events that is understood.
const SCHEMA_VERSION: i64 = 1;
/// The event by which a user is gone.
const ERASED: &str = "UserErased";

/// Something that happened to a user; nothing personal in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEvent {
    /// The user.
    pub user_id: i64,
    /// Its place among all events of users.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// Whether the user is gone with it.
    pub erased: bool,
}

/// What rows of `user_events` mean.
#[derive(Debug, Clone, Copy)]
pub struct UserEvents;

impl Processor for UserEvents {
    fn topic(&self) -> &'static str {
        "user_events"
    }

    /// The user: a user's events are counted in order.
    fn lane(&self, change: &Change) -> Option<String> {
        let row = change.after.as_ref().or(change.before.as_ref());
        let user = row.and_then(|row| row.get("user_id")).and_then(madrigal_cdc::Value::as_i64);
        user.map(|user| user.to_string()).or_else(|| change.key().map(super::users::key_text))
    }

    fn meaning(&self, change: &Change) -> Result<Meaning, String> {
        match (change.op, &change.after) {
            (Op::Create | Op::Read, Some(row)) => seen(row).map(Meaning::Event),
            // Events never change; what a program does to one nevertheless counts nothing twice.
            (Op::Update | Op::Message, _) => Ok(Meaning::Nothing),
            (op, _) => Err(format!("events are never taken back: operation {}", op.letter())),
        }
    }

    fn copies(&self) -> &'static [&'static str] {
        &["users.activity"]
    }
}

fn seen(row: &Row) -> Result<SeenEvent, String> {
    let number = |column: &str| row.get(column).and_then(madrigal_cdc::Value::as_i64);
    let text = |column: &str| row.get(column).and_then(madrigal_cdc::Value::as_str);
    let missing = |column: &str| format!("not an event of a user: {column}");
    let version = number("schema_version").unwrap_or(1);
    if version > SCHEMA_VERSION {
        return Err(format!("schema version {version} is newer than {SCHEMA_VERSION}, which this program knows"));
    }
    Ok(SeenEvent {
        user_id: number("user_id").ok_or_else(|| missing("user_id"))?,
        sequence: number("sequence").filter(|sequence| *sequence > 0).ok_or_else(|| missing("sequence"))?,
        at: text("created_at").and_then(|at| at.parse().ok()).ok_or_else(|| missing("created_at"))?,
        erased: text("event_type").ok_or_else(|| missing("event_type"))? == ERASED,
    })
}

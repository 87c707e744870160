//! The documents of the read model.

use madrigal_core::Timestamp;
use serde_json::{Map, Value};

/// When a document was last written here.
pub(super) const LAST_SYNC_AT: &str = "lastSyncAt";

/// The document of a user: the row as it came, and when it came.
///
/// # Errors
/// What is missing, without values.
pub(super) fn of_user(id: i64, row: &Value, now: Timestamp) -> Result<String, String> {
    let mut document = fields(row)?.clone();
    if document.get("id").and_then(Value::as_i64) != Some(id) {
        return Err("the row's id is not its key".to_owned());
    }
    // Whoever sends it: nothing that opens an account is kept in a copy.
    if document.keys().any(|name| name.to_ascii_lowercase().contains("password")) {
        return Err("the row has a field of a password".to_owned());
    }
    document.insert(LAST_SYNC_AT.to_owned(), Value::from(now.to_string()));
    Ok(Value::Object(document).to_string())
}

/// The document as it is stored, of one that was read together with what the user did.
pub(super) fn without_activity(row: &Value) -> Value {
    let mut row = row.clone();
    if let Value::Object(fields) = &mut row {
        fields.retain(|name, _| name != "totalEvents" && name != "lastActivity");
    }
    row
}

/// What a user did: how many events, and when the last.
///
/// # Errors
/// What is missing.
pub(super) fn of_activity(row: &Value) -> Result<String, String> {
    let row = fields(row)?;
    let counted = row.get("totalEvents").is_some_and(Value::is_u64);
    let last = row.get("lastActivity").and_then(Value::as_str).is_some_and(|at| at.parse::<Timestamp>().is_ok());
    if !counted || !last {
        return Err("totalEvents is a whole number, and lastActivity a time".to_owned());
    }
    Ok(Value::Object(row.clone()).to_string())
}

fn fields(row: &Value) -> Result<&Map<String, Value>, String> {
    row.as_object().ok_or_else(|| "the row is not an object".to_owned())
}

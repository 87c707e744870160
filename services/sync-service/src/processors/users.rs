//! The topic `users`: rows of users, for every copy of them.

use madrigal_cdc::{Change, Op, Row, RowVersions};
use serde_json::{Map, Value};

use super::{Meaning, MeantRow, Processor};

/// What rows of users mean.
#[derive(Debug)]
pub struct Users {
    versions: RowVersions,
}

impl Users {
    /// Rows whose version stands in `version`.
    pub fn new() -> Self {
        Self { versions: RowVersions::column("version") }
    }
}

impl Default for Users {
    fn default() -> Self {
        Self::new()
    }
}

impl Processor for Users {
    fn topic(&self) -> &'static str {
        "users"
    }

    fn lane(&self, change: &Change) -> Option<String> {
        change.key().map(key_text)
    }

    fn meaning(&self, change: &Change) -> Result<Meaning, String> {
        match change.op {
            Op::Message => return Ok(Meaning::Nothing),
            Op::Truncate => return Err("the table was emptied at once: take a snapshot again".to_owned()),
            Op::Create | Op::Update | Op::Delete | Op::Read => {}
        }
        let key = change.key().map(key_text).ok_or("there is no key")?;
        let version = self.versions.of(change).map_err(|error| error.to_string())?;
        let row = match (&change.after, change.op) {
            (_, Op::Delete) | (None, _) => None,
            (Some(after), _) => Some(fields(after)?),
        };
        if let Some(row) = &row
            && row.get("id").map(ToString::to_string).as_deref() != Some(key.as_str())
        {
            return Err("the row's id is not its key".to_owned());
        }
        Ok(Meaning::Row(MeantRow { key, version, row }))
    }

    fn copies(&self) -> &'static [&'static str] {
        &["users.key-value", "users.index", "users.analytics"]
    }
}

/// The text of a key of one column, as copies have it: `7`.
pub(super) fn key_text(key: &madrigal_cdc::Key) -> String {
    match key.only() {
        Some(madrigal_cdc::Value::Text(text)) => text.clone(),
        Some(value) => value.to_json().to_string(),
        None => key.as_str().to_owned(),
    }
}

/// The fields of a user: columns in camel case, the profile as an object, no secret whoever tells one.
fn fields(row: &Row) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (column, value) in row.iter().filter(|(column, _)| !column.to_ascii_lowercase().contains("password")) {
        fields.insert(camel_case(column), value.to_json());
    }
    if let Some(Value::String(text)) = fields.get("profile") {
        let profile: Value = serde_json::from_str(text).map_err(|_| "profile is no JSON".to_owned())?;
        fields.insert("profile".to_owned(), profile);
    }
    let is = |name: &str, fits: fn(&Value) -> bool| fields.get(name).is_some_and(fits);
    let told = [
        ("id", is("id", Value::is_i64)),
        ("email", is("email", Value::is_string)),
        ("username", is("username", Value::is_string)),
        ("profile", is("profile", Value::is_object)),
        ("createdAt", is("createdAt", Value::is_string)),
        ("updatedAt", is("updatedAt", Value::is_string)),
        ("version", is("version", Value::is_u64)),
    ];
    let wrong: Vec<&str> = told.into_iter().filter(|(_, fits)| !fits).map(|(name, _)| name).collect();
    if wrong.is_empty() { Ok(fields) } else { Err(format!("not a row of users: {}", wrong.join(", "))) }
}

/// `created_at` as `createdAt`.
pub(super) fn camel_case(column: &str) -> String {
    let mut parts = column.split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

#[cfg(test)]
mod tests {
    use madrigal_cdc::{Key, SourceInfo};
    use madrigal_core::{RowVersion, Timestamp};

    use super::*;

    fn row() -> Row {
        Row::new()
            .with("id", 7)
            .with("email", "anna@example.org")
            .with("username", "anna")
            .with("password_hash", "$argon2id$...")
            .with("profile", r#"{"firstName":"Anna"}"#)
            .with("created_at", "2026-01-01T00:00:00.000000Z")
            .with("updated_at", "2026-01-02T00:00:00.000000Z")
            .with("version", 3)
    }

    fn change(op: Op, after: Option<Row>, before: Option<Row>) -> Change {
        Change {
            key: Key::of("id", 7),
            before,
            after,
            source: SourceInfo::default(),
            op,
            captured_at: Timestamp::default(),
            transaction: None,
        }
    }

    fn meant(change: &Change) -> MeantRow {
        match Users::new().meaning(change).unwrap() {
            Meaning::Row(row) => row,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_changed_user_is_a_document_without_a_secret() {
        let row = meant(&change(Op::Update, Some(row()), None));
        assert_eq!((row.key.as_str(), row.version), ("7", RowVersion::new(1, 3).unwrap()));
        let expected = serde_json::json!({"id": 7, "email": "anna@example.org", "username": "anna",
            "profile": {"firstName": "Anna"}, "createdAt": "2026-01-01T00:00:00.000000Z",
            "updatedAt": "2026-01-02T00:00:00.000000Z", "version": 3});
        assert_eq!(Value::Object(row.row.unwrap()), expected);
    }

    #[test]
    fn a_delete_is_newer_than_the_row_that_it_deletes() {
        let deleted = meant(&change(Op::Delete, None, Some(row())));
        assert_eq!((deleted.row, deleted.version), (None, RowVersion::new(1, 4).unwrap()));
        let told_nothing = meant(&change(Op::Delete, None, None));
        assert_eq!(told_nothing.version.count(), RowVersion::MAX_COUNT, "it beats everything of its key");
    }

    #[test]
    fn a_row_that_is_not_a_users_is_not_understood_and_its_values_are_not_told() {
        for odd in [
            row().with("profile", "{no json"),
            row().with("profile", "[]"),
            row().with("version", "x"),
            row().with("email", madrigal_cdc::Value::Null),
            row().with("id", 8),
        ] {
            let why = Users::new().meaning(&change(Op::Update, Some(odd), None)).unwrap_err();
            assert!(!why.contains("anna"), "{why}");
        }
    }
}

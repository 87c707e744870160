//! The monitor's report as the pages read it: by what it holds, whatever else comes with it.

use madrigal_core::{RowVersion, Timestamp};
use serde_json::Value;

use super::super::marks::Tone;

/// What is said of a pair. What is not understood is unverified, never consistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verdict {
    /// Rows diverge.
    Divergent,
    /// Not all rows could be verified.
    Unverified,
    /// The copy says what its owner says.
    Consistent,
}

impl Verdict {
    fn of(text: &str) -> Self {
        match text {
            "consistent" => Self::Consistent,
            "divergent" | "inconsistent" => Self::Divergent,
            _ => Self::Unverified,
        }
    }

    /// Its colour.
    pub(crate) const fn tone(self) -> Tone {
        match self {
            Self::Divergent => Tone::Bad,
            Self::Unverified => Tone::Wait,
            Self::Consistent => Tone::Ok,
        }
    }

    /// Its glyph.
    pub(crate) const fn glyph(self) -> &'static str {
        match self {
            Self::Divergent => "bad",
            Self::Unverified => "wait",
            Self::Consistent => "ok",
        }
    }

    /// Its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Divergent => "divergent",
            Self::Unverified => "unverified",
            Self::Consistent => "consistent",
        }
    }
}

/// The report of all pairs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// When it was put together.
    pub(crate) at: Option<Timestamp>,
    /// Every pair, those with trouble first.
    pub(crate) checks: Vec<Check>,
    /// Rows that are compared, over all pairs.
    pub(crate) rows: u64,
}

/// One pair.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// Its name.
    pub(crate) name: String,
    /// Its verdict.
    pub(crate) verdict: Verdict,
    /// Rows that were looked at.
    pub(crate) total: u64,
    /// Rows that diverge.
    pub(crate) divergent: u64,
    /// Rows that could not be verified.
    pub(crate) unverified: u64,
    /// By how many positions the copy is behind.
    pub(crate) behind_by: Option<u64>,
    /// Since when.
    pub(crate) behind_since: Option<Timestamp>,
    /// Up to which moment it was compared.
    pub(crate) through_at: Option<Timestamp>,
    /// Up to which position.
    pub(crate) through: Option<String>,
    /// When it was last swept, and how.
    pub(crate) swept: Option<(Timestamp, String)>,
    /// What kept it from being checked.
    pub(crate) trouble: Option<String>,
    /// Rows that diverge, as many as are told.
    pub(crate) rows: Vec<Divergence>,
}

/// A row that diverges.
#[derive(Debug, Clone)]
pub(crate) struct Divergence {
    /// By which it is repaired.
    pub(crate) id: String,
    /// The pair, where it is told.
    pub(crate) pair: String,
    /// The row's key.
    pub(crate) key: String,
    /// `missing`, `extra`, `stale`, `different`.
    pub(crate) issue: String,
    /// When it was found.
    pub(crate) found: Option<Timestamp>,
    /// The owner's row.
    pub(crate) owner: Side,
    /// The copy's row.
    pub(crate) copy: Side,
}

/// A row of one side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    /// Its version.
    pub(crate) version: Option<String>,
    /// Whether it is a tombstone.
    pub(crate) deleted: bool,
    /// Its fields, an object; null where there is no row.
    pub(crate) fields: Value,
}

impl Report {
    /// Reads the answer of `GET /v1/consistency/report`.
    pub(crate) fn of(body: &Value) -> Self {
        let checks = body["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut checks: Vec<Check> = checks.iter().map(Check::of).collect();
        checks.sort_by_key(|check| check.verdict);
        let rows = body["metrics"]["totalEntities"].as_u64();
        let rows = rows.unwrap_or_else(|| checks.iter().map(|check| check.total).sum());
        Self { at: moment(&body["timestamp"]), checks, rows }
    }

    /// How many pairs have this verdict.
    pub(crate) fn count(&self, verdict: Verdict) -> i64 {
        let count = self.checks.iter().filter(|check| check.verdict == verdict).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// The pairs with this verdict.
    pub(crate) fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.verdict == verdict)
    }

    /// How many rows diverge.
    pub(crate) fn divergent_rows(&self) -> u64 {
        self.checks.iter().map(|check| check.divergent).sum()
    }
}

impl Check {
    fn of(check: &Value) -> Self {
        let text = |field: &str| check[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let count = |field: &str| check[field].as_u64().unwrap_or(0);
        let (behind, through) = (&check["behindBy"], &check["verifiedThrough"]);
        let rows = check["inconsistencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = text("name").unwrap_or_default();
        Self {
            verdict: Verdict::of(check["verdict"].as_str().unwrap_or_default()),
            total: count("totalEntities"),
            divergent: count("inconsistentEntities"),
            unverified: count("unverifiedEntities"),
            behind_by: behind.as_u64().or_else(|| behind["by"].as_u64()).filter(|by| *by > 0),
            behind_since: moment(&check["behindSince"]).or_else(|| moment(&behind["since"])),
            through_at: moment(through).or_else(|| moment(&through["at"])),
            through: position(through).or_else(|| position(&check["position"])),
            swept: moment(&check["checkedAt"]).map(|at| (at, text("sweep").unwrap_or_default())),
            trouble: text("trouble"),
            rows: rows.iter().map(|row| Divergence::of(row, &name)).collect(),
            name,
        }
    }
}

impl Divergence {
    /// Reads one row; `pair` where it does not name its own.
    pub(crate) fn of(row: &Value, pair: &str) -> Self {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            pair: row["pair"].as_str().unwrap_or(pair).to_owned(),
            key: text("key"),
            issue: text("issue"),
            found: moment(&row["foundAt"]),
            owner: Side::of(&row["owner"]),
            copy: Side::of(&row["copy"]),
        }
    }
}

impl Side {
    fn of(row: &Value) -> Self {
        let Some(members) = row.as_object() else { return Self::default() };
        let deleted = row["deleted"] == true;
        let version = version(&row["version"]);
        // A row tells its content apart from what is known about it; anything else is a row's fields as they are.
        let fields = match members.get("content") {
            Some(content) if content.is_object() => content.clone(),
            None if members.keys().all(|name| matches!(name.as_str(), "key" | "version" | "deleted")) => Value::Null,
            _ => row.clone(),
        };
        Self { version, deleted, fields: if deleted { Value::Null } else { fields } }
    }

    /// Whether there is a row.
    pub(crate) fn there(&self) -> bool {
        !self.deleted && (self.version.is_some() || self.fields.is_object())
    }
}

/// A version as people read it: the owner's count, with its epoch where that is not the first.
fn version(version: &Value) -> Option<String> {
    if let Some(text) = version.as_str() {
        return Some(text.to_owned());
    }
    let packed = version.as_u64()?;
    Some(match RowVersion::try_from(packed) {
        Ok(version) if version.epoch() == 1 => version.count().to_string(),
        Ok(version) if version.epoch() > 1 => format!("{} of epoch {}", version.count(), version.epoch()),
        _ => packed.to_string(),
    })
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A position as it is told: a number, or a text that is no moment.
fn position(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number.as_i64().map(super::super::words::number),
        Value::String(text) if !text.is_empty() && moment(value).is_none() => Some(text.clone()),
        Value::Object(members) => members.get("position").and_then(position),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_understood_is_unverified_and_trouble_comes_first() {
        let body = json!({"checks": [{"name": "a", "verdict": "consistent"}, {"name": "b", "verdict": "splendid"},
            {"name": "c"}, {"name": "d", "verdict": "divergent", "inconsistentEntities": 2}]});
        let report = Report::of(&body);
        let verdicts: Vec<_> = report.checks.iter().map(|check| (check.name.as_str(), check.verdict)).collect();
        let expected = [
            ("d", Verdict::Divergent),
            ("b", Verdict::Unverified),
            ("c", Verdict::Unverified),
            ("a", Verdict::Consistent),
        ];
        assert_eq!(verdicts, expected);
        assert_eq!((report.count(Verdict::Unverified), report.divergent_rows()), (2, 2));
        assert!(Report::of(&json!(null)).checks.is_empty());
    }

    #[test]
    fn a_copy_behind_is_read_as_a_number_and_as_how_far_since_when() {
        let check =
            |behind: Value| Report::of(&json!({"checks": [{"name": "a", "behindBy": behind}]})).checks.remove(0);
        let since = "2026-11-22T10:36:06Z";
        assert_eq!(check(json!(7)).behind_by, Some(7));
        let told = check(json!({"by": 7, "since": since}));
        assert_eq!((told.behind_by, told.behind_since), (Some(7), since.parse().ok()));
        assert_eq!((check(json!(0)).behind_by, check(json!(null)).behind_by), (None, None));
    }

    #[test]
    fn a_rows_fields_are_its_content_and_a_tombstone_has_none() {
        let packed = RowVersion::new(1, 4).unwrap().packed();
        let side = Side::of(&json!({"key": "7", "version": packed, "content": {"a": 1}}));
        assert_eq!((side.version.as_deref(), &side.fields, side.there()), (Some("4"), &json!({"a": 1}), true));
        let tombstone = Side::of(&json!({"key": "7", "version": packed, "deleted": true}));
        assert!(!tombstone.there() && tombstone.fields.is_null());
        assert_eq!(Side::of(&json!({"status": "shipped"})).fields, json!({"status": "shipped"}));
        assert!(!Side::of(&json!(null)).there());
        assert!(Side::of(&json!({"key": "7", "version": packed})).fields.is_null());
    }
}

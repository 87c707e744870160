//! Reading and writing Debezium's JSON.

use madrigal_cdc::{
    Change, EnvelopeError, Key, Op, Record, RowVersions, SnapshotMark, UNAVAILABLE, Value, VersionError,
};
use madrigal_core::RowVersion;
use serde_json::{Value as Json, json};

/// What Debezium 3.6.1 wrote for a snapshot's row, an insert, an update, a delete and its tombstone.
const SAMPLES: &str = include_str!("../golden/debezium-3.6.jsonl");

/// What we leave out of it, and no other field.
const LEFT_OUT: [&str; 6] =
    ["/ts_us", "/ts_ns", "/source/ts_ns", "/source/xmin", "/source/origin", "/source/origin_lsn"];

fn samples() -> Vec<(String, Json)> {
    let lines = SAMPLES.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.map(|sample| (sample["kind"].as_str().unwrap().to_owned(), sample)).collect()
}

fn record(key: &Json, value: &Json) -> Result<Record, EnvelopeError> {
    Record::parse(Some(key.to_string().as_bytes()), Some(value.to_string().as_bytes()))
}

fn change(key: &Json, value: &Json) -> Change {
    match record(key, value).unwrap() {
        Record::Change(change) => *change,
        Record::Tombstone(key) => panic!("a tombstone of {key}"),
    }
}

fn sample(kind: &str) -> Json {
    samples().into_iter().find(|(of, _)| of == kind).unwrap().1
}

fn without(mut json: Json, pointers: &[&str]) -> Json {
    for pointer in pointers {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
    }
    json
}

#[test]
fn each_operation_of_debezium_is_written_as_it_was_read() {
    let mut seen = Vec::new();
    for (kind, sample) in samples() {
        seen.push(kind.clone());
        if kind == "tombstone" {
            let Record::Tombstone(key) = record(&sample["key"], &sample["value"]).unwrap() else {
                panic!("no tombstone")
            };
            assert_eq!(serde_json::to_value(&key).unwrap(), sample["key"]);
            continue;
        }
        let read = change(&sample["key"], &sample["value"]);
        assert_eq!(read.op.letter(), kind);
        let written: Json = read.to_json().unwrap().decode().unwrap();
        assert_eq!(written, without(sample["value"].clone(), &LEFT_OUT), "{kind}");
        assert_eq!(read.key().unwrap().as_str(), sample["key"].to_string());
    }
    assert_eq!(seen, ["r", "c", "u", "d", "tombstone"]);
}

#[test]
fn an_envelope_with_its_schema_is_read_like_a_bare_one() {
    let sample = sample("u");
    let wrap = |payload: &Json| json!({"schema": {"type": "struct", "fields": []}, "payload": payload});
    let wrapped = record(&wrap(&sample["key"]), &wrap(&sample["value"])).unwrap();
    assert_eq!(wrapped, record(&sample["key"], &sample["value"]).unwrap());
    let gone = record(&wrap(&sample["key"]), &Json::Null).unwrap();
    assert!(matches!(gone, Record::Tombstone(_)));
}

#[test]
fn a_value_that_was_not_told_is_neither_null_nor_a_text() {
    let mut sample = sample("u");
    sample["value"]["after"]["email"] = json!(UNAVAILABLE);
    sample["value"]["after"]["balance"] = Json::Null;
    sample["value"]["after"]["tags"] = json!([UNAVAILABLE]);
    let read = change(&sample["key"], &sample["value"]);
    let after = read.after.clone().unwrap();
    assert_eq!(after.get("email"), Some(&Value::Unchanged));
    assert_eq!(after.get("balance"), Some(&Value::Null));
    assert_eq!(after.get("tags"), Some(&Value::Unchanged));
    assert!(!after.is_complete());
    let written: Json = read.to_json().unwrap().decode().unwrap();
    assert_eq!(written["after"]["email"], json!(UNAVAILABLE));

    let completed = after.clone().completed_from(read.before.as_ref());
    assert_eq!(completed, None, "the row before does not know the tags either");
    let before = read.before.unwrap().with("tags", "x");
    let completed = after.completed_from(Some(&before)).unwrap();
    assert_eq!(completed.get("email"), before.get("email"));
    assert_eq!(completed.get("balance"), Some(&Value::Null), "NULL is told");
}

#[test]
fn numbers_keep_their_digits() {
    let sample = sample("c");
    let text = sample["value"].to_string().replace("\"12.34\"", "\"12345678901234567890.123456789000\"");
    let text = text.replace("\"status\":\"active\"", "\"status\":\"active\",\"count\":9007199254740993");
    let key = sample["key"].to_string();
    let Record::Change(read) = Record::parse(Some(key.as_bytes()), Some(text.as_bytes())).unwrap() else { panic!() };
    let after = read.after.as_ref().unwrap();
    assert_eq!(after.get("balance").unwrap().as_str(), Some("12345678901234567890.123456789000"));
    assert_eq!(after.get("count").unwrap().as_i64(), Some(9_007_199_254_740_993));
    let written = String::from_utf8(read.to_json().unwrap().as_bytes().to_vec()).unwrap();
    assert!(written.contains("9007199254740993") && written.contains("123456789000"));
}

#[test]
fn unknown_fields_are_passed_over_and_old_marks_of_snapshots_understood() {
    let mut sample = sample("r");
    let plain = change(&sample["key"], &sample["value"]);
    sample["value"]["madeOf"] = json!({"deep": [1]});
    sample["value"]["source"]["shard"] = json!("x");
    assert_eq!(change(&sample["key"], &sample["value"]), plain);
    for (told, meant) in [
        (json!("incremental"), SnapshotMark::Incremental),
        (json!(true), SnapshotMark::True),
        (json!(false), SnapshotMark::False),
        (Json::Null, SnapshotMark::False),
    ] {
        sample["value"]["source"]["snapshot"] = told;
        assert_eq!(change(&sample["key"], &sample["value"]).source.snapshot, meant);
    }
    sample["value"]["source"]["snapshot"] = json!("perhaps");
    assert!(matches!(record(&sample["key"], &sample["value"]), Err(EnvelopeError::Malformed(_))));
}

#[test]
fn truncations_and_messages_are_understood_and_have_no_row() {
    let source = sample("c")["value"]["source"].clone();
    for (letter, op) in [("t", Op::Truncate), ("m", Op::Message)] {
        let value = json!({"op": letter, "source": source, "ts_ms": 7}).to_string();
        let Record::Change(read) = Record::parse(None, Some(value.as_bytes())).unwrap() else { panic!() };
        assert_eq!((read.op, read.key()), (op, None));
        assert_eq!(RowVersions::immutable().of(&read), Err(VersionError::NoRow));
    }
}

#[test]
fn what_is_no_change_is_refused() {
    let good = sample("u");
    let refused = |key: &Json, value: &Json| record(key, value).unwrap_err();
    assert!(matches!(refused(&good["key"], &json!({"id": 1})), EnvelopeError::Malformed(_)));
    assert!(matches!(refused(&json!({}), &good["value"]), EnvelopeError::Key));
    assert!(matches!(refused(&json!({"id": null}), &good["value"]), EnvelopeError::Key));
    assert!(matches!(refused(&Json::Null, &Json::Null), EnvelopeError::NoKey));
    let mut rowless = good["value"].clone();
    rowless["after"] = Json::Null;
    assert!(matches!(refused(&good["key"], &rowless), EnvelopeError::NoRow("u")));
}

#[test]
fn the_version_is_the_owners_and_a_delete_comes_after_it() {
    let versions = RowVersions::column("version");
    let count = |n: u64| RowVersion::new(1, n).unwrap();
    let with = |kind: &str, side: &str, told: Json| {
        let mut sample = sample(kind);
        sample["value"][side]["version"] = told;
        versions.of(&change(&sample["key"], &sample["value"]))
    };
    assert_eq!(with("u", "after", json!(7)), Ok(count(7)));
    assert_eq!(with("u", "after", json!("8")), Ok(count(8)), "a decimal is a text");
    assert_eq!(with("d", "before", json!(7)), Ok(count(8)));
    assert!(matches!(with("u", "after", json!(UNAVAILABLE)), Err(VersionError::NotTold(_))));
    assert!(matches!(with("u", "after", json!(-1)), Err(VersionError::NotTold(_))));
    let sample = sample("d");
    let unknown = versions.of(&change(&sample["key"], &sample["value"]));
    assert_eq!(unknown, Ok(count(RowVersion::MAX_COUNT)), "ids never return");
}

#[test]
fn values_do_not_reach_logs() {
    let read = change(&sample("u")["key"], &sample("u")["value"]);
    let shown = format!("{read:?}");
    assert!(!shown.contains("b@example.com") && shown.contains("email"), "{shown}");
    assert_eq!(Key::of("id", 7).unwrap().as_str(), r#"{"id":7}"#);
}

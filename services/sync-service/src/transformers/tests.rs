use serde_json::json;

use super::*;

fn user() -> Map<String, Value> {
    let row = json!({"id": 7, "email": "anna@example.org", "username": "anna",
        "profile": {"firstName": "Anna", "lastName": "Bee"}, "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z", "version": 3});
    row.as_object().unwrap().clone()
}

fn transformed(declared: &Value, copy: &str) -> Option<Value> {
    let transformers = Transformers::declared(declared.as_array().unwrap()).unwrap();
    transformers.row("users", copy, user()).unwrap().map(Value::Object)
}

fn refused(declared: &Value) -> Vec<String> {
    let misfits = Transformers::declared(declared.as_array().unwrap()).unwrap_err();
    misfits.into_iter().map(|misfit| misfit.pointer).collect()
}

#[test]
fn transformers_act_in_their_order_and_each_for_its_copy() {
    let declared = json!([
        {"kind": "flatten", "topic": "users", "field": "profile", "fields": ["firstName", "lastName"], "copy": "users.analytics"},
        {"kind": "enrich", "topic": "users", "field": "name", "template": "{profile_firstName} {profile_lastName}", "copy": "users.analytics"},
        {"kind": "rename", "topic": "users", "field": "createdAt", "to": "registeredAt"},
        {"kind": "mask", "topic": "users", "field": "email", "keep_last": 4, "copy": "users.analytics"},
        {"kind": "enrich", "topic": "users", "field": "shop", "value": "here", "copy": "users.key-value"},
    ]);
    let analytics = transformed(&declared, "users.analytics").unwrap();
    assert_eq!((&analytics["name"], &analytics["profile"]), (&json!("Anna Bee"), &Value::Null));
    assert_eq!(analytics["email"], "************.org");
    let key_value = transformed(&declared, "users.key-value").unwrap();
    assert_eq!((&key_value["email"], &key_value["shop"]), (&json!("anna@example.org"), &json!("here")));
    assert_eq!(key_value["profile"]["firstName"], "Anna");
    for row in [analytics, key_value] {
        assert_eq!((&row["registeredAt"], row.get("createdAt")), (&json!("2026-01-01T00:00:00Z"), None));
    }
}

#[test]
fn a_filtered_row_is_not_in_the_copy() {
    let only = |value: &str| json!([{"kind": "filter", "topic": "users", "field": "username", "is": value}]);
    assert!(transformed(&only("anna"), "users.index").is_some());
    assert_eq!(transformed(&only("bert"), "users.index"), None);
    let all_but = json!([{"kind": "filter", "topic": "users", "field": "username", "is_not": "anna"}]);
    assert_eq!(transformed(&all_but, "users.index"), None);
}

#[test]
fn a_short_text_is_masked_whole() {
    assert_eq!(
        (masked("abcd", 4), masked("abcdefgh", 4), masked("", 2)),
        ("****".into(), "****efgh".into(), String::new())
    );
}

#[test]
fn a_field_that_is_not_there_is_refused_and_so_is_one_that_was_renamed_away() {
    let declared = json!([
        {"kind": "rename", "topic": "users", "field": "createdAt", "to": "registeredAt"},
        {"kind": "mask", "topic": "users", "field": "createdAt"},
        {"kind": "mask", "topic": "users", "field": "registeredAt"},
        {"kind": "enrich", "topic": "users", "field": "x", "template": "{nobody} {email}"},
        {"kind": "mask", "topic": "users", "field": "phone"},
    ]);
    assert_eq!(refused(&declared), ["/1/field", "/3/template", "/4/field"]);
}

#[test]
fn wrong_types_and_what_copies_cannot_do_without_are_refused() {
    let declared = json!([
        {"kind": "mask", "topic": "users", "field": "profile"},
        {"kind": "flatten", "topic": "users", "field": "email", "fields": ["x"], "copy": "users.analytics"},
        {"kind": "filter", "topic": "users", "field": "username", "is": 7},
        {"kind": "rename", "topic": "users", "field": "id", "to": "userId"},
        {"kind": "rename", "topic": "users", "field": "email", "to": "mail", "copy": "users.index"},
    ]);
    let found = refused(&declared);
    for expected in ["/0/field", "/1/field", "/2/is", "/3/field", "/4"] {
        assert!(found.contains(&expected.to_owned()), "{expected} of {found:?}");
    }
}

#[test]
fn a_route_that_leads_back_is_refused() {
    let route = |topic: &str, to: &str| json!({"kind": "route", "topic": topic, "to": to});
    let circle = json!([route("a", "b"), route("b", "c"), route("c", "a"), route("d", "a")]);
    assert_eq!(refused(&circle), ["/0/to", "/1/to", "/2/to"]);
    assert_eq!(refused(&json!([route("a", "a")])), ["/0/to"]);
    let fine = json!([route("customers", "people"), route("people", "users")]);
    let transformers = Transformers::declared(fine.as_array().unwrap()).unwrap();
    assert_eq!((transformers.routed("customers"), transformers.routed("orders")), ("users".into(), "orders".into()));
}

#[test]
fn a_route_to_where_nobody_handles_what_comes_is_refused() {
    let route = |topic: &str, to: &str| json!({"kind": "route", "topic": topic, "to": to});
    assert_eq!(refused(&json!([route("users", "nowhere")])), ["/0/to"]);
    assert_eq!(refused(&json!([route("a", "b"), route("b", "orders")])), ["/1/to"], "the end of the way is wrong");
    assert_eq!(refused(&json!([route("users", "user_events")])), ["/0/topic"], "rows of another kind");
    assert_eq!(refused(&json!([route("users", "a"), route("a", "user_events")])), ["/0/topic"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let declared = json!([
        "text",
        {"kind": "shuffle", "topic": "users"},
        {"kind": "mask", "topic": "orders", "field": "x", "extra": 1},
        {"kind": "filter", "topic": "users", "field": "email"},
        {"kind": "enrich", "topic": "users", "field": "y", "template": "{"},
        {"kind": "mask", "topic": "users", "field": "email", "copy": "users.cache", "keep_last": -1},
        {"topic": "users"},
    ]);
    let expected = ["/0", "/1/kind", "/2/extra", "/2/topic", "/3", "/4/template", "/5/copy", "/5/keep_last", "/6/kind"];
    assert_eq!(refused(&declared), expected);
}

use madrigal_conflict::{
    ConflictCause, FieldPath, MergeError, Merged, Merging, Origin, Rule, Rules, Side, Taken, merge,
};
use madrigal_core::{StreamVersion, Timestamp};
use serde_json::{Value, json};

pub(crate) fn origin(at: i64, by: &str) -> Origin {
    Origin { version: Some(StreamVersion(1)), at: Timestamp::from_micros(at), by: Some(by.into()) }
}

/// Merges with the change that came written later, by another person.
fn merged_as(
    rules: &Rules,
    base: &Value,
    current: &Value,
    proposed: &Value,
    named: &[FieldPath],
) -> Result<Merged, MergeError> {
    let (early, late) = (origin(1, "anna"), origin(2, "berta"));
    let merging = Merging {
        base,
        current: Side { document: current, origin: &early },
        proposed: Side { document: proposed, origin: &late },
        named,
    };
    merge(rules, merging)
}

fn merged(rule: &str, base: Value, current: Value, proposed: Value) -> Result<Merged, MergeError> {
    let rules = Rules::parse([("/x", rule)], None).unwrap();
    let documents =
        [base, current, proposed].map(|value| if value == ABSENT { json!({}) } else { json!({ "x": value }) });
    merged_as(&rules, &documents[0], &documents[1], &documents[2], &[])
}

/// Stands for a field that is not there.
const ABSENT: &str = "(absent)";

/// The value of the field, and the loser's, as texts.
fn outcome(rule: &str, base: Value, current: Value, proposed: Value) -> String {
    match merged(rule, base, current, proposed) {
        Ok(merged) => {
            let text = |value: Option<&Value>| value.map_or("absent".to_owned(), ToString::to_string);
            let lost = merged.losers.first().map(|loser| format!(", lost {}", text(loser.value()))).unwrap_or_default();
            format!("{}{lost}", text(merged.document.get("x")))
        }
        Err(MergeError::Conflicts(conflicts)) => format!("{:?}", conflicts[0].cause),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_one_side_left_alone_is_the_other_sides() {
    for rule in ["last writer", "max", "min", "sum of deltas", "set union", "three-way", "ask a person"] {
        assert_eq!(outcome(rule, json!(5), json!(9), json!(5)), "9", "{rule}");
        assert_eq!(outcome(rule, json!(5), json!(5), json!(1)), "1", "{rule}");
        assert_eq!(outcome(rule, json!(5), json!(5), json!(ABSENT)), "absent", "{rule}");
        assert_eq!(outcome(rule, json!(ABSENT), json!(null), json!(ABSENT)), "null", "{rule}");
        assert_eq!(outcome(rule, json!([1]), json!({"a": 1}), json!([1])), r#"{"a":1}"#, "{rule}");
    }
}

#[test]
fn the_same_change_on_both_sides_is_one_but_two_deltas_are_two() {
    for rule in ["last writer", "max", "min", "set union", "three-way", "ask a person"] {
        assert_eq!(outcome(rule, json!(5), json!(6), json!(6)), "6", "{rule}");
    }
    assert_eq!(outcome("sum of deltas", json!(5), json!(6), json!(6)), "7");
}

#[test]
fn a_changed_field_is_merged_by_its_rule_and_the_loser_is_told() {
    let two = |rule: &str| outcome(rule, json!(5), json!(9), json!(7));
    assert_eq!(two("last writer"), "7, lost 9");
    assert_eq!(two("max"), "9, lost 7");
    assert_eq!(two("min"), "7, lost 9");
    assert_eq!(two("sum of deltas"), "11");
    assert_eq!(two("three-way"), "BothChanged");
    assert_eq!(two("ask a person"), "BothChanged");
    assert_eq!(two("owner(berta)"), "7, lost 9");
    assert_eq!(two("owner(carla)"), "9, lost 7");
    assert_eq!(two("owner(anna)"), "9, lost 7");
}

#[test]
fn only_the_owner_changes_an_owned_field() {
    assert_eq!(outcome("owner(anna)", json!(5), json!(5), json!(7)), "5, lost 7");
    assert_eq!(outcome("owner(berta)", json!(5), json!(5), json!(7)), "7");
    assert_eq!(outcome("owner(anna)", json!(5), json!(5), json!(ABSENT)), "5, lost absent");
}

#[test]
fn a_value_beats_a_removal_where_values_are_compared() {
    for rule in ["max", "min"] {
        assert_eq!(outcome(rule, json!(5), json!(ABSENT), json!(7)), "7, lost absent");
        assert_eq!(outcome(rule, json!(5), json!(7), json!(ABSENT)), "7, lost absent");
        assert_eq!(outcome(rule, json!(5), json!(null), json!(7)), "7, lost null");
        assert_eq!(outcome(rule, json!(5), json!(null), json!(ABSENT)), "null, lost absent");
        assert_eq!(outcome(rule, json!(5), json!(ABSENT), json!(null)), "null, lost absent");
    }
    assert_eq!(outcome("last writer", json!(5), json!(7), json!(ABSENT)), "absent, lost 7");
    assert_eq!(outcome("three-way", json!(5), json!(7), json!(ABSENT)), "BothChanged");
}

#[test]
fn two_types_are_a_conflict_and_never_a_guess() {
    assert_eq!(outcome("max", json!(5), json!("9"), json!(7)), "TypeClash");
    assert_eq!(outcome("max", json!(5), json!([9]), json!([7])), "TypeClash");
    assert_eq!(outcome("sum of deltas", json!(5), json!(1.5), json!(7)), "TypeClash");
    assert_eq!(outcome("sum of deltas", json!(5), json!(ABSENT), json!(7)), "TypeClash");
    assert_eq!(outcome("set union", json!([]), json!("a"), json!(["b"])), "TypeClash");
    assert_eq!(outcome("three-way", json!("a"), json!("b"), json!(["b"])), "TypeClash");
    assert_eq!(outcome("last writer", json!(5), json!({"a": 1}), json!("x")), r#""x", lost {"a":1}"#);
}

#[test]
fn sums_begin_at_nothing_and_end_at_64_bits() {
    assert_eq!(outcome("sum of deltas", json!(ABSENT), json!(2), json!(3)), "5");
    assert_eq!(outcome("sum of deltas", json!(0), json!(i64::MAX), json!(1)), "Overflow");
    assert_eq!(outcome("sum of deltas", json!(10), json!(4), json!(7)), "1");
}

#[test]
fn sets_keep_what_either_added_and_drop_what_either_removed() {
    assert_eq!(outcome("set union", json!(["a", "b"]), json!(["b", "c"]), json!(["a", "b", "d"])), r#"["b","c","d"]"#);
    assert_eq!(outcome("set union", json!(["a", "b"]), json!(ABSENT), json!(["a", "b", "d"])), r#"["d"]"#);
    assert_eq!(outcome("set union", json!(ABSENT), json!(["b"]), json!(["a", "a"])), r#"["a","b"]"#);
}

#[test]
fn numbers_are_compared_exactly_whole_or_not() {
    assert_eq!(
        outcome("max", json!(0), json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)),
        "9007199254740993, lost 9007199254740992.0"
    );
    assert_eq!(outcome("max", json!(0), json!(-1), json!(-1.5)), "-1, lost -1.5");
    assert_eq!(outcome("min", json!(0), json!(u64::MAX), json!(1e300)), "18446744073709551615, lost 1e+300");
    assert_eq!(
        outcome("max", json!("a"), json!("2026-11-22"), json!("2026-11-23")),
        r#""2026-11-23", lost "2026-11-22""#
    );
    assert_eq!(outcome("max", json!(null), json!(false), json!(true)), "true, lost false");
}

#[test]
fn objects_are_merged_member_by_member() {
    let base = json!({"a": 1, "b": 1, "gone": 1});
    assert_eq!(
        outcome(
            "three-way",
            base.clone(),
            json!({"a": 2, "b": 1, "gone": 1, "new": {"x": 1}}),
            json!({"a": 1, "b": 3})
        ),
        r#"{"a":2,"b":3,"new":{"x":1}}"#
    );
    assert_eq!(outcome("three-way", base.clone(), json!({"a": 2}), json!({"a": 3})), "BothChanged");
    assert_eq!(
        outcome("three-way", json!(ABSENT), json!({"p": {"a": 1}}), json!({"p": {"b": 2}})),
        r#"{"p":{"a":1,"b":2}}"#
    );
    assert_eq!(outcome("three-way", json!({"a": 1}), json!({}), json!(ABSENT)), "absent");
    assert_eq!(outcome("three-way", json!(ABSENT), json!({}), json!(ABSENT)), "{}");
    assert_eq!(
        outcome("last writer", base, json!({"a": 2, "b": 1, "gone": 1}), json!({"a": 1, "b": 3})),
        r#"{"a":1,"b":3}, lost {"a":2,"b":1,"gone":1}"#
    );
}

#[test]
fn every_field_has_its_own_rule_and_the_losers_say_who_wrote_what() {
    let rules = Rules::parse(
        [("/profile/points", "sum of deltas"), ("/profile/*", "last writer"), ("/email", "ask a person")],
        None,
    );
    let base = json!({"email": "a@x.org", "profile": {"points": 10, "city": "Roma"}});
    let current = json!({"email": "a@x.org", "profile": {"points": 15, "city": "Milano"}});
    let proposed = json!({"email": "b@x.org", "profile": {"points": 8, "city": "Torino"}});
    let merged = merged_as(&rules.unwrap(), &base, &current, &proposed, &[]).unwrap();
    assert_eq!(merged.document, json!({"email": "b@x.org", "profile": {"points": 13, "city": "Torino"}}));
    let [loser] = &merged.losers[..] else { panic!("{:?}", merged.losers) };
    assert_eq!(
        (loser.field.to_string(), &loser.rule, loser.taken),
        ("/profile/city".to_owned(), &Rule::LastWriter, Taken::Proposed)
    );
    assert_eq!((&loser.base, loser.value()), (&Some(json!("Roma")), Some(&json!("Milano"))));
    assert_eq!(
        (loser.current_origin.by.as_deref(), loser.proposed_origin.by.as_deref()),
        (Some("anna"), Some("berta"))
    );
}

#[test]
fn a_conflict_names_its_field_and_nothing_is_merged() {
    let rules = Rules::parse([("/email", "ask a person")], Some(Rule::LastWriter)).unwrap();
    let (base, current, proposed) =
        (json!({"email": "a", "x": 1}), json!({"email": "b", "x": 1}), json!({"email": "c", "x": 2}));
    let Err(MergeError::Conflicts(conflicts)) = merged_as(&rules, &base, &current, &proposed, &[]) else { panic!() };
    assert_eq!(conflicts.len(), 1);
    let conflict = &conflicts[0];
    assert_eq!((conflict.field.to_string(), conflict.cause), ("/email".to_owned(), ConflictCause::BothChanged));
    assert_eq!((&conflict.current, &conflict.proposed), (&Some(json!("b")), &Some(json!("c"))));
}

#[test]
fn a_field_without_a_rule_is_refused_only_where_both_changed_it() {
    let rules = Rules::parse([("/a", "max")], None).unwrap();
    let base = json!({"a": 1, "b": 1});
    let merged = merged_as(&rules, &base, &json!({"a": 1, "b": 2}), &json!({"a": 3, "b": 1}), &[]).unwrap();
    assert_eq!(merged.document, json!({"a": 3, "b": 2}));
    let refused = merged_as(&rules, &base, &json!({"b": 2}), &json!({"b": 3}), &[]);
    assert_eq!(refused, Err(MergeError::NoRule(vec!["/b".parse().unwrap()])));
}

#[test]
fn where_rules_lie_below_anything_but_an_object_is_a_conflict() {
    let rules = Rules::parse([("/p/x", "max")], Some(Rule::LastWriter)).unwrap();
    let refused = merged_as(&rules, &json!({"p": {"x": 1}}), &json!({"p": 5}), &json!({"p": {"x": 2}}), &[]);
    let Err(MergeError::Conflicts(conflicts)) = refused else { panic!("{refused:?}") };
    assert_eq!((conflicts[0].field.to_string(), conflicts[0].cause), ("/p".to_owned(), ConflictCause::TypeClash));
}

#[test]
fn a_field_that_was_named_and_stands_otherwise_is_lost_also_with_the_bases_value() {
    let rules = Rules::parse([], Some(Rule::LastWriter)).unwrap();
    let (base, current) = (json!({"counter": 3}), json!({"counter": 5}));
    assert_eq!(merged_as(&rules, &base, &current, &base, &[]).unwrap().losers, []);
    let named = ["/counter".parse().unwrap(), "/counter".parse().unwrap()];
    let merged = merged_as(&rules, &base, &current, &base, &named).unwrap();
    assert_eq!((merged.document, merged.losers.len()), (json!({"counter": 5}), 1));
    assert_eq!((merged.losers[0].value(), merged.losers[0].taken), (Some(&json!(3)), Taken::Current));
    let merged = merged_as(&rules, &base, &current, &json!({"counter": 9}), &named).unwrap();
    assert_eq!((merged.document, merged.losers.len()), (json!({"counter": 9}), 1));
}

#[test]
fn documents_are_bounded() {
    let rules = Rules::parse([], Some(Rule::LastWriter)).unwrap();
    let wide = json!(vec![0; madrigal_conflict::merge::MAX_VALUES]);
    assert_eq!(merged_as(&rules, &wide, &json!(1), &json!(1), &[]), Err(MergeError::TooLarge));
    let deep = (0..40).fold(json!(1), |inner, _| json!({ "x": inner }));
    assert_eq!(merged_as(&rules, &deep, &json!(1), &json!(1), &[]), Err(MergeError::TooLarge));
}

//! Rules whose answer does not depend on who merges first.

use std::collections::BTreeSet;

use madrigal_conflict::{Merged, Merging, Rules, Side, Taken, merge};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fields::origin;

/// Merges with origins that depend on the documents only, so that swapping the sides swaps nothing else.
fn merged(rule: &str, base: &Value, current: &Value, proposed: &Value) -> Result<Merged, String> {
    let rules = Rules::parse([("/x", rule)], None).unwrap();
    let documents = [base, current, proposed].map(|value| json!({ "x": value }));
    let of = |value: &Value| origin(i64::try_from(value.to_string().len()).unwrap() % 3, "anna");
    let (one, other) = (of(current), of(proposed));
    let merging = Merging {
        base: &documents[0],
        current: Side { document: &documents[1], origin: &one },
        proposed: Side { document: &documents[2], origin: &other },
        named: &[],
    };
    merge(&rules, merging).map_err(|error| format!("{error:?}"))
}

fn value(rule: &str, base: &Value, current: &Value, proposed: &Value) -> Result<Value, String> {
    merged(rule, base, current, proposed).map(|merged| merged.document["x"].clone())
}

/// A list as the set of its elements' texts; anything else as it is.
fn as_set(value: Result<Value, String>) -> Result<Result<BTreeSet<String>, Value>, String> {
    value.map(|value| match value {
        Value::Array(items) => Ok(items.iter().map(ToString::to_string).collect()),
        other => Err(other),
    })
}

fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-5_i64..5).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-5.0..5.0_f64).prop_map(Value::from),
        (-5_i32..5).prop_map(|whole| Value::from(f64::from(whole))),
    ]
}

fn sets() -> impl Strategy<Value = Value> {
    prop::collection::vec(prop_oneof![(0_i64..6).prop_map(Value::from), "[ab]{1,2}".prop_map(Value::from)], 0..6)
        .prop_map(Value::Array)
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_i64..4).prop_map(Value::from),
        "[ab ]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const RULES: [&str; 7] = ["last writer", "max", "min", "sum of deltas", "set union", "three-way", "ask a person"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_is_commutative(base in anything(), one in anything(), other in anything()) {
        for rule in RULES {
            let (this, that) = (value(rule, &base, &one, &other), value(rule, &base, &other, &one));
            match (this, that) {
                (Ok(this), Ok(that)) => prop_assert_eq!(as_set(Ok(this)), as_set(Ok(that)), "{}", rule),
                (this, that) => prop_assert_eq!(this.is_err(), that.is_err(), "{}", rule),
            }
        }
    }

    #[test]
    fn max_and_min_are_associative_and_idempotent(base in numbers(), a in numbers(), b in numbers(), c in numbers()) {
        for rule in ["max", "min"] {
            // A number that is the base's is no change, and says nothing.
            prop_assume!(base != a && base != b && base != c);
            let left = value(rule, &base, &value(rule, &base, &a, &b).unwrap(), &c).unwrap();
            let right = value(rule, &base, &a, &value(rule, &base, &b, &c).unwrap()).unwrap();
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(value(rule, &base, &left, &a).unwrap(), left);
        }
    }

    #[test]
    fn sums_are_associative(base in -1_000_i64..1_000, a in -1_000_i64..1_000, b in -1_000_i64..1_000, c in -1_000_i64..1_000) {
        let [base, a, b, c] = [base, a, b, c].map(Value::from);
        let sum = |one: &Value, other: &Value| value("sum of deltas", &base, one, other).unwrap();
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        let (base, a, b) = (base.as_i64().unwrap(), a.as_i64().unwrap(), b.as_i64().unwrap());
        prop_assert_eq!(sum(&a.into(), &b.into()), Value::from(base + (a - base) + (b - base)));
    }

    #[test]
    fn unions_are_associative_and_idempotent(base in sets(), a in sets(), b in sets(), c in sets()) {
        let union = |one: &Value, other: &Value| value("set union", &base, one, other).unwrap();
        let left = union(&union(&a, &b), &c);
        prop_assert_eq!(as_set(Ok(left.clone())), as_set(Ok(union(&a, &union(&b, &c)))));
        prop_assert_eq!(as_set(Ok(union(&left, &a))), as_set(Ok(left)));
    }

    #[test]
    fn what_is_given_stands_or_is_lost_or_is_asked_about(base in anything(), one in anything(), other in anything()) {
        for rule in ["last writer", "max", "min"] {
            let Ok(merged) = merged(rule, &base, &one, &other) else { continue };
            let stands = &merged.document["x"];
            let told: Vec<&Value> = merged.losers.iter().filter_map(|loser| loser.value()).chain([stands]).collect();
            for given in [&one, &other] {
                prop_assert!(*given == base || told.contains(&given), "{}: {} from {} and {}", rule, stands, one, other);
            }
            for loser in &merged.losers {
                let taken = match loser.taken { Taken::Current => &one, Taken::Proposed => &other };
                prop_assert_eq!(taken, stands);
            }
        }
    }

    #[test]
    fn a_side_that_changed_nothing_changes_nothing(base in anything(), other in anything()) {
        for rule in RULES {
            prop_assert_eq!(value(rule, &base, &base, &other), Ok(other.clone()), "{}", rule);
            prop_assert_eq!(value(rule, &base, &other, &base), Ok(other.clone()), "{}", rule);
        }
    }
}

//! One field by one rule.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Number, Value};

use crate::merge::{Three, one_sided};
use crate::record::{ConflictCause, Origin, Taken};
use crate::rules::Rule;
use crate::three_way;

/// What a rule says.
pub(crate) enum Decision {
    /// This value, with nothing lost.
    Value(Option<Value>),
    /// One side's value; the other side's is lost.
    Taken(Taken),
    /// The rule cannot decide.
    Conflict(ConflictCause),
}

/// Decides one field.
pub(crate) fn decide(rule: &Rule, three: Three<'_>, current: &Origin, proposed: &Origin) -> Decision {
    match rule {
        Rule::Owner(owner) => owned(three, proposed.by.as_ref() == Some(owner)),
        // Two changes to the same value are two changes.
        Rule::SumOfDeltas if three.current != three.base && three.proposed != three.base => sum(three),
        _ => match one_sided(three) {
            Some(value) => Decision::Value(value.cloned()),
            None => quarrel(rule, three, current, proposed),
        },
    }
}

/// Only the owner's change stands, also where nobody else changed the field.
fn owned(three: Three<'_>, by_the_owner: bool) -> Decision {
    if three.proposed == three.base || three.proposed == three.current {
        Decision::Value(three.current.cloned())
    } else if !by_the_owner {
        Decision::Taken(Taken::Current)
    } else if three.current == three.base {
        Decision::Value(three.proposed.cloned())
    } else {
        Decision::Taken(Taken::Proposed)
    }
}

/// Both sides changed the field, to different values.
fn quarrel(rule: &Rule, three: Three<'_>, current: &Origin, proposed: &Origin) -> Decision {
    match rule {
        Rule::LastWriter => Decision::Taken(later(three, current, proposed)),
        Rule::Max => greatest(three, Ordering::Greater),
        Rule::Min => greatest(three, Ordering::Less),
        Rule::SetUnion => union(three),
        Rule::ThreeWay => three_way(three),
        // The others are decided before; a field of theirs that comes here is a person's.
        Rule::AskAPerson | Rule::Owner(_) | Rule::SumOfDeltas => Decision::Conflict(ConflictCause::BothChanged),
    }
}

/// Everything that is compared is known to both who may merge: all of them come to the same answer.
fn later(three: Three<'_>, current: &Origin, proposed: &Origin) -> Taken {
    let text = |value: Option<&Value>| value.map(ToString::to_string);
    let order = (proposed.at, &proposed.by)
        .cmp(&(current.at, &current.by))
        .then_with(|| text(three.proposed).cmp(&text(three.current)));
    if order == Ordering::Less { Taken::Current } else { Taken::Proposed }
}

/// The one that compares as `wanted` to the other; a value beats none.
fn greatest(three: Three<'_>, wanted: Ordering) -> Decision {
    let there = |value: Option<&'_ Value>| value.filter(|value| !value.is_null()).cloned();
    match (there(three.current), there(three.proposed)) {
        (Some(current), Some(proposed)) => match compared(&proposed, &current) {
            Some(order) if order == wanted => Decision::Taken(Taken::Proposed),
            Some(_) => Decision::Taken(Taken::Current),
            None => Decision::Conflict(ConflictCause::TypeClash),
        },
        (None, Some(_)) => Decision::Taken(Taken::Proposed),
        // A removal and a null: they differ, and neither is a value; null says more.
        (None, None) if three.current.is_none() => Decision::Taken(Taken::Proposed),
        (Some(_) | None, None) => Decision::Taken(Taken::Current),
    }
}

/// How two values of one type compare; `None` for values of two types, lists and objects.
fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        // 1 and 1.0 are equal and not the same: their texts keep the answer independent of the sides.
        (Value::Number(one), Value::Number(other)) => {
            Some(numbers(one, other).then_with(|| one.to_string().cmp(&other.to_string())))
        }
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// Exact also where a whole number has more digits than a float.
fn numbers(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(one), None) => whole_and_float(one, float(other)),
        (None, Some(other)) => whole_and_float(other, float(one)).reverse(),
        (None, None) => float(one).total_cmp(&float(other)),
    }
}

fn whole_and_float(whole: i128, float: f64) -> Ordering {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "beyond 128 bits it saturates, which compares right with 64 bits"
    )]
    let truncated = float.trunc() as i128;
    whole.cmp(&truncated).then_with(|| 0.0_f64.total_cmp(&(float.fract() + 0.0)))
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

/// The base and both deltas.
fn sum(three: Three<'_>) -> Decision {
    let base = three.base.map_or(Some(0), |base| base.as_i64().map(i128::from));
    let of = |value: Option<&Value>| value.and_then(Value::as_i64).map(i128::from);
    let (Some(base), Some(current), Some(proposed)) = (base, of(three.current), of(three.proposed)) else {
        return Decision::Conflict(ConflictCause::TypeClash);
    };
    match i64::try_from(current + proposed - base) {
        Ok(sum) => Decision::Value(Some(sum.into())),
        Err(_) => Decision::Conflict(ConflictCause::Overflow),
    }
}

/// In the base's order, then what was added, in the order of its text.
fn union(three: Three<'_>) -> Decision {
    const NOTHING: &[Value] = &[];
    let list = |value: Option<&'_ Value>| match value {
        None | Some(Value::Null) => Some(NOTHING.to_vec()),
        Some(Value::Array(items)) => Some(items.clone()),
        Some(_) => None,
    };
    let (Some(base), Some(current), Some(proposed)) = (list(three.base), list(three.current), list(three.proposed))
    else {
        return Decision::Conflict(ConflictCause::TypeClash);
    };
    let texts = |items: &[Value]| items.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    let (of_base, of_current, of_proposed) = (texts(&base), texts(&current), texts(&proposed));
    let mut seen = BTreeSet::new();
    let kept = base.into_iter().filter(|item| {
        let text = item.to_string();
        of_current.contains(&text) && of_proposed.contains(&text) && seen.insert(text)
    });
    let added: BTreeMap<String, Value> = current
        .into_iter()
        .chain(proposed)
        .map(|item| (item.to_string(), item))
        .filter(|(text, _)| !of_base.contains(text))
        .collect();
    Decision::Value(Some(Value::Array(kept.chain(added.into_values()).collect())))
}

/// Texts and lists piece by piece.
fn three_way(three: Three<'_>) -> Decision {
    let merged = match (three.base, three.current, three.proposed) {
        (Some(Value::String(base)), Some(Value::String(current)), Some(Value::String(proposed))) => {
            three_way::texts(base, current, proposed).map(Value::String)
        }
        (Some(Value::Array(base)), Some(Value::Array(current)), Some(Value::Array(proposed))) => {
            three_way::pieces(base, current, proposed).map(Value::Array)
        }
        (_, Some(current), Some(proposed)) if std::mem::discriminant(current) != std::mem::discriminant(proposed) => {
            Err(ConflictCause::TypeClash)
        }
        _ => Err(ConflictCause::BothChanged),
    };
    match merged {
        Ok(value) => Decision::Value(Some(value)),
        Err(cause) => Decision::Conflict(cause),
    }
}

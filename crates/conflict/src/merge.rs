//! The merge of two changes from one base.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::decide::{Decision, decide};
use crate::path::FieldPath;
use crate::record::{Conflict, ConflictCause, Loser, Origin, Taken};
use crate::rules::{Place, Rule, Rules};

/// The most values (members and elements, of the three documents together) that a merge looks at.
pub const MAX_VALUES: usize = 100_000;
/// How deep documents may nest.
pub const MAX_DEPTH: usize = FieldPath::MAX_DEPTH;

/// One of the two documents that are merged.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The document.
    pub document: &'a Value,
    /// Who wrote it, and when.
    pub origin: &'a Origin,
}

/// What is merged.
#[derive(Debug, Clone, Copy)]
pub struct Merging<'a> {
    /// The document that both were made from.
    pub base: &'a Value,
    /// What is there.
    pub current: Side<'a>,
    /// What is to be.
    pub proposed: Side<'a>,
    /// The fields that the writer of `proposed` named, whether that changed them or not: one that stands otherwise
    /// afterwards is a loser, even where its value is the base's. Empty where only the document is known.
    pub named: &'a [FieldPath],
}

/// The merged document, and what was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The one document.
    pub document: Value,
    /// Every value that was given and does not stand, in the order of their fields.
    pub losers: Vec<Loser>,
}

/// Why nothing was merged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MergeError {
    /// A person must decide these fields.
    #[error("{} fields are for a person to decide", .0.len())]
    Conflicts(Vec<Conflict>),
    /// Both changed these fields, and no rule is declared for them.
    #[error("no rule is declared for {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    NoRule(Vec<FieldPath>),
    /// The documents have more than [`MAX_VALUES`] values, or nest deeper than [`MAX_DEPTH`].
    #[error("the documents are too large to be merged")]
    TooLarge,
}

/// Merges `proposed` into `current`, both made from `base`. Pure: the same input gives the same answer.
///
/// A field that only one side changed is that side's, but for [`Rule::Owner`]. At most one loser or conflict per field.
///
/// # Errors
/// [`MergeError`]; nothing is merged then, not even the fields that could be.
pub fn merge(rules: &Rules, merging: Merging<'_>) -> Result<Merged, MergeError> {
    let mut room = MAX_VALUES;
    for document in [merging.base, merging.current.document, merging.proposed.document] {
        room = within(document, room, MAX_DEPTH).ok_or(MergeError::TooLarge)?;
    }
    let mut walk = Walk { rules, merging, losers: Vec::new(), conflicts: Vec::new(), unruled: Vec::new() };
    let three = Three {
        base: Some(merging.base),
        current: Some(merging.current.document),
        proposed: Some(merging.proposed.document),
    };
    let document = walk.field(&FieldPath::ROOT, three).unwrap_or(Value::Null);
    if !walk.unruled.is_empty() {
        return Err(MergeError::NoRule(walk.unruled));
    }
    if !walk.conflicts.is_empty() {
        return Err(MergeError::Conflicts(walk.conflicts));
    }
    let mut losers = walk.losers;
    losers.extend(named_in_vain(rules, merging, &document, &losers));
    losers.sort_by(|one, other| one.field.cmp(&other.field));
    Ok(Merged { document, losers })
}

/// The room that is left after `value`; `None` where there is not enough.
fn within(value: &Value, room: usize, depth: usize) -> Option<usize> {
    let room = room.checked_sub(1)?;
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => None,
        Value::Array(items) => items.iter().try_fold(room, |room, item| within(item, room, depth - 1)),
        Value::Object(members) => members.values().try_fold(room, |room, member| within(member, room, depth - 1)),
        _ => Some(room),
    }
}

/// Fields that were named with the base's value, and stand otherwise.
fn named_in_vain(rules: &Rules, merging: Merging<'_>, merged: &Value, losers: &[Loser]) -> Vec<Loser> {
    let is_told = |field: &FieldPath| losers.iter().any(|loser| loser.field.overlaps(field));
    let in_vain = merging.named.iter().filter(|field| {
        let proposed = field.in_document(merging.proposed.document);
        proposed == field.in_document(merging.base) && proposed != field.in_document(merged) && !is_told(field)
    });
    let loser = |field: &FieldPath| Loser {
        field: field.clone(),
        rule: match rules.at(field) {
            Place::Ruled(rule) | Place::Free(Some(rule)) => rule.clone(),
            Place::Above | Place::Free(None) => Rule::ThreeWay,
        },
        base: field.in_document(merging.base).cloned(),
        current: field.in_document(merging.current.document).cloned(),
        proposed: field.in_document(merging.proposed.document).cloned(),
        taken: Taken::Current,
        current_origin: merging.current.origin.clone(),
        proposed_origin: merging.proposed.origin.clone(),
    };
    let fields: BTreeSet<&FieldPath> = in_vain.collect();
    fields.into_iter().map(loser).collect()
}

/// A field in the three documents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Three<'a> {
    pub(crate) base: Option<&'a Value>,
    pub(crate) current: Option<&'a Value>,
    pub(crate) proposed: Option<&'a Value>,
}

struct Walk<'a> {
    rules: &'a Rules,
    merging: Merging<'a>,
    losers: Vec<Loser>,
    conflicts: Vec<Conflict>,
    unruled: Vec<FieldPath>,
}

impl<'a> Three<'a> {
    /// The three as objects, absent ones empty; `None` where one is something else, or all are absent.
    fn objects(self) -> Option<[Option<&'a Map<String, Value>>; 3]> {
        let three = [self.base, self.current, self.proposed];
        let fits = three.iter().flatten().all(|value| value.is_object()) && three.iter().any(Option::is_some);
        fits.then(|| three.map(|value| value.and_then(Value::as_object)))
    }
}

impl<'a> Walk<'a> {
    /// The merged value of a field; `None` where it is not there afterwards.
    fn field(&mut self, path: &FieldPath, three: Three<'a>) -> Option<Value> {
        let rules = self.rules;
        match rules.at(path) {
            Place::Ruled(Rule::ThreeWay) => self.three_way(path, three),
            Place::Ruled(rule) => self.decided(path, rule, three),
            Place::Free(Some(Rule::ThreeWay)) => self.three_way(path, three),
            Place::Free(rule) => match (three.objects(), rule) {
                (Some(objects), _) => self.members(path, three, objects, Self::field),
                (None, Some(rule)) => self.decided(path, rule, three),
                (None, None) => self.without_a_rule(path, three),
            },
            Place::Above => match three.objects() {
                Some(objects) => self.members(path, three, objects, Self::field),
                // Where rules lie below there is an object, or something is wrong: no rule is meant for the whole.
                None => self.whole(path, three),
            },
        }
    }

    /// Both changes, member by member as far as there are members.
    fn three_way(&mut self, path: &FieldPath, three: Three<'a>) -> Option<Value> {
        match three.objects() {
            Some(objects) => self.members(path, three, objects, Self::three_way),
            None => self.decided(path, &Rule::ThreeWay, three),
        }
    }

    fn members(
        &mut self,
        path: &FieldPath,
        three: Three<'a>,
        [base, current, proposed]: [Option<&'a Map<String, Value>>; 3],
        merge: fn(&mut Self, &FieldPath, Three<'a>) -> Option<Value>,
    ) -> Option<Value> {
        let names: BTreeSet<&String> = [base, current, proposed].into_iter().flatten().flat_map(Map::keys).collect();
        let mut merged = Map::new();
        for name in names {
            let of = |side: Option<&'a Map<String, Value>>| side.and_then(|members| members.get(name));
            let member = Three { base: of(base), current: of(current), proposed: of(proposed) };
            if let Some(value) = merge(self, &path.below(name), member) {
                merged.insert(name.clone(), value);
            }
        }
        // An object without members is there where the side that decided about it left it there.
        let changed_by_proposed = three.proposed.is_some() != three.base.is_some();
        let there = if changed_by_proposed { three.proposed } else { three.current }.is_some();
        (there || !merged.is_empty()).then_some(Value::Object(merged))
    }

    fn decided(&mut self, path: &FieldPath, rule: &Rule, three: Three<'a>) -> Option<Value> {
        let merging = self.merging;
        match decide(rule, three, merging.current.origin, merging.proposed.origin) {
            Decision::Value(value) => value,
            Decision::Taken(taken) => {
                let value = match taken {
                    Taken::Current => three.current,
                    Taken::Proposed => three.proposed,
                };
                self.losers.push(Loser {
                    field: path.clone(),
                    rule: rule.clone(),
                    base: three.base.cloned(),
                    current: three.current.cloned(),
                    proposed: three.proposed.cloned(),
                    taken,
                    current_origin: merging.current.origin.clone(),
                    proposed_origin: merging.proposed.origin.clone(),
                });
                value.cloned()
            }
            Decision::Conflict(cause) => self.conflict(path, rule, cause, three),
        }
    }

    /// Without a rule for it: what one side changed, else a conflict of types.
    fn whole(&mut self, path: &FieldPath, three: Three<'a>) -> Option<Value> {
        match one_sided(three) {
            Some(value) => value.cloned(),
            None => self.conflict(path, &Rule::ThreeWay, ConflictCause::TypeClash, three),
        }
    }

    fn without_a_rule(&mut self, path: &FieldPath, three: Three<'a>) -> Option<Value> {
        match one_sided(three) {
            Some(value) => value.cloned(),
            None => {
                self.unruled.push(path.clone());
                None
            }
        }
    }

    fn conflict(&mut self, path: &FieldPath, rule: &Rule, cause: ConflictCause, three: Three<'a>) -> Option<Value> {
        self.conflicts.push(Conflict {
            field: path.clone(),
            rule: rule.clone(),
            cause,
            base: three.base.cloned(),
            current: three.current.cloned(),
            proposed: three.proposed.cloned(),
            current_origin: self.merging.current.origin.clone(),
            proposed_origin: self.merging.proposed.origin.clone(),
        });
        three.current.cloned()
    }
}

/// The value where at most one side changed it, or both to the same; `None` where they quarrel.
pub(crate) fn one_sided(three: Three<'_>) -> Option<Option<&Value>> {
    if three.proposed == three.base || three.proposed == three.current {
        Some(three.current)
    } else if three.current == three.base {
        Some(three.proposed)
    } else {
        None
    }
}

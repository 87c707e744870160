//! The rules of a schema, and whether they make sense together.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::path::FieldPath;

/// How a field is merged that both sides changed differently.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The field belongs to the writer of this name: nobody else's change of it stands.
    Owner(Arc<str>),
    /// The later change stands; of two at the same moment the one whose writer, then whose value, sorts higher.
    LastWriter,
    /// The greater of two numbers, texts or flags. A value beats a removal.
    Max,
    /// The smaller of two numbers, texts or flags. A value beats a removal.
    Min,
    /// Both changes of a whole number count; where the base has none it is 0.
    SumOfDeltas,
    /// What either side added to a list, and without what either removed; the order means nothing.
    SetUnion,
    /// Both changes where they do not meet: members of objects, words of texts, elements of lists.
    ThreeWay,
    /// Always a conflict.
    AskAPerson,
}

/// A text that names no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such rule: owner(NAME), last writer, max, min, sum of deltas, set union, three-way or ask a person")]
pub struct UnknownRule;

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(name) => write!(f, "owner({name})"),
            Self::LastWriter => f.write_str("last writer"),
            Self::Max => f.write_str("max"),
            Self::Min => f.write_str("min"),
            Self::SumOfDeltas => f.write_str("sum of deltas"),
            Self::SetUnion => f.write_str("set union"),
            Self::ThreeWay => f.write_str("three-way"),
            Self::AskAPerson => f.write_str("ask a person"),
        }
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let plain = [
            Self::LastWriter,
            Self::Max,
            Self::Min,
            Self::SumOfDeltas,
            Self::SetUnion,
            Self::ThreeWay,
            Self::AskAPerson,
        ];
        if let Some(rule) = plain.into_iter().find(|rule| rule.to_string() == text) {
            return Ok(rule);
        }
        let owner = text.strip_prefix("owner(").and_then(|rest| rest.strip_suffix(')'));
        owner.filter(|name| !name.is_empty()).map(|name| Self::Owner(name.into())).ok_or(UnknownRule)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The rules of one kind of document, checked when they are declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    declared: Vec<Declared>,
    otherwise: Option<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    path: FieldPath,
    rule: Rule,
}

/// Rules that make no sense together: everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rules for merging are not right: {}", .0.join("; "))]
pub struct RulesError(pub Vec<String>);

/// Which rule a place has.
pub(crate) enum Place<'a> {
    /// The value here is decided by this rule.
    Ruled(&'a Rule),
    /// Rules lie below: an object, merged member by member.
    Above,
    /// No rule lies here or below; objects are merged member by member, anything else by this rule, if there is one.
    Free(Option<&'a Rule>),
}

impl Rules {
    /// The most rules that are declared.
    pub const MAX: usize = 1_000;

    /// The rules by path, as they stand in a configuration: `("/profile/counter", "sum of deltas")`. A name `*` stands for
    /// every name that is not declared beside it. `otherwise` is the rule of every field that none is declared for; without
    /// it such a field, changed by both, is an error of the merge.
    ///
    /// # Errors
    /// Everything that is wrong: paths and rules that are none, a path declared twice, a path inside another one's, two
    /// paths with `*` of which neither is the more special.
    pub fn parse<'a>(
        declared: impl IntoIterator<Item = (&'a str, &'a str)>,
        otherwise: Option<Rule>,
    ) -> Result<Self, RulesError> {
        let mut problems = Vec::new();
        let mut parsed = Vec::new();
        for (path, rule) in declared {
            match (path.parse::<FieldPath>(), rule.parse::<Rule>()) {
                (Ok(path), Ok(rule)) => parsed.push(Declared { path, rule }),
                (path_read, rule_read) => {
                    problems.extend(path_read.err().map(|error| format!("{path:?}: {error}")));
                    problems.extend(rule_read.err().map(|error| format!("{path}: {rule:?} is {error}")));
                }
            }
        }
        if parsed.len() > Self::MAX {
            problems.push(format!("more than {} rules", Self::MAX));
        } else {
            problems.extend(quarrels(&parsed));
        }
        if problems.is_empty() { Ok(Self { declared: parsed, otherwise }) } else { Err(RulesError(problems)) }
    }

    /// Whether every declared path can be a field of documents with these fields (`/profile/*` for free names).
    ///
    /// # Errors
    /// The paths that name no field: a misspelt rule would never be followed.
    pub fn check_fields(&self, known: &[&str]) -> Result<(), RulesError> {
        let known: Vec<FieldPath> = known.iter().filter_map(|path| path.parse().ok()).collect();
        let names_a_field = |path: &FieldPath| {
            known.iter().any(|known| {
                known.names().len() >= path.names().len()
                    && path
                        .names()
                        .iter()
                        .zip(known.names())
                        .all(|(name, known)| name == known || known == ANY || name == ANY)
            })
        };
        let unknown: Vec<String> = self
            .declared
            .iter()
            .filter(|declared| !names_a_field(&declared.path))
            .map(|declared| format!("{}: there is no such field", declared.path))
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(RulesError(unknown)) }
    }

    /// The rule of a place.
    pub(crate) fn at(&self, path: &FieldPath) -> Place<'_> {
        let fitting = self.declared.iter().filter(|declared| fits(&declared.path, path));
        let best = fitting.clone().filter(|declared| declared.path.names().len() == path.names().len());
        let best = best.max_by_key(|declared| declared.path.names().iter().map(|name| name != ANY).collect::<Vec<_>>());
        if let Some(declared) = best {
            return Place::Ruled(&declared.rule);
        }
        let mut deeper = fitting;
        if deeper.next().is_some() { Place::Above } else { Place::Free(self.otherwise.as_ref()) }
    }
}

/// Stands for every name in a declared path.
const ANY: &str = "*";

/// Whether the declared path, or the beginning of it, is this path.
fn fits(declared: &FieldPath, path: &FieldPath) -> bool {
    declared.names().len() >= path.names().len()
        && declared.names().iter().zip(path.names()).all(|(declared, name)| declared == ANY || declared == name)
}

/// What two declared paths have against each other.
fn quarrels(declared: &[Declared]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, one) in declared.iter().enumerate() {
        for other in &declared[index + 1..] {
            let (one, other) = (&one.path, &other.path);
            let meet = one.names().iter().zip(other.names()).all(|(a, b)| a == b || a == ANY || b == ANY);
            let covers =
                |a: &FieldPath, b: &FieldPath| a.names().iter().zip(b.names()).all(|(a, b)| a == ANY || a == b);
            if one == other {
                problems.push(format!("{one}: declared twice"));
            } else if meet && one.names().len() != other.names().len() {
                problems.push(format!("{one} and {other}: one lies inside the other"));
            } else if meet && !covers(one, other) && !covers(other, one) {
                problems.push(format!("{one} and {other}: neither is the more special"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(declared: &[(&str, &str)]) -> usize {
        Rules::parse(declared.iter().copied(), None).map_or_else(|error| error.0.len(), |_| 0)
    }

    #[test]
    fn a_rule_is_its_text_and_back() {
        for text in
            ["owner(pricing)", "last writer", "max", "min", "sum of deltas", "set union", "three-way", "ask a person"]
        {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for text in ["", "newest", "owner", "owner()", "Max"] {
            assert_eq!(text.parse::<Rule>(), Err(UnknownRule), "{text}");
        }
    }

    #[test]
    fn declared_rules_are_checked_all_at_once() {
        assert_eq!(problems(&[("/a", "max"), ("/b/c", "min"), ("/b/*", "last writer")]), 0);
        assert_eq!(problems(&[("a", "newest"), ("/b", "most")]), 3);
        assert_eq!(problems(&[("/a", "max"), ("/a", "min")]), 1);
        assert_eq!(problems(&[("/a", "max"), ("/a/b", "min")]), 1);
        assert_eq!(problems(&[("/*", "max"), ("/a/b", "min")]), 1);
        assert_eq!(problems(&[("/a/*", "max"), ("/*/b", "min")]), 1);
    }

    #[test]
    fn a_rule_for_a_field_that_is_not_there_is_refused() {
        let rules = Rules::parse([("/profile/*", "last writer"), ("/emial", "ask a person")], None).unwrap();
        let refused = rules.check_fields(&["/email", "/profile/*"]).unwrap_err();
        assert_eq!(refused.0, ["/emial: there is no such field"]);
        let rules = Rules::parse([("/profile/counter", "max")], None).unwrap();
        assert_eq!(rules.check_fields(&["/profile/*"]), Ok(()));
    }

    #[test]
    fn the_more_special_path_has_the_rule() {
        let rules = Rules::parse([("/p/*", "last writer"), ("/p/n", "max")], Some(Rule::ThreeWay)).unwrap();
        let rule = |path: &str| match rules.at(&path.parse().unwrap()) {
            Place::Ruled(rule) => rule.to_string(),
            Place::Above => "above".to_owned(),
            Place::Free(rule) => format!("free, {}", rule.unwrap()),
        };
        assert_eq!(
            ["/p/n", "/p/m", "/p", "/q", ""].map(rule),
            ["max", "last writer", "above", "free, three-way", "above"]
        );
    }
}

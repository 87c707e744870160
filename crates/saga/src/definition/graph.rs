//! The rules of a definition's graph, its canonical form and its drawing.

use std::fmt::Write as _;

use super::{Draft, MAX_STEPS, Step, StepKind};

/// Which rule a definition breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// A name is not kebab-case of at most 64 bytes, or the version is 0.
    #[error("`{name}` is not a kebab-case name of at most 64 bytes with a version from 1")]
    Name {
        /// The name.
        name: String,
    },
    /// No steps, or more than [`MAX_STEPS`].
    #[error("a saga has 1 to {MAX_STEPS} steps, not {count}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// Two steps have the same name.
    #[error("two steps are named `{step}`")]
    Twice {
        /// The name.
        step: String,
    },
    /// An edge or a limit names a step that there is not.
    #[error("there is no step `{step}`")]
    UnknownStep {
        /// The name.
        step: String,
    },
    /// More than one pivot.
    #[error("`{first}` and `{second}` are both pivots")]
    TwoPivots {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// Steps wait for each other.
    #[error("step `{step}` waits for itself")]
    Cycle {
        /// One of them.
        step: String,
    },
    /// A compensatable step that the pivot does not wait for: it could be undone after the point of no return.
    #[error("compensatable step `{step}` must be done before `{pivot}`")]
    NotJoined {
        /// The step.
        step: String,
        /// The pivot, or without one a retriable step.
        pivot: String,
    },
    /// A retriable step that does not wait for the pivot: it could not be undone.
    #[error("retriable step `{step}` must wait for pivot `{pivot}`")]
    TooEarly {
        /// The step.
        step: String,
        /// The pivot.
        pivot: String,
    },
    /// A limit of zero.
    #[error("step `{step}` needs at least one attempt and some time for it")]
    Limits {
        /// The step.
        step: String,
    },
}

pub(super) fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    !name.is_empty() && name.len() <= 64 && letters
}

pub(super) fn check(drafts: Vec<Draft>) -> Result<Vec<Step>, DefinitionError> {
    if drafts.is_empty() || drafts.len() > MAX_STEPS {
        return Err(DefinitionError::Count { count: drafts.len() });
    }
    check_names(&drafts)?;
    let mut steps = connect(drafts)?;
    let ancestors = ancestors(&steps)?;
    check_kinds(&steps, &ancestors)?;
    for index in 0..steps.len() {
        for before in steps[index].after.clone() {
            steps[before].before.push(index);
        }
    }
    Ok(steps)
}

fn check_names(drafts: &[Draft]) -> Result<(), DefinitionError> {
    let mut pivot: Option<&str> = None;
    for (index, draft) in drafts.iter().enumerate() {
        let step = draft.name.clone();
        if !is_name(&step) {
            return Err(DefinitionError::Name { name: step });
        }
        if drafts[..index].iter().any(|other| other.name == step) {
            return Err(DefinitionError::Twice { step });
        }
        if draft.limits.attempts == 0 || draft.limits.attempt.is_zero() {
            return Err(DefinitionError::Limits { step });
        }
        if draft.kind == StepKind::Pivot {
            if let Some(first) = pivot {
                return Err(DefinitionError::TwoPivots { first: first.to_owned(), second: step });
            }
            pivot = Some(&draft.name);
        }
    }
    Ok(())
}

/// Turns names into indices and fills in the edges that were not declared.
fn connect(drafts: Vec<Draft>) -> Result<Vec<Step>, DefinitionError> {
    let names: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let mut steps: Vec<Step> = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.into_iter().enumerate() {
        let after = match draft.after {
            Some(declared) => {
                let mut after = Vec::with_capacity(declared.len());
                for name in declared {
                    let found = names.iter().position(|known| *known == name);
                    after.push(found.ok_or(DefinitionError::UnknownStep { step: name })?);
                }
                after.sort_unstable();
                after.dedup();
                after
            }
            None if draft.kind == StepKind::Pivot => {
                (0..index).filter(|earlier| !steps.iter().any(|step| step.after.contains(earlier))).collect()
            }
            None => index.checked_sub(1).into_iter().collect(),
        };
        steps.push(Step {
            name: draft.name.into(),
            kind: draft.kind,
            work: draft.work,
            after,
            before: Vec::new(),
            limits: draft.limits,
        });
    }
    Ok(steps)
}

/// For every step the set of all steps before it, as bits.
fn ancestors(steps: &[Step]) -> Result<Vec<u64>, DefinitionError> {
    let mut sets = vec![0u64; steps.len()];
    // A path without a cycle has fewer edges than there are steps, so this many rounds reach everything.
    for _ in 0..steps.len() {
        for (index, step) in steps.iter().enumerate() {
            sets[index] = step.after.iter().fold(sets[index], |set, &before| set | sets[before] | (1 << before));
        }
    }
    match sets.iter().enumerate().find(|(index, set)| *set & (1 << index) != 0) {
        Some((index, _)) => Err(DefinitionError::Cycle { step: steps[index].name.to_string() }),
        None => Ok(sets),
    }
}

fn check_kinds(steps: &[Step], ancestors: &[u64]) -> Result<(), DefinitionError> {
    let pivot = steps.iter().position(|step| step.kind == StepKind::Pivot);
    let name = |index: usize| steps[index].name.to_string();
    let of_kind = |kind: StepKind| (0..steps.len()).filter(move |&index| steps[index].kind == kind);
    if let Some(pivot) = pivot {
        if let Some(step) = of_kind(StepKind::Retriable).find(|&step| ancestors[step] & (1 << pivot) == 0) {
            return Err(DefinitionError::TooEarly { step: name(step), pivot: name(pivot) });
        }
        if let Some(step) = of_kind(StepKind::Compensatable).find(|&step| ancestors[pivot] & (1 << step) == 0) {
            return Err(DefinitionError::NotJoined { step: name(step), pivot: name(pivot) });
        }
        return Ok(());
    }
    for retriable in of_kind(StepKind::Retriable) {
        if let Some(step) = of_kind(StepKind::Compensatable).find(|&step| ancestors[retriable] & (1 << step) == 0) {
            return Err(DefinitionError::NotJoined { step: name(step), pivot: name(retriable) });
        }
    }
    Ok(())
}

fn kind_name(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Compensatable => "compensatable",
        StepKind::Pivot => "pivot",
        StepKind::Retriable => "retriable",
    }
}

/// The canonical JSON: fields and steps in alphabetical order, no spaces. Names are kebab-case, so nothing needs escaping.
/// Written by hand, because the order of a JSON map's fields depends on features that other crates may switch on.
pub(super) fn canonical(name: &str, version: u32, steps: &[Step]) -> String {
    let mut sorted: Vec<&Step> = steps.iter().collect();
    sorted.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    let mut json = format!("{{\"name\":\"{name}\",\"steps\":[");
    for (number, step) in sorted.into_iter().enumerate() {
        let mut after: Vec<&str> = step.after.iter().map(|&index| &*steps[index].name).collect();
        after.sort_unstable();
        let after = after.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
        let comma = if number == 0 { "" } else { "," };
        let (kind, local, name) = (kind_name(step.kind), step.is_local(), &step.name);
        let _ =
            write!(json, "{comma}{{\"after\":[{after}],\"kind\":\"{kind}\",\"local\":{local},\"name\":\"{name}\"}}");
    }
    let _ = write!(json, "],\"version\":{version}}}");
    json
}

/// The canonical JSON broken into lines, with the hash in front.
pub(super) fn readable(canonical: &str, hash: &str) -> String {
    let body = canonical.replace("{\"after\"", "\n    {\"after\"").replace("],\"version\":", "\n  ],\n  \"version\": ");
    let body = body.replacen("{\"name\":", "\"name\": ", 1).replacen(",\"steps\":", ",\n  \"steps\": ", 1);
    let body = body.strip_suffix('}').unwrap_or(&body);
    format!("{{\n  \"hash\": \"{hash}\",\n  {body}\n}}\n")
}

pub(super) fn drawing(steps: &[Step]) -> String {
    let mut text = String::from("flowchart LR\n");
    for (index, step) in steps.iter().enumerate() {
        let (open, close) = match step.kind {
            StepKind::Compensatable => ("[", "]"),
            StepKind::Pivot => ("{{", "}}"),
            StepKind::Retriable => ("(", ")"),
        };
        let _ = writeln!(text, "    s{index}{open}{}{close}", step.name);
    }
    for (index, step) in steps.iter().enumerate() {
        for before in &step.after {
            let _ = writeln!(text, "    s{before} --> s{index}");
        }
    }
    text
}

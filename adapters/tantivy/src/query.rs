//! Words and filters to tantivy's queries.
//!
//! Scores are sums of constants: whole numbers that floats hold exactly. They depend on the document and the words alone,
//! so that a place in a list of hits stays where it is while other documents change. Whoever has all words as they were
//! typed comes before whoever has not.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery, Query, RangeQuery,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use crate::request::{Filter, SearchRequest};
use crate::schema::{Built, FieldKind};
use crate::typos::{Similar, allowed_edits};
use crate::wanted::{Part, Wanted};

/// What it counts to have every word as it was typed: more than 32 words of the greatest weight.
const ALL_AS_TYPED: f32 = 65_536.0;
/// What it counts to have all words next to each other in the first text field.
const AS_PHRASE: f32 = 128.0;
/// A match with one edit counts a quarter, with two an eighth, a synonym half.
const EDITED: [f32; 2] = [0.25, 0.125];
const SYNONYM: f32 = 0.5;

/// The query for a request: scored by its words, and not by its filters.
pub(crate) fn of(built: &Built, request: &SearchRequest) -> tantivy::Result<Box<dyn Query>> {
    let mut parts: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    match &request.words {
        Some(wanted) => words(built, wanted, &mut parts)?,
        None => parts.push((Occur::Must, constant(Box::new(AllQuery), 0.0))),
    }
    for filter in &request.filters {
        parts.push((Occur::Must, constant(condition(built, filter), 0.0)));
    }
    Ok(Box::new(BooleanQuery::new(parts)))
}

fn words(built: &Built, wanted: &Wanted, parts: &mut Vec<(Occur, Box<dyn Query>)>) -> tantivy::Result<()> {
    if wanted.is_empty() {
        parts.push((Occur::Must, Box::new(EmptyQuery)));
        return Ok(());
    }
    let fields: Vec<(Field, f32)> = built.texts().map(|(field, weight)| (field, f32::from(weight))).collect();
    for part in wanted.parts() {
        parts.push((Occur::Must, somewhere(&fields, part)?));
    }
    let as_typed = wanted.parts().iter().map(|part| as_typed(&fields, part)).collect();
    parts.push((Occur::Should, constant(Box::new(BooleanQuery::intersection(as_typed)), ALL_AS_TYPED)));
    let all: Vec<&String> = wanted.parts().iter().flat_map(|part| &part.typed).collect();
    if let (Some((field, _)), 2..) = (fields.first(), all.len()) {
        let all: Vec<String> = all.into_iter().cloned().collect();
        parts.push((Occur::Should, constant(phrase(*field, &all), AS_PHRASE)));
    }
    Ok(())
}

/// A part of what is wanted, where it counts most.
fn somewhere(fields: &[(Field, f32)], part: &Part) -> tantivy::Result<Box<dyn Query>> {
    let mut ways: Vec<Box<dyn Query>> = Vec::new();
    let typed = part.typed.iter().map(|word| with_typos(fields, word)).collect::<tantivy::Result<Vec<_>>>()?;
    if !typed.is_empty() {
        ways.push(Box::new(BooleanQuery::intersection(typed)));
    }
    for other in &part.others {
        ways.extend(fields.iter().map(|(field, weight)| constant(phrase(*field, other), weight * SYNONYM)));
    }
    Ok(Box::new(DisjunctionMaxQuery::new(ways)))
}

fn with_typos(fields: &[(Field, f32)], word: &str) -> tantivy::Result<Box<dyn Query>> {
    let mut ways: Vec<Box<dyn Query>> =
        fields.iter().map(|(field, weight)| constant(term(*field, word), *weight)).collect();
    for (edits, share) in (1..=allowed_edits(word)).zip(EDITED) {
        let similar = Similar::of(word, edits)?;
        ways.extend(fields.iter().map(|(field, weight)| constant(Box::new(similar.within(*field)), weight * share)));
    }
    Ok(Box::new(DisjunctionMaxQuery::new(ways)))
}

/// A part without typos; of what stands right of an arrow, any.
fn as_typed(fields: &[(Field, f32)], part: &Part) -> Box<dyn Query> {
    let in_any = |query: &dyn Fn(Field) -> Box<dyn Query>| -> Box<dyn Query> {
        Box::new(BooleanQuery::union(fields.iter().map(|(field, _)| query(*field)).collect()))
    };
    if part.typed.is_empty() {
        return Box::new(BooleanQuery::union(
            part.others.iter().map(|other| in_any(&|field| phrase(field, other))).collect(),
        ));
    }
    Box::new(BooleanQuery::intersection(part.typed.iter().map(|word| in_any(&|field| term(field, word))).collect()))
}

fn constant(query: Box<dyn Query>, score: f32) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, score))
}

fn term(field: Field, word: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::Basic))
}

fn phrase(field: Field, words: &[String]) -> Box<dyn Query> {
    match words {
        [] => Box::new(EmptyQuery),
        [word] => term(field, word),
        words => Box::new(PhraseQuery::new(words.iter().map(|word| Term::from_field_text(field, word)).collect())),
    }
}

/// A filter; one that names no field of its kind finds nothing.
fn condition(built: &Built, filter: &Filter) -> Box<dyn Query> {
    match filter {
        Filter::Is(name, value) => match built.field(name) {
            Some((FieldKind::Token | FieldKind::Keyword, field)) => term(field, value),
            _ => Box::new(EmptyQuery),
        },
        Filter::Begins(name, prefix) => match built.field(name) {
            Some((FieldKind::Token, field)) => {
                let end = format!("{prefix}{}", char::MAX);
                Box::new(RangeQuery::new(
                    Bound::Included(Term::from_field_text(field, prefix)),
                    Bound::Excluded(Term::from_field_text(field, &end)),
                ))
            }
            _ => Box::new(EmptyQuery),
        },
        Filter::Flag(name, value) => match built.field(name) {
            Some((FieldKind::Flag, field)) => {
                Box::new(TermQuery::new(Term::from_field_bool(field, *value), IndexRecordOption::Basic))
            }
            _ => Box::new(EmptyQuery),
        },
        Filter::Between(name, min, max) => match built.field(name) {
            Some((FieldKind::Integer, field)) => {
                let bound = |end: &Option<i64>| match end {
                    Some(end) => Bound::Included(Term::from_field_i64(field, *end)),
                    None => Bound::Unbounded,
                };
                match (min, max) {
                    (None, None) => Box::new(AllQuery),
                    (Some(min), Some(max)) if min > max => Box::new(EmptyQuery),
                    _ => Box::new(RangeQuery::new(bound(min), bound(max))),
                }
            }
            _ => Box::new(EmptyQuery),
        },
    }
}

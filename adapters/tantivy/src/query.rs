//! Words and filters to tantivy's queries.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Query, RangeQuery, TermQuery,
};
use tantivy::schema::IndexRecordOption;
use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer};

use crate::request::{Filter, SearchRequest};
use crate::schema::{Built, FieldKind};

/// The most words of a search.
const MAX_WORDS: usize = 32;
/// The longest word, in bytes; longer ones are neither indexed nor searched for.
const MAX_WORD_BYTES: usize = 40;

/// The analyzer of texts and of searches.
pub(crate) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(MAX_WORD_BYTES))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// The query for a request: scored by its words, and not by its filters.
pub(crate) fn of(built: &Built, request: &SearchRequest) -> Box<dyn Query> {
    let mut parts: Vec<Box<dyn Query>> = Vec::new();
    match &request.words {
        Some(text) => parts.push(words(built, text)),
        None => parts.push(Box::new(AllQuery)),
    }
    for filter in &request.filters {
        parts.push(Box::new(ConstScoreQuery::new(condition(built, filter), 0.0)));
    }
    Box::new(BooleanQuery::intersection(parts))
}

/// Each word in some text field, where it counts most.
pub(crate) fn words(built: &Built, text: &str) -> Box<dyn Query> {
    let mut words = Vec::new();
    let mut analyzer = analyzer();
    let mut tokens = analyzer.token_stream(text);
    while words.len() < MAX_WORDS && tokens.advance() {
        let word = tokens.token().text.clone();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() {
        return Box::new(EmptyQuery);
    }
    let somewhere = words.iter().map(|word| -> Box<dyn Query> {
        let fields = built.texts().map(|(field, weight)| -> Box<dyn Query> {
            let term = TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs);
            Box::new(BoostQuery::new(Box::new(term), weight))
        });
        Box::new(DisjunctionMaxQuery::new(fields.collect()))
    });
    Box::new(BooleanQuery::intersection(somewhere.collect()))
}

/// A filter; one that names no field of its kind finds nothing.
fn condition(built: &Built, filter: &Filter) -> Box<dyn Query> {
    let exact = |term| -> Box<dyn Query> { Box::new(TermQuery::new(term, IndexRecordOption::Basic)) };
    match filter {
        Filter::Is(name, value) => match built.field(name) {
            Some((FieldKind::Keyword, field)) => exact(Term::from_field_text(field, value)),
            _ => Box::new(EmptyQuery),
        },
        Filter::Flag(name, value) => match built.field(name) {
            Some((FieldKind::Flag, field)) => exact(Term::from_field_bool(field, *value)),
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

//! What is searched for, and what is found.

use std::collections::BTreeMap;

/// A search. All of its parts must hold for a document to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRequest {
    /// Words, of which each must be found in some text field; `None` finds every document. There is no syntax: operators
    /// and signs of other search languages are words or nothing. Words beyond the 32nd are left out.
    pub words: Option<String>,
    /// What else must hold.
    pub filters: Vec<Filter>,
    /// In which order.
    pub sort: Sort,
    /// How many to leave out from the beginning.
    pub offset: usize,
    /// How many to give, at least 1. `offset + limit` is at most [`SearchRequest::MAX_DEPTH`].
    pub limit: usize,
    /// Keyword fields whose values are to be counted over all that is found, each with the most values to name.
    pub facets: Vec<(&'static str, u32)>,
}

impl SearchRequest {
    /// How deep an answer may reach.
    pub const MAX_DEPTH: usize = 10_000;

    /// Everything, in no particular order, up to `limit`.
    pub const fn all(limit: usize) -> Self {
        Self { words: None, filters: Vec::new(), sort: Sort::Relevance, offset: 0, limit, facets: Vec::new() }
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// A keyword field has this value.
    Is(&'static str, String),
    /// A flag field has this value.
    Flag(&'static str, bool),
    /// An integer field is in this range; both ends belong to it.
    Between(&'static str, Option<i64>, Option<i64>),
}

/// An order. Among equals the order is that of indexing, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Best matches first.
    Relevance,
    /// By an integer field.
    Integer(&'static str, Direction),
    /// By a keyword field, in the order of its bytes.
    Keyword(&'static str, Direction),
}

/// Up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Up,
    /// Largest first.
    Down,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The keys, in order.
    pub keys: Vec<String>,
    /// Whether there is more after them.
    pub more: bool,
    /// By field: the most frequent values.
    pub facets: BTreeMap<&'static str, Vec<FacetCount>>,
}

/// How many documents have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetCount {
    /// The value.
    pub value: String,
    /// How many of the documents found have it.
    pub count: u64,
}

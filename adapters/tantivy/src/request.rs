//! What is searched for, and what is found.

use serde::{Deserialize, Serialize};

use crate::wanted::Wanted;

/// A search. All of its parts must hold for a document to be found.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// Words, of which each must be found in some text field; `None` finds every document.
    pub words: Option<Wanted>,
    /// What else must hold.
    pub filters: Vec<Filter>,
    /// In which order, at most [`SearchRequest::MAX_SORTS`]; among equals by key.
    pub sort: Vec<Sort>,
    /// Only what comes after this in that order.
    pub after: Option<Place>,
    /// How many to give, 1 to [`SearchRequest::MAX_LIMIT`].
    pub limit: usize,
    /// What is to be counted over everything that is found, whatever `after` says.
    pub facets: Vec<Facet>,
}

impl SearchRequest {
    /// The most documents of one answer.
    pub const MAX_LIMIT: usize = 10_000;
    /// The most parts of an order.
    pub const MAX_SORTS: usize = 2;

    /// Everything, in the order of keys, up to `limit`.
    pub fn all(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// A token or keyword field has this value.
    Is(&'static str, String),
    /// A token field has a value that begins so.
    Begins(&'static str, String),
    /// A flag field has this value.
    Flag(&'static str, bool),
    /// An integer field is in this range; both ends belong to it.
    Between(&'static str, Option<i64>, Option<i64>),
}

/// A part of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Best matches first. How well a document matches depends on it and on the words alone, never on other documents.
    Relevance,
    /// By an integer field.
    Integer(&'static str, Direction),
    /// By a keyword field, in the order of its bytes; documents without a value first where it goes up.
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

/// Where a document stands in an order: a place between documents, which stays where it is when others come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// By part of the order.
    pub values: Vec<SortValue>,
    /// The document's key.
    pub key: String,
}

/// What a document has in a part of an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortValue {
    /// How well it matches.
    Score(u32),
    /// A number.
    Integer(i64),
    /// A text, if it has one.
    Text(Option<String>),
}

/// What is to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facet {
    /// The values of a keyword field.
    Values {
        /// The field.
        field: &'static str,
        /// Only values that begin so; what follows is the value.
        prefix: String,
        /// The most values to name: those with the highest counts, then in their order.
        most: usize,
    },
    /// How many documents an integer field puts into each range; an end that is missing is open, both belong to it.
    Ranges {
        /// The field.
        field: &'static str,
        /// The ranges.
        ranges: Vec<(Option<i64>, Option<i64>)>,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Where the documents stand, in order; their keys are in there.
    pub places: Vec<Place>,
    /// Whether there is more after them.
    pub more: bool,
    /// How many documents there are in all, whatever `after` says; `None` where nothing is counted.
    pub total: Option<u64>,
    /// By facet, as asked: values with counts. Ranges are named by their index.
    pub facets: Vec<Vec<FacetCount>>,
}

impl Found {
    /// The keys of the documents, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| place.key.as_str())
    }
}

/// How many documents have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetCount {
    /// The value.
    pub value: String,
    /// How many of the documents found have it.
    pub count: u64,
}

//! Searching products: what is asked for, in which order, what is counted; [`fields`] says what is indexed.
//!
//! Everything that is asked for must hold. A word may have typos (none up to 2 characters, one up to 5, two above), or be
//! met by a synonym; products that have all words as they were typed come first. Prices are those after discount, in minor
//! units, whatever the currency.

use std::collections::BTreeMap;

use madrigal_tantivy::{Direction, Facet, FacetCount, Filter, Place, SearchRequest, Sort, SortValue, Synonyms, Wanted};

use crate::projections::ProductRow;

pub mod fields;
pub mod synonym_file;

pub use synonym_file::{ReloadError, SynonymFile};

/// How many values of a facet are named.
pub const FACET_VALUES: usize = 20;

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductSearch {
    /// Words; all of them must be found in name, brand, categories, tags or description.
    pub words: Option<String>,
    /// Each is a category's id, name, or path; a path finds what is below it too.
    pub categories: Vec<String>,
    /// A brand.
    pub brand: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// A status.
    pub status: Option<&'static str>,
    /// Names and values of attributes, with or without the unit (`500` or `500 g`).
    pub attributes: Vec<(String, String)>,
    /// The lowest price.
    pub min_price: Option<i64>,
    /// The highest price.
    pub max_price: Option<i64>,
    /// Only what is available, or only what is not.
    pub in_stock: Option<bool>,
    /// In which order.
    pub sort: ProductSort,
    /// What is counted.
    pub facets: Vec<ProductFacet>,
    /// Where to go on.
    pub after: Option<Place>,
    /// How many to give.
    pub limit: usize,
}

/// What is counted over everything that is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductFacet {
    /// Names of categories.
    Category,
    /// Brands.
    Brand,
    /// Tags.
    Tag,
    /// Statuses.
    Status,
    /// Values of the attribute of this name, with their units.
    Attribute(String),
    /// Prices between these bounds, which rise: up to the first, from there on to the next, …, from the last on.
    Price(Vec<i64>),
}

/// An order of hits. Among equals it is that of the products' ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProductSort {
    /// Best matches first, then short names. How well a product matches depends on it and the words alone.
    #[default]
    Relevance,
    /// Cheapest first.
    PriceUp,
    /// Dearest first.
    PriceDown,
    /// By name, without case and accents.
    NameUp,
    /// By name, backwards.
    NameDown,
    /// Latest in the catalogue first.
    Newest,
    /// Best rated first, then most rated.
    Rating,
}

impl ProductSort {
    /// Whether a place is one in this order.
    pub fn has(self, place: &Place) -> bool {
        let parts = order(self);
        let fits = |(sort, value): (&Sort, &SortValue)| {
            matches!(
                (sort, value),
                (Sort::Relevance, SortValue::Score(_))
                    | (Sort::Integer(..), SortValue::Integer(_))
                    | (Sort::Keyword(..), SortValue::Text(_))
            )
        };
        parts.len() == place.values.len() && parts.iter().zip(&place.values).all(fits)
    }
}

/// A product that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductHit {
    /// Its id.
    pub product_id: String,
    /// Its row.
    pub row: ProductRow,
    /// By field: the part where the words are, as HTML.
    pub highlight: BTreeMap<&'static str, String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchAnswer {
    /// The hits, in order.
    pub hits: Vec<ProductHit>,
    /// Where the next page begins, if there is more.
    pub next: Option<Place>,
    /// How many there are in all, where something was counted.
    pub total: Option<u64>,
    /// By facet as asked.
    pub facets: Vec<(ProductFacet, Vec<FacetCount>)>,
}

/// A completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// A name, as it is most often written.
    pub text: String,
    /// How many products have it.
    pub products: u64,
}

impl ProductSearch {
    /// The words with their synonyms; `None` where everything is asked for.
    pub(crate) fn wanted(&self, synonyms: &Synonyms) -> Option<Wanted> {
        self.words.as_deref().map(|words| Wanted::of(words, synonyms))
    }

    /// The same for the index.
    pub(crate) fn request(&self, words: Option<Wanted>) -> SearchRequest {
        SearchRequest {
            words,
            filters: self.filters(),
            sort: order(self.sort),
            after: self.after.clone(),
            limit: self.limit,
            facets: self.facets.iter().map(counted).collect(),
        }
    }

    fn filters(&self) -> Vec<Filter> {
        let mut filters = Vec::new();
        filters.extend(self.categories.iter().map(|category| Filter::Is("categoryKey", category.clone())));
        filters.extend(self.brand.iter().map(|brand| Filter::Is("brand", brand.clone())));
        filters.extend(self.tags.iter().map(|tag| Filter::Is("tag", tag.clone())));
        filters.extend(self.status.map(|status| Filter::Is("status", status.to_owned())));
        let attributes = self.attributes.iter();
        filters.extend(attributes.map(|(name, value)| Filter::Is("attribute", fields::attribute_token(name, value))));
        if self.min_price.is_some() || self.max_price.is_some() {
            filters.push(Filter::Between("price", self.min_price, self.max_price));
        }
        filters.extend(self.in_stock.map(|wanted| Filter::Flag("inStock", wanted)));
        filters
    }
}

fn order(sort: ProductSort) -> Vec<Sort> {
    match sort {
        ProductSort::Relevance => vec![Sort::Relevance, Sort::Integer("nameWords", Direction::Up)],
        ProductSort::PriceUp => vec![Sort::Integer("price", Direction::Up)],
        ProductSort::PriceDown => vec![Sort::Integer("price", Direction::Down)],
        ProductSort::NameUp => vec![Sort::Keyword("nameOrder", Direction::Up)],
        ProductSort::NameDown => vec![Sort::Keyword("nameOrder", Direction::Down)],
        ProductSort::Newest => vec![Sort::Integer("createdAt", Direction::Down)],
        ProductSort::Rating => vec![Sort::Integer("rating", Direction::Down)],
    }
}

fn counted(facet: &ProductFacet) -> Facet {
    let values = |field| Facet::Values { field, prefix: String::new(), most: FACET_VALUES };
    match facet {
        ProductFacet::Category => values("category"),
        ProductFacet::Brand => values("brand"),
        ProductFacet::Tag => values("tag"),
        ProductFacet::Status => values("status"),
        ProductFacet::Attribute(name) => {
            Facet::Values { field: "attributeValue", prefix: fields::attribute_prefix(name), most: FACET_VALUES }
        }
        ProductFacet::Price(bounds) => Facet::Ranges { field: "price", ranges: price_ranges(bounds) },
    }
}

/// The ranges between rising bounds; each begins at a bound and ends before the next.
pub fn price_ranges(bounds: &[i64]) -> Vec<(Option<i64>, Option<i64>)> {
    let starts = std::iter::once(None).chain(bounds.iter().copied().map(Some));
    let ends = bounds.iter().map(|next| Some(next - 1)).chain(std::iter::once(None));
    starts.zip(ends).collect()
}

/// The search for products whose name completes what was typed; the names are counted.
pub(crate) fn completion_request(prefix: String, most: usize) -> SearchRequest {
    SearchRequest {
        filters: vec![Filter::Begins("completion", prefix)],
        facets: vec![Facet::Values { field: "nameKeyword", prefix: String::new(), most }],
        ..SearchRequest::all(1)
    }
}

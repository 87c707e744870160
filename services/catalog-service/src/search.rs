//! The search index of products: its fields, what is searched for, what is found.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use madrigal_core::{Fault, Position, tasks};
use madrigal_projection::Checkpoint;
use madrigal_tantivy::index::Change;
use madrigal_tantivy::request::Direction;
use madrigal_tantivy::{Document, FacetCount, FieldKind, Filter, Found, IndexSchema, SearchIndex, SearchRequest, Sort};
use tokio::sync::watch;

use crate::projections::ProductRow;

/// How many values of a facet are named.
const FACET_VALUES: u32 = 20;

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductSearch {
    /// Words; all of them must be found in name, brand, category, tags or description.
    pub words: Option<String>,
    /// A category's id, name or path.
    pub category: Option<String>,
    /// A brand.
    pub brand: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// The lowest price, before discount.
    pub min_price: Option<i64>,
    /// The highest price, before discount.
    pub max_price: Option<i64>,
    /// Only what is available, or only what is not.
    pub in_stock: Option<bool>,
    /// In which order.
    pub sort: ProductSort,
    /// How many to leave out from the beginning.
    pub offset: usize,
    /// How many to give.
    pub limit: usize,
}

/// An order of hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProductSort {
    /// Best matches first.
    #[default]
    Relevance,
    /// Cheapest first.
    PriceUp,
    /// Dearest first.
    PriceDown,
    /// By name.
    NameUp,
    /// By name, backwards.
    NameDown,
    /// Latest in the catalogue first.
    Newest,
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
    /// Whether there is more.
    pub more: bool,
    /// By field: the most frequent values among all that was found.
    pub facets: BTreeMap<&'static str, Vec<FacetCount>>,
}

/// The index, and how far it reflects the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProductIndex {
    index: SearchIndex,
    reflects: watch::Sender<Position>,
}

impl ProductIndex {
    /// Opens the index in this directory.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be used.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(dir: &Path) -> Result<Self, Fault> {
        let index = SearchIndex::open(dir, &schema()).await?;
        let position = index.checkpoint()?.map_or(Position::START, |checkpoint| checkpoint.position);
        Ok(Self { index, reflects: watch::Sender::new(position) })
    }

    /// The position of the log up to which everything is searchable.
    pub fn reflects(&self) -> Position {
        *self.reflects.borrow()
    }

    /// Waits until everything up to `position` is searchable, at most `limit`; whether it is.
    pub async fn wait_beyond(&self, position: Position, limit: Duration) -> bool {
        let mut reflects = self.reflects.subscribe();
        let reached = reflects.wait_for(|reached| *reached >= position);
        matches!(tasks::within(limit, reached).await, Some(Ok(_)))
    }

    pub(crate) async fn search(&self, search: ProductSearch) -> Result<Found, Fault> {
        self.index.search(request(search)).await
    }

    pub(crate) fn highlight(
        &self,
        words: Option<&str>,
        row: &ProductRow,
    ) -> Result<BTreeMap<&'static str, String>, Fault> {
        let Some(words) = words else { return Ok(BTreeMap::new()) };
        let highlighter = self.index.highlighter(words, &["name", "description"])?;
        let details = &row.product.details;
        let texts = [("name", &details.name), ("description", &details.description)];
        Ok(texts.into_iter().filter_map(|(field, text)| Some((field, highlighter.highlight(field, text)?))).collect())
    }

    pub(crate) fn checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        self.index.checkpoint()
    }

    pub(crate) async fn clear(&self) -> Result<(), Fault> {
        self.index.clear().await?;
        self.reflects.send_replace(Position::START);
        Ok(())
    }

    /// Commits changes and tells those who wait.
    pub(crate) async fn commit(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), Fault> {
        self.index.commit(changes, checkpoint).await?;
        self.reached(checkpoint.position);
        Ok(())
    }

    /// Everything up to here is searchable: nothing in it changed the index.
    pub(crate) fn reached(&self, position: Position) {
        self.reflects.send_replace(position);
    }
}

fn schema() -> IndexSchema {
    IndexSchema::new([
        ("name", FieldKind::Text { weight: 4.0 }),
        ("brandWords", FieldKind::Text { weight: 2.0 }),
        ("categoryWords", FieldKind::Text { weight: 1.5 }),
        ("tagWords", FieldKind::Text { weight: 1.5 }),
        ("description", FieldKind::Text { weight: 1.0 }),
        ("category", FieldKind::Keyword),
        ("categoryKey", FieldKind::Keyword),
        ("brand", FieldKind::Keyword),
        ("tag", FieldKind::Keyword),
        ("nameOrder", FieldKind::Keyword),
        ("price", FieldKind::Integer),
        ("createdAt", FieldKind::Integer),
        ("inStock", FieldKind::Flag),
    ])
}

/// The change that brings the index in step with a row: a document, or none for what is not in the catalogue.
pub(crate) fn change(product_id: String, row: Option<&ProductRow>) -> Change {
    let Some(row) = row.filter(|row| !row.product.withdrawn) else { return Change::Delete(product_id) };
    let details = &row.product.details;
    let mut document = Document::new(product_id)
        .with("name", details.name.as_str())
        .with("nameOrder", details.name.to_lowercase().as_str())
        .with("description", details.description.as_str())
        .with("price", row.product.price.amount)
        .with("createdAt", row.created_at.as_micros())
        .with("inStock", in_stock(row));
    if let Some(brand) = &details.brand {
        document = document.with("brand", brand.as_str()).with("brandWords", brand.as_str());
    }
    for category in &details.category {
        document = document.with("category", category.name.as_str()).with("categoryWords", category.path.as_str());
        let mut keys = vec![category.id.as_str(), category.name.as_str(), category.path.as_str()];
        keys.dedup();
        for key in keys {
            document = document.with("categoryKey", key);
        }
    }
    for tag in &details.tags {
        document = document.with("tag", tag.as_str()).with("tagWords", tag.as_str());
    }
    Change::Upsert(document)
}

/// Whether some of it can be ordered.
pub(crate) fn in_stock(row: &ProductRow) -> bool {
    row.stock.available() > 0
}

fn request(search: ProductSearch) -> SearchRequest {
    let mut filters = Vec::new();
    for (field, value) in [("categoryKey", search.category), ("brand", search.brand), ("tag", search.tag)] {
        filters.extend(value.map(|value| Filter::Is(field, value)));
    }
    if search.min_price.is_some() || search.max_price.is_some() {
        filters.push(Filter::Between("price", search.min_price, search.max_price));
    }
    filters.extend(search.in_stock.map(|wanted| Filter::Flag("inStock", wanted)));
    SearchRequest {
        words: search.words,
        filters,
        sort: match search.sort {
            ProductSort::Relevance => Sort::Relevance,
            ProductSort::PriceUp => Sort::Integer("price", Direction::Up),
            ProductSort::PriceDown => Sort::Integer("price", Direction::Down),
            ProductSort::NameUp => Sort::Keyword("nameOrder", Direction::Up),
            ProductSort::NameDown => Sort::Keyword("nameOrder", Direction::Down),
            ProductSort::Newest => Sort::Integer("createdAt", Direction::Down),
        },
        offset: search.offset,
        limit: search.limit,
        facets: vec![("category", FACET_VALUES), ("brand", FACET_VALUES)],
    }
}

//! The index: one writer, many readers, and the checkpoint that is committed with the documents.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use madrigal_core::{Fault, tasks};
use madrigal_projection::Checkpoint;
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::agg_result::{AggregationResult, BucketResult};
use tantivy::aggregation::{AggContextParams, AggregationCollector, Key};
use tantivy::collector::TopDocs;
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::Query;
use tantivy::schema::Value as _;
use tantivy::snippet::SnippetGenerator;
use tantivy::{
    DocAddress, Index, IndexReader, IndexWriter, Order, ReloadPolicy, Searcher, TantivyDocument, TantivyError, Term,
};

use crate::highlight::{Highlighter, Snippets};
use crate::request::{Direction, FacetCount, Found, SearchRequest, Sort};
use crate::schema::{ANALYZER, Built, Document, FieldKind, IndexSchema};
use crate::{fault, query};

/// Bytes that may gather in memory before a segment is written: tantivy's least, for a small footprint.
const WRITER_BYTES: usize = 16_000_000;

/// A search index in its own directory. Cheap to clone.
///
/// One process writes: a second one is refused when it opens. Changes become durable and visible with
/// [`SearchIndex::commit`], together with the position of the log that they reflect.
#[derive(Clone)]
pub struct SearchIndex {
    parts: Arc<Parts>,
}

struct Parts {
    built: Built,
    index: Index,
    reader: IndexReader,
    writer: Mutex<IndexWriter>,
}

/// A change of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Put this document in place of the one with its key, if there is one.
    Upsert(Document),
    /// Remove the document with this key, if there is one.
    Delete(String),
}

impl SearchIndex {
    /// Opens the index in `dir`, making it where there is none, or one that is damaged or of another schema.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be used, or another process writes there.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(dir: impl Into<PathBuf>, schema: &IndexSchema) -> Result<Self, Fault> {
        let (dir, built) = (dir.into(), Built::of(schema));
        let opened = tasks::blocking(move || open(&dir, built)).await.map_err(|error| fault::cut("open", error))?;
        let parts = opened.map_err(|error| fault::of("open", error))?;
        Ok(Self { parts: Arc::new(parts) })
    }

    /// The position of the log that the committed documents reflect; `None` for a new index.
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        let metas = self.parts.index.load_metas().map_err(|error| fault::of("read-checkpoint", error))?;
        Ok(metas.payload.as_deref().and_then(|text| serde_json::from_str(text).ok()))
    }

    /// Applies changes in order and commits them with the checkpoint: durable, visible to the next search, all or nothing.
    ///
    /// # Errors
    /// A [`Fault`]: nothing was changed, unless it says that this is not known. Read the checkpoint and go on from there.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect, always as a whole.
    pub async fn commit(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), Fault> {
        let parts = Arc::clone(&self.parts);
        let committed = tasks::blocking(move || parts.commit(changes, checkpoint)).await;
        committed.map_err(|error| fault::cut("commit", error))?.map_err(|error| fault::of("commit", error))
    }

    /// Removes everything, the checkpoint included: for an index of another history of the log.
    ///
    /// # Errors
    /// A [`Fault`].
    ///
    /// # Cancellation
    /// As [`SearchIndex::commit`].
    pub async fn clear(&self) -> Result<(), Fault> {
        let parts = Arc::clone(&self.parts);
        let cleared = tasks::blocking(move || parts.clear()).await;
        cleared.map_err(|error| fault::cut("clear", error))?.map_err(|error| fault::of("clear", error))
    }

    /// Searches what is committed.
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read; never for what is searched for.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn search(&self, request: SearchRequest) -> Result<Found, Fault> {
        let parts = Arc::clone(&self.parts);
        let found = tasks::blocking(move || parts.search(&request)).await;
        found.map_err(|error| fault::cut("search", error))?.map_err(|error| fault::of("search", error))
    }

    /// Marks words in texts of these fields.
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read.
    pub fn highlighter(&self, words: &str, fields: &[&'static str]) -> Result<Highlighter, Fault> {
        let parts = &self.parts;
        let (searcher, query) = (parts.reader.searcher(), query::words(&parts.built, words));
        let texts = fields.iter().filter_map(|name| match parts.built.field(name) {
            Some((FieldKind::Text { .. }, field)) => Some((*name, field)),
            _ => None,
        });
        let generators = texts.map(|(name, field)| {
            SnippetGenerator::create(&searcher, &*query, field).map(|generator| (name, Snippets(generator)))
        });
        let fields = generators.collect::<Result<Vec<_>, _>>().map_err(|error| fault::of("highlight", error))?;
        Ok(Highlighter { fields })
    }

    /// How many documents are committed.
    pub fn documents(&self) -> u64 {
        self.parts.reader.searcher().num_docs()
    }
}

impl std::fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchIndex").field("documents", &self.documents()).finish_non_exhaustive()
    }
}

fn open(dir: &Path, built: Built) -> Result<Parts, TantivyError> {
    std::fs::create_dir_all(dir)?;
    let index = match Index::open_in_dir(dir) {
        Ok(index) if index.schema() == built.schema => index,
        Ok(_) => {
            tracing::info!(dir = %dir.display(), "the search index has another schema; making it anew");
            remake(dir, &built)?
        }
        Err(error) => {
            if dir.join("meta.json").exists() {
                tracing::warn!(dir = %dir.display(), %error, "the search index cannot be read; making it anew");
            }
            remake(dir, &built)?
        }
    };
    index.tokenizers().register(ANALYZER, query::analyzer());
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(WRITER_BYTES)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer = index.writer_with_options(options)?;
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(Parts { built, index, reader, writer: Mutex::new(writer) })
}

fn remake(dir: &Path, built: &Built) -> Result<Index, TantivyError> {
    std::fs::remove_dir_all(dir)?;
    std::fs::create_dir_all(dir)?;
    Index::create_in_dir(dir, built.schema.clone())
}

impl Parts {
    fn commit(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), TantivyError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let committed = self.write(&mut writer, changes, checkpoint);
        if committed.is_err() {
            // What was added and not committed must not become part of the next commit.
            writer.rollback()?;
        }
        committed?;
        drop(writer);
        self.reader.reload()
    }

    fn write(
        &self,
        writer: &mut IndexWriter,
        changes: Vec<Change>,
        checkpoint: Checkpoint,
    ) -> Result<(), TantivyError> {
        for change in changes {
            match change {
                Change::Upsert(document) => {
                    writer.delete_term(Term::from_field_text(self.built.key, &document.key));
                    writer.add_document(self.built.document(&document))?;
                }
                Change::Delete(key) => {
                    writer.delete_term(Term::from_field_text(self.built.key, &key));
                }
            }
        }
        let mut prepared = writer.prepare_commit()?;
        prepared.set_payload(&serde_json::to_string(&checkpoint)?);
        prepared.commit()?;
        Ok(())
    }

    fn clear(&self) -> Result<(), TantivyError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.delete_all_documents()?;
        writer.commit()?;
        drop(writer);
        self.reader.reload()
    }

    fn search(&self, request: &SearchRequest) -> Result<Found, TantivyError> {
        let (searcher, query) = (self.reader.searcher(), query::of(&self.built, request));
        let limit = request.limit.clamp(1, SearchRequest::MAX_DEPTH);
        let mut found = Found::default();
        if request.offset + limit <= SearchRequest::MAX_DEPTH {
            let addresses = self.top(&searcher, &*query, request.sort, request.offset, limit + 1)?;
            found.more = addresses.len() > limit;
            for address in addresses.into_iter().take(limit) {
                let document: TantivyDocument = searcher.doc(address)?;
                if let Some(key) = document.get_first(self.built.key).and_then(|value| value.as_str()) {
                    found.keys.push(key.to_owned());
                }
            }
        }
        for (field, most) in &request.facets {
            found.facets.insert(field, self.facet(&searcher, &*query, field, *most)?);
        }
        Ok(found)
    }

    fn top(
        &self,
        searcher: &Searcher,
        query: &dyn Query,
        sort: Sort,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<DocAddress>, TantivyError> {
        let top = TopDocs::with_limit(limit).and_offset(offset);
        let order = |direction| match direction {
            Direction::Up => Order::Asc,
            Direction::Down => Order::Desc,
        };
        let known = |name, kind| self.built.field(name).is_some_and(|(known, _)| known == kind);
        Ok(match sort {
            Sort::Integer(field, direction) if known(field, FieldKind::Integer) => {
                let found = searcher.search(query, &top.order_by_fast_field::<i64>(field, order(direction)))?;
                found.into_iter().map(|(_, address)| address).collect()
            }
            Sort::Keyword(field, direction) if known(field, FieldKind::Keyword) => {
                let found = searcher.search(query, &top.order_by_string_fast_field(field, order(direction)))?;
                found.into_iter().map(|(_, address)| address).collect()
            }
            Sort::Relevance | Sort::Integer(..) | Sort::Keyword(..) => {
                let found = searcher.search(query, &top.order_by_score())?;
                found.into_iter().map(|(_, address)| address).collect()
            }
        })
    }

    fn facet(
        &self,
        searcher: &Searcher,
        query: &dyn Query,
        field: &str,
        most: u32,
    ) -> Result<Vec<FacetCount>, TantivyError> {
        let request = serde_json::json!({ "facet": { "terms": { "field": field, "size": most } } });
        let request: Aggregations = serde_json::from_value(request)?;
        let collector = AggregationCollector::from_aggs(request, AggContextParams::default());
        let counted = searcher.search(query, &collector)?;
        let Some(AggregationResult::BucketResult(BucketResult::Terms { buckets, .. })) = counted.0.get("facet") else {
            return Ok(Vec::new());
        };
        Ok(buckets
            .iter()
            .filter_map(|bucket| match &bucket.key {
                Key::Str(value) => Some(FacetCount { value: value.clone(), count: bucket.doc_count }),
                _ => None,
            })
            .collect())
    }
}

//! The index: one writer, many readers, and the checkpoint that is committed with the documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use madrigal_core::{Fault, tasks};
use madrigal_projection::Checkpoint;
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::IndexRecordOption;
use tantivy::{
    DocAddress, DocId, DocSet, Index, IndexReader, IndexWriter, InvertedIndexReader, ReloadPolicy, Searcher,
    SegmentReader, TERMINATED, TantivyError, Term, columnar,
};

use crate::facets::Counting;
use crate::page::Page;
use crate::request::{Found, SearchRequest, Sort};
use crate::schema::{ANALYZER, Built, DIGEST, Document, FieldKind, IndexSchema};
use crate::{analysis, fault, query};

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

    /// Opens the index in `dir` if there is one of this schema that can be read; nothing is changed where there is not.
    ///
    /// # Errors
    /// A [`Fault`] where another process writes there.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open_existing(dir: impl Into<PathBuf>, schema: &IndexSchema) -> Result<Option<Self>, Fault> {
        let (dir, built) = (dir.into(), Built::of(schema));
        let opened = tasks::blocking(move || match Index::open_in_dir(&dir) {
            Ok(index) if index.schema() == built.schema => write_to(index, built).map(Some),
            Ok(_) | Err(_) => Ok(None),
        });
        let opened = opened.await.map_err(|error| fault::cut("open", error))?;
        let parts = opened.map_err(|error| fault::of("open", error))?;
        Ok(parts.map(|parts| Self { parts: Arc::new(parts) }))
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
    /// A [`Fault`] if the index cannot be read, or where `after` is a place in another order.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn search(&self, request: SearchRequest) -> Result<Found, Fault> {
        let parts = Arc::clone(&self.parts);
        let found = tasks::blocking(move || parts.search(&parts.reader.searcher(), &request)).await;
        found.map_err(|error| fault::cut("search", error))?.map_err(|error| fault::of("search", error))
    }

    /// What is committed now, held as it is.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { parts: Arc::clone(&self.parts), searcher: self.parts.reader.searcher() }
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
    write_to(index, built)
}

fn write_to(index: Index, built: Built) -> Result<Parts, TantivyError> {
    index.tokenizers().register(ANALYZER, analysis::analyzer());
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(WRITER_BYTES)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer = index.writer_with_options(options)?;
    sweep(&writer)?;
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(Parts { built, index, reader, writer: Mutex::new(writer) })
}

/// Removes files that no commit names: what a process left that died in the middle of one. Deletions are written to files
/// that are named after the commit to be, and the next process, which begins at the same commit, is refused where such a
/// file is there already: every commit of it would fail.
fn sweep(writer: &IndexWriter) -> Result<(), TantivyError> {
    writer.garbage_collect_files().wait().map(drop)
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
            sweep(&writer)?;
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

    fn search(&self, searcher: &Searcher, request: &SearchRequest) -> Result<Found, TantivyError> {
        let query = query::of(&self.built, request)?;
        let limit = request.limit.clamp(1, SearchRequest::MAX_LIMIT);
        let sort = self.known(&request.sort);
        let page = Page { sort, after: request.after.clone(), limit: limit + 1 };
        // One pass for both: what is on the page, and what is counted over everything.
        let counting = (!request.facets.is_empty()).then(|| Counting { facets: request.facets.clone() });
        let (mut places, counted) = searcher.search(&*query, &(page, counting))?;
        let more = places.len() > limit;
        places.truncate(limit);
        let (total, facets) = counted.map(|counted| (counted.total, counted.facets)).unzip();
        Ok(Found { places, more, total, facets: facets.unwrap_or_default() })
    }

    /// The parts of an order that name a field of their kind.
    fn known(&self, sort: &[Sort]) -> Vec<Sort> {
        let is = |name: &str, kind| self.built.field(name).is_some_and(|(known, _)| known == kind);
        let known = sort.iter().copied().filter(|sort| match sort {
            Sort::Relevance => true,
            Sort::Integer(field, _) => is(field, FieldKind::Integer),
            Sort::Keyword(field, _) => is(field, FieldKind::Keyword),
        });
        known.take(SearchRequest::MAX_SORTS).collect()
    }
}

/// An index as it was at one moment.
#[derive(Clone)]
pub struct Snapshot {
    parts: Arc<Parts>,
    searcher: Searcher,
}

impl Snapshot {
    /// The next keys after one, each with its document's digest, in order; at most `limit`, and no more than
    /// [`SearchRequest::MAX_LIMIT`].
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn digests(&self, after: Option<String>, limit: usize) -> Result<Vec<(String, u64)>, Fault> {
        let snapshot = self.clone();
        let read = tasks::blocking(move || snapshot.read_digests(after.as_deref(), limit)).await;
        read.map_err(|error| fault::cut("digests", error))?.map_err(|error| fault::of("digests", error))
    }

    fn read_digests(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, u64)>, TantivyError> {
        let columns = self.searcher.segment_readers().iter().map(|segment| segment.fast_fields().u64(DIGEST));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let digests = self.keys_after(after, limit)?.into_iter().map(|(key, at)| {
            let column = columns.get(at.segment_ord as usize);
            (key, column.and_then(|column| column.first(at.doc_id)).unwrap_or_default())
        });
        Ok(digests.collect())
    }

    /// The next keys after one, each with the (first) number that its document has in an integer field, in order; at most
    /// `limit`, and no more than [`SearchRequest::MAX_LIMIT`].
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read, or has no such field.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn integers(
        &self,
        field: &'static str,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, Option<i64>)>, Fault> {
        let snapshot = self.clone();
        let read = tasks::blocking(move || snapshot.read_integers(field, after.as_deref(), limit)).await;
        read.map_err(|error| fault::cut("integers", error))?.map_err(|error| fault::of("integers", error))
    }

    fn read_integers(
        &self,
        field: &'static str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Option<i64>)>, TantivyError> {
        let columns = self.searcher.segment_readers().iter().map(|segment| segment.fast_fields().i64(field));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let numbers = self.keys_after(after, limit)?.into_iter().map(|(key, at)| {
            let column = columns.get(at.segment_ord as usize);
            (key, column.and_then(|column| column.first(at.doc_id)))
        });
        Ok(numbers.collect())
    }

    /// The next keys after one, with the places of their documents, in order. Each segment has its keys in order: what comes
    /// before or after the page is not looked at.
    fn keys_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, DocAddress)>, TantivyError> {
        let limit = limit.clamp(1, SearchRequest::MAX_LIMIT);
        let mut found = Vec::new();
        for (ordinal, segment) in (0..).zip(self.searcher.segment_readers()) {
            let keyed = segment.inverted_index(self.parts.built.key)?;
            // No key is empty.
            let range = keyed.terms().range().gt(after.unwrap_or_default());
            let (mut keys, mut here) = (range.into_stream()?, 0);
            while here < limit && keys.advance() {
                let documents = keyed.read_postings_from_terminfo(keys.value(), IndexRecordOption::Basic)?;
                for document in alive(segment, documents) {
                    let key = String::from_utf8_lossy(keys.key()).into_owned();
                    found.push((key, DocAddress::new(ordinal, document)));
                    here += 1;
                }
            }
        }
        found.sort_unstable();
        found.truncate(limit);
        Ok(found)
    }

    /// The digest of one document, if it is there.
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn digest(&self, key: &str) -> Result<Option<u64>, Fault> {
        let (snapshot, key) = (self.clone(), key.to_owned());
        let read = tasks::blocking(move || snapshot.read_digest(&key)).await;
        read.map_err(|error| fault::cut("digest", error))?.map_err(|error| fault::of("digest", error))
    }

    /// What one document has in the fields that are kept beside the index, by field; `None` where it is not there.
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn shown(&self, key: &str) -> Result<Option<Shown>, Fault> {
        Ok(self.shown_of(vec![key.to_owned()]).await?.pop().flatten())
    }

    /// The same of many documents, in the order of the keys.
    ///
    /// # Errors
    /// A [`Fault`] if the index cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn shown_of(&self, keys: Vec<String>) -> Result<Vec<Option<Shown>>, Fault> {
        let snapshot = self.clone();
        let read = tasks::blocking(move || snapshot.read_shown(&keys)).await;
        read.map_err(|error| fault::cut("show", error))?.map_err(|error| fault::of("show", error))
    }

    fn read_shown(&self, keys: &[String]) -> Result<Vec<Option<Shown>>, TantivyError> {
        let mut shown = vec![None; keys.len()];
        for segment in self.searcher.segment_readers() {
            let keyed = segment.inverted_index(self.parts.built.key)?;
            let mut columns = None;
            for (key, shown) in keys.iter().zip(&mut shown) {
                let Some(document) = self.document(segment, &keyed, key)? else { continue };
                if columns.is_none() {
                    columns = Some(self.columns(segment)?);
                }
                *shown = columns.as_deref().map(|columns| read_columns(columns, document)).transpose()?;
            }
        }
        Ok(shown)
    }

    /// The columns of a segment. Opening them costs more than reading a row of them.
    fn columns(&self, segment: &SegmentReader) -> Result<Vec<(&'static str, Column)>, TantivyError> {
        let fast = segment.fast_fields();
        let mut columns = Vec::new();
        for (name, kind) in self.parts.built.kinds() {
            let column = match kind {
                FieldKind::Integer => Column::Integer(fast.i64(name)?),
                FieldKind::Flag => Column::Flag(fast.bool(name)?),
                FieldKind::Keyword => Column::Keyword(fast.str(name)?),
                FieldKind::Text { .. } | FieldKind::Token => continue,
            };
            columns.push((name, column));
        }
        Ok(columns)
    }

    fn read_digest(&self, key: &str) -> Result<Option<u64>, TantivyError> {
        for segment in self.searcher.segment_readers() {
            let keyed = segment.inverted_index(self.parts.built.key)?;
            if let Some(document) = self.document(segment, &keyed, key)? {
                return Ok(segment.fast_fields().u64(DIGEST)?.first(document));
            }
        }
        Ok(None)
    }

    /// The document of a key in a segment, whose keys these are. A key has one that is not deleted at most.
    fn document(
        &self,
        segment: &SegmentReader,
        keyed: &InvertedIndexReader,
        key: &str,
    ) -> Result<Option<DocId>, TantivyError> {
        let term = Term::from_field_text(self.parts.built.key, key);
        let documents = keyed.read_postings(&term, IndexRecordOption::Basic)?;
        Ok(documents.and_then(|documents| alive(segment, documents).next()))
    }
}

/// The documents of a term that are not deleted.
fn alive(segment: &SegmentReader, mut documents: impl DocSet) -> impl Iterator<Item = DocId> {
    let all = std::iter::from_fn(move || {
        let document = documents.doc();
        documents.advance();
        (document != TERMINATED).then_some(document)
    });
    all.filter(|document| !segment.is_deleted(*document))
}

/// What a document has in the fields that are kept beside the index, by field.
pub type Shown = BTreeMap<&'static str, Vec<String>>;

/// A field that is kept beside the index, in a segment.
enum Column {
    Integer(columnar::Column<i64>),
    Flag(columnar::Column<bool>),
    Keyword(Option<columnar::StrColumn>),
}

fn read_columns(columns: &[(&'static str, Column)], document: DocId) -> Result<Shown, TantivyError> {
    let mut shown = BTreeMap::new();
    for (name, column) in columns {
        let values = match column {
            Column::Integer(column) => column.values_for_doc(document).map(|number| number.to_string()).collect(),
            Column::Flag(column) => column.values_for_doc(document).map(|flag| flag.to_string()).collect(),
            Column::Keyword(None) => Vec::new(),
            Column::Keyword(Some(column)) => {
                let mut texts = Vec::new();
                for ordinal in column.term_ords(document) {
                    let mut text = String::new();
                    column.ord_to_str(ordinal, &mut text)?;
                    texts.push(text);
                }
                texts
            }
        };
        shown.insert(*name, values);
    }
    Ok(shown)
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("documents", &self.searcher.num_docs()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! tantivy: a search index in a directory, with the position of the log that it reflects.
//!
//! Modules in reading order:
//!
//! * [`schema`]: fields as a caller declares them, and documents;
//! * [`index`]: [`SearchIndex`]: upsert, delete, commit together with a checkpoint, and search;
//! * [`request`]: what is searched for; [`query`](self): words to tantivy's queries; [`highlight`]: where words were found.
//!
//! An index is a copy: one that is damaged, or has another schema than the caller's, is made anew, empty and without a
//! checkpoint, and the caller fills it from its log.

mod fault;
pub mod highlight;
pub mod index;
mod query;
pub mod request;
pub mod schema;

pub use highlight::Highlighter;
pub use index::SearchIndex;
pub use request::{FacetCount, Filter, Found, SearchRequest, Sort};
pub use schema::{Document, FieldKind, FieldValue, IndexSchema};

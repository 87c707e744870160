//! tantivy: a search index in a directory, with the position of the log that it reflects.
//!
//! Modules in reading order:
//!
//! * [`schema`]: fields as a caller declares them, and documents; [`analysis`]: texts to words;
//! * [`index`]: [`SearchIndex`]: upsert, delete, commit together with a checkpoint, and search;
//! * [`generations`]: indexes side by side, of which one serves;
//! * [`request`]: what is searched for, and what is found; [`wanted`]: its words with their [`synonyms`] and [`typos`];
//! * `query`: words and filters to tantivy's queries; `page` and `facets`: what is collected; [`highlight`](mod@highlight):
//!   where words were found.
//!
//! An index is a copy: one that is damaged, or has another schema than the caller's, is made anew, empty and without a
//! checkpoint, and the caller fills it from its log.

pub mod analysis;
mod facets;
mod fault;
pub mod generations;
pub mod highlight;
pub mod index;
mod page;
mod query;
pub mod request;
pub mod schema;
pub mod synonyms;
pub mod typos;
pub mod wanted;

pub use generations::{Generations, Registry};
pub use highlight::highlight;
pub use index::{SearchIndex, Snapshot};
pub use request::{Direction, Facet, FacetCount, Filter, Found, Place, SearchRequest, Sort, SortValue};
pub use schema::{Document, FieldKind, FieldValue, IndexSchema};
pub use synonyms::{BadLine, Synonyms};
pub use wanted::Wanted;

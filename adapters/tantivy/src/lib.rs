//! madrigal-tantivy: being built.

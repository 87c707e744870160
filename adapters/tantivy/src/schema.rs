//! Fields as a caller declares them, and documents.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};
use xxhash_rust::xxh3::Xxh3Default;

/// The name of the analyzer of texts, see [`crate::analysis`].
pub(crate) const ANALYZER: &str = "words";
/// The name of the field of a document's key.
pub(crate) const KEY: &str = "key";
/// The name of the field of a document's digest.
pub(crate) const DIGEST: &str = "digest";

/// What a field is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Words to search for. May repeat; a phrase does not reach from one value into the next.
    Text {
        /// What a match counts: a multiple of 8, at most 1,024.
        weight: u16,
    },
    /// A text as it is: to filter by only. May repeat.
    Token,
    /// A text as it is: to filter by, to count, to sort by. May repeat (sorting takes the first then).
    Keyword,
    /// A whole number: to filter by range, to sort by.
    Integer,
    /// Yes or no: to filter by.
    Flag,
}

/// The fields of an index, each name once. The order matters: another order is another schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSchema {
    fields: Vec<(&'static str, FieldKind)>,
}

/// One value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// Of a text or keyword field.
    Text(String),
    /// Of an integer field.
    Integer(i64),
    /// Of a flag field.
    Flag(bool),
}

impl From<&str> for FieldValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<i64> for FieldValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for FieldValue {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

/// What is indexed under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its identity: a later document of the same key replaces it.
    pub key: String,
    /// Its values; fields that the schema does not have, and values of another kind, are left out.
    pub values: Vec<(&'static str, FieldValue)>,
}

impl Document {
    /// A document without values.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), values: Vec::new() }
    }

    /// With one more value.
    #[must_use]
    pub fn with(mut self, field: &'static str, value: impl Into<FieldValue>) -> Self {
        self.values.push((field, value.into()));
        self
    }

    /// A number that tells documents with other values apart: XXH3 over all values in their order.
    pub fn digest(&self) -> u64 {
        let mut hash = Xxh3Default::new();
        for (name, value) in &self.values {
            hash.update(name.as_bytes());
            match value {
                FieldValue::Text(text) => {
                    hash.update(&[0xFE]);
                    hash.update(&(text.len() as u64).to_le_bytes());
                    hash.update(text.as_bytes());
                }
                FieldValue::Integer(number) => {
                    hash.update(&[0xFD]);
                    hash.update(&number.to_le_bytes());
                }
                FieldValue::Flag(flag) => hash.update(&[0xFC, u8::from(*flag)]),
            }
        }
        hash.digest()
    }
}

impl IndexSchema {
    /// A schema of these fields.
    pub fn new(fields: impl IntoIterator<Item = (&'static str, FieldKind)>) -> Self {
        Self { fields: fields.into_iter().filter(|(name, _)| *name != KEY && *name != DIGEST).collect() }
    }
}

/// A schema as tantivy has it.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) schema: Schema,
    pub(crate) key: Field,
    digest: Field,
    fields: Vec<(&'static str, FieldKind, Field)>,
}

impl Built {
    pub(crate) fn of(declared: &IndexSchema) -> Self {
        let mut builder = Schema::builder();
        let key = builder.add_text_field(KEY, STRING | FAST | STORED);
        let digest = builder.add_u64_field(DIGEST, FAST);
        let words = TextFieldIndexing::default()
            .set_tokenizer(ANALYZER)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let fields = declared.fields.iter().map(|(name, kind)| {
            let field = match kind {
                FieldKind::Text { .. } => {
                    builder.add_text_field(name, TextOptions::default().set_indexing_options(words.clone()))
                }
                FieldKind::Token => builder.add_text_field(name, STRING),
                FieldKind::Keyword => builder.add_text_field(name, STRING | FAST),
                FieldKind::Integer => builder.add_i64_field(name, INDEXED | FAST),
                FieldKind::Flag => builder.add_bool_field(name, INDEXED | FAST),
            };
            (*name, *kind, field)
        });
        let fields = fields.collect();
        Self { schema: builder.build(), key, digest, fields }
    }

    pub(crate) fn field(&self, name: &str) -> Option<(FieldKind, Field)> {
        self.fields.iter().find(|(known, _, _)| *known == name).map(|(_, kind, field)| (*kind, *field))
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&'static str, FieldKind)> {
        self.fields.iter().map(|(name, kind, _)| (*name, *kind))
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = (Field, u16)> {
        self.fields.iter().filter_map(|(_, kind, field)| match kind {
            FieldKind::Text { weight } => Some((*field, *weight)),
            _ => None,
        })
    }

    pub(crate) fn document(&self, document: &Document) -> tantivy::TantivyDocument {
        let mut built = tantivy::TantivyDocument::new();
        built.add_text(self.key, &document.key);
        built.add_u64(self.digest, document.digest());
        for (name, value) in &document.values {
            match (self.field(name), value) {
                (
                    Some((FieldKind::Text { .. } | FieldKind::Token | FieldKind::Keyword, field)),
                    FieldValue::Text(text),
                ) => {
                    built.add_text(field, text);
                }
                (Some((FieldKind::Integer, field)), FieldValue::Integer(number)) => built.add_i64(field, *number),
                (Some((FieldKind::Flag, field)), FieldValue::Flag(flag)) => built.add_bool(field, *flag),
                _ => tracing::debug!(field = name, "a value without a field of its kind is not indexed"),
            }
        }
        built
    }
}

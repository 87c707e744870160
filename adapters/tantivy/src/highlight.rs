//! Where the words of a search were found.

use tantivy::snippet::SnippetGenerator;

/// Marks the words of one search in texts.
#[derive(Debug)]
pub struct Highlighter {
    pub(crate) fields: Vec<(&'static str, Snippets)>,
}

/// tantivy's generator does not show itself.
pub(crate) struct Snippets(pub(crate) SnippetGenerator);

impl std::fmt::Debug for Snippets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snippets")
    }
}

impl Highlighter {
    /// The best part of `text`, as HTML: everything escaped, the words found in `<b>`; `None` where none is in it.
    ///
    /// At most some 150 characters of text.
    pub fn highlight(&self, field: &str, text: &str) -> Option<String> {
        let (_, Snippets(generator)) = self.fields.iter().find(|(name, _)| *name == field)?;
        let snippet = generator.snippet(text);
        (!snippet.highlighted().is_empty()).then(|| snippet.to_html())
    }
}

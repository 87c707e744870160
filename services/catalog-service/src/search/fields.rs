//! What of a product is indexed, and how.
//!
//! | brief's mapping | here |
//! | --- | --- |
//! | `name`, `description` (product analyzer) | `name`, `description` |
//! | `name.keyword`, `name.suggest` | `nameKeyword`, `completion` |
//! | nested `category` | `category` (names, for counting) and `categoryKey` (ids, names, paths with those above them) |
//! | nested `attributes` | `attribute`: name and value of one attribute in one token, so that a filter never meets two |
//! | `price` | `price`: what is paid, after discount |
//! | `inventory` | `inStock`; the numbers in hits are the view's |
//! | `ratings` | `rating` for sorting; the numbers in hits are the view's |
//! | `tags`, `status`, `createdAt` | `tag`, `status`, `createdAt` |
//!
//! Brand, categories and tags can be searched for too (`labels`).

use madrigal_tantivy::index::Change;
use madrigal_tantivy::{Document, FieldKind, IndexSchema, analysis};

use crate::domain::{Attribute, Category, ProductStatus};
use crate::projections::ProductRow;

/// The version of this module: raised whenever fields, documents or the analyzer change, so that the index is built anew.
pub const INDEX_VERSION: u32 = 3;
/// The field of the version of the product's stream that a document was made from. The stock's is not kept: most changes of
/// a stock change nothing that is searched for, and are not indexed.
pub(crate) const VERSION: &str = "version";

/// The longest sort key of a name, in bytes; names that begin alike are in the order of their ids.
const NAME_ORDER_BYTES: usize = 256;
/// From how many words of a name, its first ones, a completion may begin.
const COMPLETION_WORDS: usize = 16;
/// Marks completions of the beginning of a name.
const BEGINNING: char = '^';

/// The fields of the index.
pub fn schema() -> IndexSchema {
    IndexSchema::new([
        ("name", FieldKind::Text { weight: 64 }),
        ("labels", FieldKind::Text { weight: 32 }),
        ("description", FieldKind::Text { weight: 16 }),
        ("nameKeyword", FieldKind::Keyword),
        ("nameOrder", FieldKind::Keyword),
        ("nameWords", FieldKind::Integer),
        ("completion", FieldKind::Token),
        ("category", FieldKind::Keyword),
        ("categoryKey", FieldKind::Token),
        ("attribute", FieldKind::Token),
        ("attributeValue", FieldKind::Keyword),
        ("brand", FieldKind::Keyword),
        ("tag", FieldKind::Keyword),
        ("status", FieldKind::Keyword),
        ("price", FieldKind::Integer),
        ("rating", FieldKind::Integer),
        ("createdAt", FieldKind::Integer),
        ("inStock", FieldKind::Flag),
        (VERSION, FieldKind::Integer),
    ])
}

/// The change that brings the index in step with a row: a document, or none for what is not in the catalogue.
pub(crate) fn change(product_id: String, row: Option<&ProductRow>) -> Change {
    match row.filter(|row| !row.product.withdrawn) {
        Some(row) => Change::Upsert(document(product_id, row)),
        None => Change::Delete(product_id),
    }
}

fn document(product_id: String, row: &ProductRow) -> Document {
    let details = &row.product.details;
    let name_words = analysis::words(&details.name).len();
    let mut document = Document::new(product_id)
        .with("name", details.name.as_str())
        .with("nameKeyword", details.name.as_str())
        .with("nameOrder", name_order(&details.name).as_str())
        .with("nameWords", i64::try_from(name_words).unwrap_or(i64::MAX))
        .with("description", details.description.as_str())
        .with("status", status(details.status))
        .with("price", row.product.price.effective())
        .with("rating", rating(row))
        .with("createdAt", row.created_at.as_micros())
        .with("inStock", in_stock(row))
        .with(VERSION, i64::try_from(row.version.0).unwrap_or(i64::MAX));
    for completion in completions(&details.name) {
        document = document.with("completion", completion.as_str());
    }
    if let Some(brand) = &details.brand {
        document = document.with("brand", brand.as_str()).with("labels", brand.as_str());
    }
    for name in distinct(details.category.iter().map(|category| category.name.clone())) {
        document = document.with("category", name.as_str()).with("labels", name.as_str());
    }
    for path in distinct(details.category.iter().flat_map(|category| steps(&category.path))) {
        document = document.with("labels", path.as_str());
    }
    for key in distinct(details.category.iter().flat_map(category_keys)) {
        document = document.with("categoryKey", key.as_str());
    }
    for token in distinct(details.attributes.iter().flat_map(attribute_tokens)) {
        document = document.with("attribute", token.as_str());
    }
    for token in
        distinct(details.attributes.iter().map(|attribute| attribute_token(&attribute.name, &shown(attribute))))
    {
        document = document.with("attributeValue", token.as_str());
    }
    for tag in distinct(details.tags.iter().cloned()) {
        document = document.with("tag", tag.as_str()).with("labels", tag.as_str());
    }
    document
}

/// Each text once, in their order.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}

/// Whether some of it can be ordered.
pub(crate) fn in_stock(row: &ProductRow) -> bool {
    row.stock.available() > 0
}

/// The order by rating: the average first, then how many there are.
fn rating(row: &ProductRow) -> i64 {
    let average = i64::try_from(row.ratings.average_milli()).unwrap_or(0);
    let count = i64::try_from(row.ratings.count()).unwrap_or(i64::MAX);
    (average << 32) | count.min(i64::from(u32::MAX))
}

pub(crate) const fn status(status: ProductStatus) -> &'static str {
    match status {
        ProductStatus::Active => "active",
        ProductStatus::Inactive => "inactive",
    }
}

/// The text that names are sorted by: their words, without case, accents and signs.
pub(crate) fn name_order(name: &str) -> String {
    let mut folded = analysis::folded(name);
    let mut end = folded.len().min(NAME_ORDER_BYTES);
    while !folded.is_char_boundary(end) {
        end -= 1;
    }
    folded.truncate(end);
    folded
}

/// What a category is found by: its id, its name, its path, and the paths above it.
pub(crate) fn category_keys(category: &Category) -> Vec<String> {
    let mut keys = vec![category.id.clone(), category.name.clone(), category.path.clone()];
    let separator = separator(&category.path);
    let ends = category.path.match_indices(separator).map(|(end, _)| category.path[..end].to_owned());
    keys.extend(ends.filter(|above| !above.is_empty()));
    keys
}

/// What parts the steps of a path: ` > ` where the path has it, else `/`.
fn separator(path: &str) -> &'static str {
    if path.contains(" > ") { " > " } else { "/" }
}

fn steps(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split(separator(path)).filter(|step| !step.is_empty()).map(ToOwned::to_owned)
}

/// The tokens of one attribute: with its value alone, and with its unit.
fn attribute_tokens(attribute: &Attribute) -> Vec<String> {
    vec![attribute_token(&attribute.name, &attribute.value), attribute_token(&attribute.name, &shown(attribute))]
}

/// A value as people write it: `500 g`.
fn shown(attribute: &Attribute) -> String {
    match &attribute.unit {
        Some(unit) => format!("{} {unit}", attribute.value),
        None => attribute.value.clone(),
    }
}

/// A name and a value in one text that no other pair has: the name's length says where it ends.
pub(crate) fn attribute_token(name: &str, value: &str) -> String {
    format!("{}{value}", attribute_prefix(name))
}

/// The beginning of all tokens of attributes of this name.
pub(crate) fn attribute_prefix(name: &str) -> String {
    format!("{}:{name}=", name.len())
}

/// What begins a completion: the name's words from each of them on, and the whole name once more marked as such.
fn completions(name: &str) -> Vec<String> {
    let words: Vec<String> = analysis::words(name).into_iter().map(|word| word.text).collect();
    // The space at the end makes "ice " begin "ice" as well as "ice cream", and not "iced tea".
    let from = |start: usize| format!("{} ", words[start..].join(" "));
    let mut completions: Vec<String> = (0..words.len().min(COMPLETION_WORDS)).map(from).collect();
    if let Some(whole) = completions.first() {
        completions.push(format!("{BEGINNING}{whole}"));
    }
    completions
}

/// The prefixes of completions that `typed` asks for: of names that begin so, and of names with a word that does.
pub(crate) fn completion_prefixes(typed: &str) -> Option<(String, String)> {
    let words: Vec<String> = analysis::words(typed).into_iter().map(|word| word.text).collect();
    if words.is_empty() {
        return None;
    }
    let unfinished =
        typed.chars().next_back().is_some_and(char::is_alphanumeric) || !typed.ends_with(char::is_whitespace);
    let prefix = if unfinished { words.join(" ") } else { format!("{} ", words.join(" ")) };
    Some((format!("{BEGINNING}{prefix}"), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(path: &str) -> Category {
        Category { id: "c".into(), name: "n".into(), path: path.into() }
    }

    #[test]
    fn a_category_is_found_by_id_name_path_and_what_is_above() {
        assert_eq!(
            category_keys(&category("Drinks/Tea/Green")),
            ["c", "n", "Drinks/Tea/Green", "Drinks", "Drinks/Tea"]
        );
        assert_eq!(
            category_keys(&category("Grocery > Cookies/Cones")),
            ["c", "n", "Grocery > Cookies/Cones", "Grocery"]
        );
    }

    #[test]
    fn no_two_pairs_of_name_and_value_have_the_same_token() {
        let pairs = [("a", "b=c"), ("a=b", "c"), ("1:a", "b"), ("", "1:a=b"), ("a", ""), ("", "a")];
        let tokens: std::collections::BTreeSet<String> =
            pairs.iter().map(|(name, value)| attribute_token(name, value)).collect();
        assert_eq!(tokens.len(), pairs.len());
    }

    #[test]
    fn completions_begin_at_words() {
        assert_eq!(completions("Ice-Cream 2"), ["ice cream 2 ", "cream 2 ", "2 ", "^ice cream 2 "]);
        assert_eq!(completion_prefixes(" ÌCE "), Some(("^ice ".into(), "ice ".into())));
        assert_eq!(completion_prefixes("ice c"), Some(("^ice c".into(), "ice c".into())));
        assert_eq!(completion_prefixes("?!"), None);
        assert_eq!(name_order(&"é".repeat(300)).len(), 256);
    }
}

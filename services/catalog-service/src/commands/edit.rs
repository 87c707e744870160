//! Edits of products that were made elsewhere, from a version that may be old by now.

use madrigal_conflict::{Conflict, FieldPath, Loser, MergeError, Merging, Origin, Rules, RulesError, Side, merge};
use madrigal_core::{Fault, StreamVersion};
use serde_json::{Map, Value};

use crate::domain::{Product, ProductId};
use crate::store::Loader;

/// The fields of a product, as [`document`] lays them out.
const FIELDS: [&str; 8] =
    ["/name", "/description", "/category", "/attributes", "/tags", "/brand", "/status", "/price/*"];

/// How the fields of a product are merged. What costs money, and whether it is for sale, is a person's to decide.
///
/// # Errors
/// Where the rules make no sense together.
fn rules() -> Result<Rules, RulesError> {
    let declared = [
        ("/name", "last writer"),
        ("/description", "three-way"),
        ("/category", "set union"),
        ("/attributes", "three-way"),
        ("/tags", "set union"),
        ("/brand", "last writer"),
        ("/status", "ask a person"),
        ("/price", "ask a person"),
    ];
    let rules = Rules::parse(declared, None)?;
    rules.check_fields(&FIELDS)?;
    Ok(rules)
}

/// A product's fields as one document, in the names of the API.
///
/// # Errors
/// A [`Fault`] where it cannot be JSON, which does not happen.
pub fn document(product: &Product) -> Result<Map<String, Value>, Fault> {
    let broken = |error| Fault::permanent("catalog", "merge", error);
    let mut document = match serde_json::to_value(&product.details).map_err(broken)? {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    document.insert("price".to_owned(), serde_json::to_value(product.price).map_err(broken)?);
    Ok(document)
}

/// A product at two versions.
#[derive(Debug, Clone)]
pub struct ProductVersions {
    /// As it was at the version that was asked for; `None` where it had no such version.
    pub base: Option<Product>,
    /// As it is.
    pub current: Product,
    /// The version that it is at.
    pub version: StreamVersion,
    /// Who wrote that, and when.
    pub origin: Origin,
}

/// An edit as it comes in.
#[derive(Debug, Clone)]
pub struct ProductEdit<'a> {
    /// The fields that it changes (JSON merge patch): null empties one.
    pub changes: &'a Map<String, Value>,
    /// When it was made, and by whom.
    pub origin: Origin,
}

/// An edit, merged into what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedEdit {
    /// The product's fields as they are to be; a brand that is not there is null.
    pub document: Map<String, Value>,
    /// What was not taken.
    pub losers: Vec<Loser>,
}

/// Why an edit was not merged.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The product had no such version.
    #[error("the product had no such version")]
    UnknownBase,
    /// A person must decide these fields.
    #[error("{} fields are for a person to decide", .0.len())]
    Conflicts(Vec<Conflict>),
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Merges edits; cheap to clone.
#[derive(Debug, Clone)]
pub struct EditMerger {
    loader: Loader,
    rules: Rules,
}

impl EditMerger {
    /// A merger on this store.
    ///
    /// # Errors
    /// A permanent [`Fault`] where the rules make no sense together.
    pub fn new(loader: Loader) -> Result<Self, Fault> {
        let rules = rules().map_err(|error| Fault::permanent("catalog", "open", error))?;
        Ok(Self { loader, rules })
    }

    /// The product at `base` and now; `None` where there is none, or it was withdrawn.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn versions(&self, id: &ProductId, base: StreamVersion) -> Result<Option<ProductVersions>, Fault> {
        Ok(self.loader.product_versions(id, base).await?.filter(|versions| !versions.current.withdrawn))
    }

    /// Merges an edit into the product as it is.
    ///
    /// # Errors
    /// [`EditError`]; nothing was changed.
    pub fn merged(&self, versions: &ProductVersions, edit: &ProductEdit<'_>) -> Result<MergedEdit, EditError> {
        let base = document(versions.base.as_ref().ok_or(EditError::UnknownBase)?)?;
        let named: Vec<FieldPath> = named(edit.changes);
        let proposed = Value::Object(patched(base.clone(), edit.changes));
        let (base, current) = (Value::Object(base), Value::Object(document(&versions.current)?));
        let merging = Merging {
            base: &base,
            current: Side { document: &current, origin: &versions.origin },
            proposed: Side { document: &proposed, origin: &edit.origin },
            named: &named,
        };
        let merged = match merge(&self.rules, merging) {
            Ok(merged) => merged,
            Err(MergeError::Conflicts(conflicts)) => return Err(EditError::Conflicts(conflicts)),
            Err(error) => return Err(Fault::permanent("catalog", "merge", error).into()),
        };
        let Value::Object(mut document) = merged.document else {
            return Err(Fault::permanent("catalog", "merge", "a product is an object").into());
        };
        document.entry("brand").or_insert(Value::Null);
        Ok(MergedEdit { document, losers: merged.losers })
    }
}

/// The fields that a merge patch names; a price is one field.
fn named(changes: &Map<String, Value>) -> Vec<FieldPath> {
    changes.keys().map(|name| FieldPath::of([name.as_str()])).collect()
}

/// A document with a merge patch; an emptied field is as an empty product has it.
///
/// # Source
/// RFC 7396, section 2; checked patches have at most two levels.
fn patched(mut document: Map<String, Value>, changes: &Map<String, Value>) -> Map<String, Value> {
    for (name, value) in changes {
        match (value, document.get_mut(name)) {
            (Value::Null, Some(Value::Array(items))) => items.clear(),
            (Value::Null, Some(Value::String(text))) if name == "description" => text.clear(),
            (Value::Null, _) => {
                document.remove(name);
            }
            (Value::Object(members), Some(Value::Object(into))) => into.extend(members.clone()),
            (value, _) => {
                document.insert(name.clone(), value.clone());
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rules_of_products_make_sense() {
        assert!(rules().is_ok(), "{:?}", rules());
    }

    #[test]
    fn a_patch_empties_changes_and_goes_into_prices() {
        let document = json!({"description": "x", "tags": ["a"], "brand": "b", "price": {"amount": 1, "discount": 0}});
        let changes = json!({"description": null, "tags": null, "brand": null, "price": {"amount": 2}, "name": "n"});
        let (Value::Object(document), Value::Object(changes)) = (document, changes) else { panic!() };
        let expected = json!({"description": "", "tags": [], "price": {"amount": 2, "discount": 0}, "name": "n"});
        assert_eq!(Value::Object(patched(document, &changes)), expected);
    }
}

//! Searching products.

use std::collections::BTreeMap;
use std::fmt;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use madrigal_core::Fingerprint;
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Cursor, FieldError, Query, SeenPosition};
use madrigal_tantivy::{FacetCount, Place};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::IntoParams;

use super::shapes::{FacetValue, Hit, Hits, ProductAnswer};
use super::{Shared, problems, with_lag};
use crate::domain::ProductStatus;
use crate::search::{ProductFacet, ProductSearch, ProductSort, fields, price_ranges};

/// The longest text of a filter or of what is searched for, in characters.
const MAX_SEARCH_CHARS: usize = 500;
/// The most categories, and the most tags.
const MAX_OF_A_KIND: usize = 20;
/// The most filters on attributes.
const MAX_ATTRIBUTES: usize = 32;
/// The most facets, and the most bounds between prices.
const MAX_FACETS: usize = 20;
/// What begins the name of a filter on an attribute, and of a facet of one.
const ATTRIBUTE: &str = "attr.";
/// Where price ranges begin unless stated, in minor units.
const PRICE_BOUNDS: [i64; 6] = [200, 500, 1_000, 2_000, 5_000, 10_000];

/// What is searched for; all of it must hold.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct SearchQuery {
    /// Words, all of which must be found; there is no syntax. Words from 3 characters may have a typo, from 6 two; synonyms
    /// count.
    #[param(max_length = 500)]
    q: Option<String>,
    /// A category's id, name, or path; a path finds what is below it too. May be given several times: all must hold.
    #[param(max_length = 500, max_items = 20, required = false)]
    category: Vec<String>,
    /// A brand.
    #[param(max_length = 500)]
    brand: Option<String>,
    /// A tag. May be given several times: all must hold.
    #[param(max_length = 500, max_items = 20, required = false)]
    tag: Vec<String>,
    /// A status.
    #[param(inline)]
    status: Option<ProductStatus>,
    /// The lowest price, in minor units, after discount.
    #[param(minimum = 0)]
    min_price: Option<i64>,
    /// The highest price, in minor units, after discount.
    #[param(minimum = 0)]
    max_price: Option<i64>,
    /// Only what is available (`true`), or only what is not (`false`).
    in_stock: Option<bool>,
    /// In which order; the best matches first unless stated.
    #[param(inline)]
    sort: Option<SortName>,
    /// What to count over everything that is found: `category`, `brand`, `tag`, `status`, `price`, `attr.NAME`.
    /// May be given several times; `none` adds nothing. Unless stated: category, brand, tag, status, price.
    #[param(
        max_items = 20,
        max_length = 105,
        pattern = "^(category|brand|tag|status|price|none|attr\\..{1,100})$",
        required = false
    )]
    facet: Vec<String>,
    /// Where the ranges of the facet `price` begin, in minor units; 0 begins the first anyway.
    #[param(max_items = 20, minimum = 1, required = false)]
    price_bound: Vec<i64>,
    /// The `next` of the page before, with the same search otherwise.
    #[param(max_length = 2048)]
    cursor: Option<String>,
    /// 1 to 100; 20 unless stated.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    #[param(ignore)]
    attributes: Vec<(String, String)>,
}

impl<'de> Deserialize<'de> for SearchQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Parameters)
    }
}

/// Reads the parameters; a derived reader could not take `attr.NAME` several times.
struct Parameters;

impl<'de> Visitor<'de> for Parameters {
    type Value = SearchQuery;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parameters of a search")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SearchQuery, A::Error> {
        let mut query = SearchQuery::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "q" => query.q = map.next_value()?,
                "category" => query.category = map.next_value()?,
                "brand" => query.brand = map.next_value()?,
                "tag" => query.tag = map.next_value()?,
                "status" => query.status = map.next_value()?,
                "minPrice" => query.min_price = map.next_value()?,
                "maxPrice" => query.max_price = map.next_value()?,
                "inStock" => query.in_stock = map.next_value()?,
                "sort" => query.sort = map.next_value()?,
                "facet" => query.facet = map.next_value()?,
                "priceBound" => query.price_bound = map.next_value()?,
                "cursor" => query.cursor = map.next_value()?,
                "limit" => query.limit = map.next_value()?,
                name => match name.strip_prefix(ATTRIBUTE).filter(|attribute| !attribute.is_empty()) {
                    Some(attribute) => {
                        let values: Vec<String> = map.next_value()?;
                        query.attributes.extend(values.into_iter().map(|value| (attribute.to_owned(), value)));
                    }
                    None => drop(map.next_value::<IgnoredAny>()?),
                },
            }
        }
        Ok(query)
    }
}

/// An order of hits.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
pub(super) enum SortName {
    /// Best matches first.
    #[serde(rename = "relevance")]
    Relevance,
    /// Cheapest first.
    #[serde(rename = "price")]
    Price,
    /// Dearest first.
    #[serde(rename = "-price")]
    PriceDown,
    /// By name.
    #[serde(rename = "name")]
    Name,
    /// By name, backwards.
    #[serde(rename = "-name")]
    NameDown,
    /// Latest first.
    #[serde(rename = "newest")]
    Newest,
    /// Best rated first.
    #[serde(rename = "rating")]
    Rating,
}

/// Where a page begins, and of which search.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HitCursor {
    of: String,
    at: Place,
}

/// Finds products by words, categories, brand, tags, attributes, price, status and stock. Open to everybody.
///
/// A walk through all pages meets every product that does not change meanwhile exactly once, in every order: a page begins
/// after the last product of the page before, wherever that is by then. Facets count everything that is found, on every page.
#[utoipa::path(get, path = "/v1/products/search", tag = "products",
    params(SearchQuery,
        ("attr.NAME" = Option<String>, Query, max_length = 500, description = "The value of the attribute NAME, with or without its unit (`500` or `500 g`), as it is. Any number of names; a name given twice must have both values.")),
    responses((status = 200, description = "Hits with highlights, and facets", body = Hits,
        headers(("Madrigal-Lag" = String))), Refusals))]
pub(super) async fn search_products(
    State(api): Shared,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<SearchQuery>,
) -> Answered<Response> {
    let limit = page_limit(query.limit, 20, 100)?;
    let cursor = Cursor::<HitCursor>::key(query.cursor.as_deref())?;
    let mut search = checked(query, limit)?;
    let of = bound_to(&search);
    if let Some(cursor) = cursor {
        if cursor.of != of || !search.sort.has(&cursor.at) {
            return Err(problem::bad_cursor());
        }
        search.after = Some(cursor.at);
    }
    let lag = api.searchable(seen.as_ref()).await?;
    let found = api.queries.search(search).await.map_err(|error| problems::of_search(&error))?;
    let items = found
        .hits
        .into_iter()
        .map(|hit| Hit { product: ProductAnswer::of_row(&hit.product_id, &hit.row), highlight: hit.highlight });
    let next = found.next.map(|at| Cursor(HitCursor { of, at }).to_text());
    let facets = found.facets.into_iter().map(|(facet, counts)| answered(facet, counts)).collect();
    Ok(with_lag(Json(Hits { items: items.collect(), facets, total: found.total, next }).into_response(), lag))
}

/// What a cursor belongs to: the search without its place and its page's size.
fn bound_to(search: &ProductSearch) -> String {
    let mut bare = ProductSearch { after: None, limit: 0, facets: Vec::new(), ..search.clone() };
    bare.attributes.sort();
    let mut digest = Fingerprint::of(format!("{bare:?}").as_bytes()).as_str().to_owned();
    digest.truncate(16);
    digest
}

fn answered(facet: ProductFacet, counts: Vec<FacetCount>) -> (String, Vec<FacetValue>) {
    let plain = |name: &str, counts: Vec<FacetCount>| {
        let values =
            counts.into_iter().map(|facet| FacetValue { value: facet.value, count: facet.count, from: None, to: None });
        (name.to_owned(), values.collect())
    };
    match facet {
        ProductFacet::Category => plain("category", counts),
        ProductFacet::Brand => plain("brand", counts),
        ProductFacet::Tag => plain("tag", counts),
        ProductFacet::Status => plain("status", counts),
        ProductFacet::Attribute(name) => plain(&format!("{ATTRIBUTE}{name}"), counts),
        ProductFacet::Price(bounds) => {
            let ranges = price_ranges(&bounds).into_iter().zip(counts);
            let values = ranges.map(|((from, to), facet)| {
                let from = from.unwrap_or(0);
                let value = format!("{from}-{}", to.map(|to| to.to_string()).unwrap_or_default());
                FacetValue { value, count: facet.count, from: Some(from), to }
            });
            ("price".to_owned(), values.collect())
        }
    }
}

/// The search that a query asks for, without its place.
fn checked(query: SearchQuery, limit: usize) -> Answered<ProductSearch> {
    let mut errors = Vec::new();
    let mut refuse = |name: &str, detail: String| {
        errors.push(FieldError { pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")), detail });
    };
    let attributes = query.attributes.iter().map(|(name, value)| (format!("{ATTRIBUTE}{name}"), value));
    let single =
        [("q", &query.q), ("brand", &query.brand)].into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    let several = [("category", &query.category), ("tag", &query.tag), ("facet", &query.facet)];
    let several = several.iter().flat_map(|(name, texts)| texts.iter().map(|text| (*name, text)));
    let texts: Vec<(String, &String)> =
        single.chain(several).map(|(name, text)| (name.to_owned(), text)).chain(attributes).collect();
    for (name, text) in texts {
        if name.chars().chain(text.chars()).count() > MAX_SEARCH_CHARS + name.len().min(105) {
            refuse(&name, format!("has at most {MAX_SEARCH_CHARS} characters"));
        }
    }
    let counts = [
        ("category", query.category.len(), MAX_OF_A_KIND),
        ("tag", query.tag.len(), MAX_OF_A_KIND),
        ("attr", query.attributes.len(), MAX_ATTRIBUTES),
        ("facet", query.facet.len(), MAX_FACETS),
        ("priceBound", query.price_bound.len(), MAX_FACETS),
    ];
    for (name, count, most) in counts {
        if count > most {
            refuse(name, format!("may be given at most {most} times"));
        }
    }
    for (name, price) in [("minPrice", query.min_price), ("maxPrice", query.max_price)] {
        if price.is_some_and(|price| price < 0) {
            refuse(name, "must be at least 0".to_owned());
        }
    }
    if query.price_bound.iter().any(|bound| *bound < 1) {
        refuse("priceBound", "must be at least 1".to_owned());
    }
    let mut price_bound = query.price_bound;
    price_bound.sort_unstable();
    price_bound.dedup();
    let bounds = if price_bound.is_empty() { PRICE_BOUNDS.to_vec() } else { price_bound };
    let facets = facets(&query.facet, &bounds);
    if facets.is_none() {
        refuse("facet", "is category, brand, tag, status, price, attr.NAME, or none".to_owned());
    }
    if !errors.is_empty() {
        return Err(problem::invalid_query(errors));
    }
    Ok(ProductSearch {
        words: query.q.filter(|words| !words.trim().is_empty()),
        categories: query.category,
        brand: query.brand,
        tags: query.tag,
        status: query.status.map(fields::status),
        attributes: query.attributes,
        min_price: query.min_price,
        max_price: query.max_price,
        in_stock: query.in_stock,
        sort: match query.sort {
            None | Some(SortName::Relevance) => ProductSort::Relevance,
            Some(SortName::Price) => ProductSort::PriceUp,
            Some(SortName::PriceDown) => ProductSort::PriceDown,
            Some(SortName::Name) => ProductSort::NameUp,
            Some(SortName::NameDown) => ProductSort::NameDown,
            Some(SortName::Newest) => ProductSort::Newest,
            Some(SortName::Rating) => ProductSort::Rating,
        },
        facets: facets.unwrap_or_default(),
        after: None,
        limit,
    })
}

/// What is to be counted; `None` where that is not understood.
fn facets(names: &[String], bounds: &[i64]) -> Option<Vec<ProductFacet>> {
    let known = BTreeMap::from([
        ("category", ProductFacet::Category),
        ("brand", ProductFacet::Brand),
        ("tag", ProductFacet::Tag),
        ("status", ProductFacet::Status),
        ("price", ProductFacet::Price(bounds.to_vec())),
    ]);
    let mut facets = Vec::new();
    match names {
        [] => facets
            .extend(["category", "brand", "tag", "status", "price"].iter().filter_map(|name| known.get(name).cloned())),
        names => {
            for name in names.iter().filter(|name| *name != "none") {
                let attribute = || name.strip_prefix(ATTRIBUTE).filter(|attribute| !attribute.is_empty());
                let facet = known.get(name.as_str()).cloned();
                let facet = facet.or_else(|| Some(ProductFacet::Attribute(attribute()?.to_owned())))?;
                if !facets.contains(&facet) {
                    facets.push(facet);
                }
            }
        }
    }
    Some(facets)
}

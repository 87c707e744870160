//! Searching products.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Cursor, FieldError, Query, SeenPosition};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::shapes::{FacetValue, Hit, Hits, ProductAnswer};
use super::{Shared, problems, with_lag};
use crate::search::{ProductSearch, ProductSort};

/// How deep a list of hits can be paged: beyond it a narrower search is the better way.
const MAX_DEPTH: usize = 10_000;
/// The longest text to search for, in characters.
const MAX_SEARCH_CHARS: usize = 500;

/// What is searched for; all of it must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SearchQuery {
    /// Words; there is no syntax.
    #[param(max_length = 500)]
    q: Option<String>,
    /// A category's id, name or path.
    #[param(max_length = 500)]
    category: Option<String>,
    /// A brand.
    #[param(max_length = 500)]
    brand: Option<String>,
    /// A tag.
    #[param(max_length = 500)]
    tag: Option<String>,
    /// The lowest price, in minor units, before discount.
    #[param(minimum = 0)]
    min_price: Option<i64>,
    /// The highest price, in minor units, before discount.
    #[param(minimum = 0)]
    max_price: Option<i64>,
    /// Only what is available (`true`), or only what is not (`false`).
    in_stock: Option<bool>,
    /// In which order; the best matches first unless stated.
    #[param(inline)]
    sort: Option<SortName>,
    /// The `next` of the page before.
    #[param(max_length = 2048)]
    cursor: Option<String>,
    /// 1 to 100; 20 unless stated.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
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
}

/// Where a page begins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HitCursor {
    offset: usize,
}

/// Finds products by words, category, brand, tag, price and stock. Open to everybody.
#[utoipa::path(get, path = "/v1/products/search", tag = "products", params(SearchQuery),
    responses((status = 200, description = "Hits with highlights, and facets", body = Hits,
        headers(("Madrigal-Lag" = String))), Refusals))]
pub(super) async fn search_products(
    State(api): Shared,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<SearchQuery>,
) -> Answered<Response> {
    let limit = page_limit(query.limit, 20, 100)?;
    let offset = Cursor::<HitCursor>::key(query.cursor.as_deref())?.map_or(0, |cursor| cursor.offset);
    if offset >= MAX_DEPTH {
        return Err(problem::bad_cursor());
    }
    let search = checked(query, offset, limit.min(MAX_DEPTH - offset))?;
    let lag = match &seen {
        Some(token) => {
            api.queries.wait_for_search(token).await.map_err(problems::of_not_yet)?;
            None
        }
        None => Some(api.queries.search_lag_events()),
    };
    let found = api.queries.search(search).await.map_err(|fault| problem::from_fault(&fault))?;
    let next = offset + limit;
    let next = (found.more && next < MAX_DEPTH).then(|| Cursor(HitCursor { offset: next }).to_text());
    let items = found
        .hits
        .into_iter()
        .map(|hit| Hit { product: ProductAnswer::of_row(&hit.product_id, &hit.row), highlight: hit.highlight });
    let facets = found.facets.into_iter().map(|(field, values)| {
        let values = values.into_iter().map(|facet| FacetValue { value: facet.value, count: facet.count });
        (field, values.collect())
    });
    let hits = Hits { items: items.collect(), facets: facets.collect(), next };
    Ok(with_lag(Json(hits).into_response(), lag))
}

fn checked(query: SearchQuery, offset: usize, limit: usize) -> Answered<ProductSearch> {
    let mut errors = Vec::new();
    let mut refuse = |name: &str, detail: &str| {
        errors.push(FieldError { pointer: format!("/{name}"), detail: detail.to_owned() });
    };
    let texts = [("q", &query.q), ("category", &query.category), ("brand", &query.brand), ("tag", &query.tag)];
    for (name, text) in texts {
        if text.as_ref().is_some_and(|text| text.chars().count() > MAX_SEARCH_CHARS) {
            refuse(name, "has at most 500 characters");
        }
    }
    for (name, price) in [("minPrice", query.min_price), ("maxPrice", query.max_price)] {
        if price.is_some_and(|price| price < 0) {
            refuse(name, "must be at least 0");
        }
    }
    if !errors.is_empty() {
        return Err(problem::invalid_query(errors));
    }
    Ok(ProductSearch {
        words: query.q.filter(|words| !words.trim().is_empty()),
        category: query.category,
        brand: query.brand,
        tag: query.tag,
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
        },
        offset,
        limit,
    })
}

//! Completing what is being typed, and the synonyms of what is searched for.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use madrigal_http::openapi::Refusals;
use madrigal_http::page::page_limit;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Caller, FieldError, Query, SeenPosition};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Shared, problems, with_lag};

/// The longest text that is completed, in characters.
const MAX_PREFIX_CHARS: usize = 200;

/// What is to be completed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SuggestQuery {
    /// The beginning of a name, or of some words in it. Case and accents do not matter.
    #[param(max_length = 200)]
    prefix: String,
    /// 1 to 50; 10 unless stated.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<u32>,
}

/// Completions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Suggestions {
    /// Names that begin so first, then names with words that do; among them those of the most products first.
    items: Vec<Suggestion>,
}

/// A completion.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Suggestion {
    /// A name of a product.
    text: String,
    /// How many products have it.
    products: u64,
}

/// Completes the name of a product. Open to everybody.
#[utoipa::path(get, path = "/v1/products/suggest", tag = "products", params(SuggestQuery),
    responses((status = 200, description = "Names, each once", body = Suggestions,
        headers(("Madrigal-Lag" = String))), Refusals))]
pub(super) async fn suggest_products(
    State(api): Shared,
    SeenPosition(seen): SeenPosition,
    Query(query): Query<SuggestQuery>,
) -> Answered<Response> {
    let limit = page_limit(query.limit, 10, 50)?;
    if query.prefix.chars().count() > MAX_PREFIX_CHARS {
        let detail = format!("has at most {MAX_PREFIX_CHARS} characters");
        return Err(problem::invalid_query(vec![FieldError { pointer: "/prefix".to_owned(), detail }]));
    }
    let lag = api.searchable(seen.as_ref()).await?;
    let found =
        api.queries.suggest(&query.prefix, limit, seen.as_ref()).await.map_err(|error| problems::of_search(&error))?;
    let items = found.into_iter().map(|found| Suggestion { text: found.text, products: found.products });
    Ok(with_lag(Json(Suggestions { items: items.collect() }).into_response(), lag))
}

/// The synonyms in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SynonymsAnswer {
    /// How many rules.
    rules: usize,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: madrigal_core::Timestamp,
}

/// Reads the file of synonyms again. Operators only. Searches use it from now on; with a line that is not understood the
/// old synonyms stay.
#[utoipa::path(post, path = "/v1/products/synonyms/reload", tag = "products",
    responses((status = 200, description = "They are in force", body = SynonymsAnswer), Refusals),
    security(("bearer" = [])))]
pub(super) async fn reload_synonyms(State(api): Shared, caller: Caller) -> Answered<Response> {
    caller.require_operator()?;
    let in_force = api.queries.synonyms().reload().await.map_err(|error| problems::of_reload(&error))?;
    Ok(Json(SynonymsAnswer { rules: in_force.synonyms.rules(), since: in_force.since }).into_response())
}

//! Importing products: lines in, lines out, both streamed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use futures::StreamExt;
use madrigal_core::{CallContext, FaultOutcome, FaultRetry, tasks};
use madrigal_http::ndjson::{self, Line, Lines};
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered, Problem};
use madrigal_http::{Caller, Context, body};
use serde::Serialize;

use super::shapes::NewProduct;
use super::{Api, Shared, problems};
use crate::commands::{Command, Effect, ProductChange, Reply};
use crate::domain::ProductId;

/// The longest line, in bytes.
pub(super) const MAX_LINE_BYTES: usize = 256 * 1024;
/// Lines that are under way at the same time: the desk makes them durable together.
const LINES_AT_ONCE: usize = 256;
/// How often a line is put to the desk again where the desk was too busy.
const ATTEMPTS: u32 = 50;

/// What became of a line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LineResult {
    /// The line's number, from 1.
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<String>,
    /// `created`, `changed`, `unchanged` or `refused`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Imports products, one JSON object per line (as for creating, `productId` required), and answers one line per line, in
/// order: `{"line", "productId", "outcome": "created" | "changed" | "unchanged" | "refused", "version", "problem"}`.
///
/// Operators only. Known products are made to look like the line; their stock stays. Importing the same file again changes
/// nothing. Answers are streamed while the body arrives: read them while sending.
#[utoipa::path(post, path = "/v1/products/import", tag = "products",
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "One result per line", content_type = "application/x-ndjson", body = String),
        Refusals),
    security(("bearer" = [])))]
pub(super) async fn import_products(
    State(api): Shared,
    caller: Caller,
    Context(mut context): Context,
    lines: Lines,
) -> Answered<Response> {
    caller.require_operator()?;
    context.user_id = Some(caller.actor().into());
    let results = lines
        .of_at_most(MAX_LINE_BYTES)?
        .map(move |line| {
            let (api, context) = (Arc::clone(&api), context.clone());
            async move { import_line(&api, context, line).await }
        })
        .buffered(LINES_AT_ONCE);
    Ok(ndjson::answer(results))
}

async fn import_line(api: &Api, context: CallContext, line: Line) -> LineResult {
    let refused = |product_id, problem| LineResult {
        line: line.number,
        product_id,
        outcome: "refused",
        version: None,
        problem: Some(problem),
    };
    let new: NewProduct = match line.text.and_then(|text| body::parsed(&text)) {
        Ok(new) => new,
        Err(problem) => return refused(None, problem),
    };
    let product_id = new.product_id.clone();
    let Some(id) = product_id.as_deref().and_then(ProductId::parse) else {
        return refused(None, problems::product_id_required());
    };
    let (details, price, initial_stock) = new.parts();
    let change = ProductChange::Import { details, price, initial_stock };
    match ask(api, context, Command::ChangeProduct { product: id, change }).await {
        Ok(Reply::ProductSaved(saved)) => LineResult {
            line: line.number,
            product_id,
            outcome: match saved.effect {
                Effect::Created => "created",
                Effect::Changed => "changed",
                Effect::Unchanged => "unchanged",
            },
            version: Some(saved.version.0),
            problem: None,
        },
        Ok(other) => refused(product_id, problems::of_reply(&other)),
        Err(problem) => refused(product_id, problem),
    }
}

/// Puts a line to the desk, again where the desk was too busy to take it.
pub(super) async fn ask(api: &Api, context: CallContext, command: Command) -> Result<Reply, Problem> {
    let mut attempt = 1;
    loop {
        match api.desk.ask(context.clone(), command.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(fault) => match (fault.retry, fault.outcome) {
                (FaultRetry::After(pause), FaultOutcome::NotApplied) if attempt < ATTEMPTS => {
                    attempt += 1;
                    tasks::sleep(pause).await;
                }
                _ => return Err(problem::from_fault(&fault)),
            },
        }
    }
}

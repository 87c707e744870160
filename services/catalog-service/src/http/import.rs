//! Importing products: lines in, lines out, both streamed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body as RawBody, BodyDataStream};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use madrigal_core::{CallContext, FaultOutcome, FaultRetry, tasks};
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered, Problem};
use madrigal_http::{Caller, Context, body};
use serde::Serialize;

use super::shapes::NewProduct;
use super::{Api, Shared, problems};
use crate::commands::{Command, Effect, ProductChange, Reply};
use crate::domain::ProductId;

/// The longest line, in bytes.
const MAX_LINE_BYTES: usize = 256 * 1024;
/// Lines that are under way at the same time: the desk makes them durable together.
const LINES_AT_ONCE: usize = 256;
/// How long the next bytes may take to arrive.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
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
    headers: HeaderMap,
    body: RawBody,
) -> Answered<Response> {
    caller.require_operator()?;
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !["application/x-ndjson", "application/ndjson"].iter().any(|known| media_type.eq_ignore_ascii_case(known)) {
        return Err(problem::unsupported_media_type("application/x-ndjson"));
    }
    context.user_id = Some(caller.actor().into());
    let results = lines(body.into_data_stream())
        .map(move |line| {
            let (api, context) = (Arc::clone(&api), context.clone());
            async move { import_line(&api, context, line).await }
        })
        .buffered(LINES_AT_ONCE)
        .map(|result| Ok::<Bytes, std::convert::Infallible>(written(&result)));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], RawBody::from_stream(results)).into_response())
}

async fn import_line(api: &Api, context: CallContext, (line, text): (u64, Result<Bytes, Problem>)) -> LineResult {
    let refused = |product_id, problem| LineResult {
        line,
        product_id,
        outcome: "refused",
        version: None,
        problem: Some(problem),
    };
    let new: NewProduct = match text.and_then(|text| body::parsed(&text)) {
        Ok((new, _)) => new,
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
            line,
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
async fn ask(api: &Api, context: CallContext, command: Command) -> Result<Reply, Problem> {
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

fn written(result: &LineResult) -> Bytes {
    let mut line = serde_json::to_vec(result).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

struct Reading {
    body: BodyDataStream,
    buffer: BytesMut,
    /// How much of the buffer was looked through for the end of the line.
    looked: usize,
    line: u64,
    /// In the middle of a line that is too long: it was answered, its rest is passed over.
    passing_over: bool,
    ended: bool,
}

/// The lines of a body, numbered from 1, in memory one at a time. A last line needs no end of line.
fn lines(body: BodyDataStream) -> impl Stream<Item = (u64, Result<Bytes, Problem>)> {
    let reading = Reading { body, buffer: BytesMut::new(), looked: 0, line: 0, passing_over: false, ended: false };
    futures::stream::unfold(reading, |mut reading| async move { Some((reading.next().await?, reading)) })
}

impl Reading {
    async fn next(&mut self) -> Option<(u64, Result<Bytes, Problem>)> {
        loop {
            if let Some(end) = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(self.looked + end + 1);
                line.truncate(line.len() - 1);
                self.looked = 0;
                if std::mem::take(&mut self.passing_over) {
                    continue;
                }
                return Some(self.numbered(line.freeze()));
            }
            self.looked = self.buffer.len();
            if self.buffer.len() > MAX_LINE_BYTES {
                self.buffer.clear();
                self.looked = 0;
                if !std::mem::replace(&mut self.passing_over, true) {
                    self.line += 1;
                    return Some((self.line, Err(problems::line_too_long(MAX_LINE_BYTES))));
                }
            }
            if self.ended {
                let rest = self.buffer.split();
                self.looked = 0;
                let unfinished = !rest.is_empty() && !std::mem::take(&mut self.passing_over);
                return unfinished.then(|| self.numbered(rest.freeze()));
            }
            match tasks::within(IDLE_LIMIT, self.body.next()).await {
                Some(Some(Ok(bytes))) => self.buffer.extend_from_slice(&bytes),
                Some(None) => self.ended = true,
                Some(Some(Err(_))) | None => {
                    self.ended = true;
                    self.buffer.clear();
                    self.looked = 0;
                    self.line += 1;
                    return Some((self.line, Err(problems::import_cut_off())));
                }
            }
        }
    }

    fn numbered(&mut self, line: Bytes) -> (u64, Result<Bytes, Problem>) {
        self.line += 1;
        let checked = if line.len() > MAX_LINE_BYTES {
            Err(problems::line_too_long(MAX_LINE_BYTES))
        } else if line.iter().all(u8::is_ascii_whitespace) {
            Err(problems::blank_line())
        } else {
            Ok(line)
        };
        (self.line, checked)
    }
}

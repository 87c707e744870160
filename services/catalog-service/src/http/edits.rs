//! Edits of products that were made offline: a file of changes with the versions that they are based on.

use axum::extract::State;
use axum::response::Response;
use futures::StreamExt;
use madrigal_conflict::{Conflict, Loser, Origin};
use madrigal_core::{CallContext, StreamVersion, Timestamp};
use madrigal_http::ndjson::{self, Line, Lines};
use madrigal_http::openapi::Refusals;
use madrigal_http::problem::{self, Answered, FieldError, Problem};
use madrigal_http::{Caller, Context, body};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::import::{MAX_LINE_BYTES, ask};
use super::shapes::ProductPatchBody;
use super::{Api, Shared, problems};
use crate::commands::{Command, EditError, Effect, MergedEdit, ProductChange, ProductEdit, Reply};
use crate::domain::ProductId;

/// How often an edit is merged again because the product changed between reading and writing it.
const ATTEMPTS: u32 = 20;

/// An edit of a product, made from a version of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProductEditLine {
    /// The product.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        example = "tea-1"
    )]
    product_id: String,
    /// The version that the edit is based on.
    #[schema(minimum = 1)]
    version: u64,
    /// When it was made; now, where it is missing.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    edited_at: Option<Timestamp>,
    /// What is changed, as in `PATCH /v1/products/{productId}`.
    #[schema(value_type = Object)]
    changes: Map<String, Value>,
}

/// What became of an edit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EditResult {
    /// The line's number, from 1.
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<String>,
    /// `applied`, `merged`, `unchanged`, `conflict` or `refused`.
    outcome: &'static str,
    /// The product's version now.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<StreamVersion>,
    /// What merging did not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    losers: Vec<Loser>,
    /// What a person must decide; nothing was changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict>,
    /// Why it was refused, or stands in conflict.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Brings in edits of products that were made offline, one JSON object per line
/// (`{"productId", "version", "editedAt"?, "changes"}`), one after the other, and answers one line per line, in order:
/// `{"line", "productId", "outcome", "version", "losers", "conflicts", "problem"}`.
///
/// Operators only. An edit of the current version is `applied`. Where the product changed since, the edit is `merged` from
/// its version field by field: names and brands by the last writer, tags and categories as sets, descriptions and attributes
/// piece by piece; values that were not taken are named in `losers`. A price or a status that both changed, and texts where
/// the changes meet, are a `conflict`: both values are shown, and nothing of the line is changed. Sending the same file again
/// changes nothing more. Answers are streamed while the body arrives: read them while sending.
#[utoipa::path(post, path = "/v1/products/edits", tag = "products",
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "One result per line", content_type = "application/x-ndjson", body = String),
        Refusals),
    security(("bearer" = [])))]
pub(super) async fn edit_products(
    State(api): Shared,
    caller: Caller,
    Context(mut context): Context,
    lines: Lines,
) -> Answered<Response> {
    caller.require_operator()?;
    context.user_id = Some(caller.actor().into());
    // In turn, so that of two edits of one product the later line meets what the earlier one made.
    let results = lines.of_at_most(MAX_LINE_BYTES)?.then(move |line| {
        let (api, context) = (api.clone(), context.clone());
        async move { edit_line(&api, context, line).await }
    });
    Ok(ndjson::answer(results))
}

async fn edit_line(api: &Api, context: CallContext, line: Line) -> EditResult {
    let parsed = line.text.and_then(|text| body::parsed::<ProductEditLine>(&text));
    let (product_id, edited) = match parsed {
        Ok(edit) => (Some(edit.product_id.clone()), edited(api, &context, edit).await),
        Err(problem) => (None, Err(Box::new(Refused::of(problem)))),
    };
    let result = EditResult {
        line: line.number,
        product_id,
        outcome: "refused",
        version: None,
        losers: Vec::new(),
        conflicts: Vec::new(),
        problem: None,
    };
    match edited {
        Ok(Edited { version, losers, outcome }) => EditResult { outcome, version: Some(version), losers, ..result },
        Err(refused) => EditResult {
            outcome: if refused.conflicts.is_empty() { "refused" } else { "conflict" },
            conflicts: refused.conflicts,
            problem: Some(refused.problem),
            ..result
        },
    }
}

struct Edited {
    version: StreamVersion,
    outcome: &'static str,
    losers: Vec<Loser>,
}

struct Refused {
    problem: Problem,
    conflicts: Vec<Conflict>,
}

impl Refused {
    fn of(problem: Problem) -> Self {
        Self { problem, conflicts: Vec::new() }
    }
}

impl From<Problem> for Box<Refused> {
    fn from(problem: Problem) -> Self {
        Self::new(Refused::of(problem))
    }
}

async fn edited(api: &Api, context: &CallContext, edit: ProductEditLine) -> Result<Edited, Box<Refused>> {
    let id = problems::product_id(&edit.product_id)?;
    let now = api.host.now();
    checked(&edit.changes, "/changes")?;
    if edit.edited_at.is_some_and(|at| at > now) {
        let detail = "lies in the future".to_owned();
        return Err(problem::invalid_body(vec![FieldError { pointer: "/editedAt".to_owned(), detail }]).into());
    }
    let base = StreamVersion(edit.version);
    let origin = Origin { version: None, at: edit.edited_at.unwrap_or(now), by: context.user_id.clone() };
    let change = ProductEdit { changes: &edit.changes, origin };
    for _ in 0..ATTEMPTS {
        let versions = api.edits.versions(&id, base).await.map_err(|fault| problem::from_fault(&fault))?;
        let versions = versions.ok_or_else(problems::no_product)?;
        let MergedEdit { document, losers } = match api.edits.merged(&versions, &change) {
            Ok(merged) => merged,
            Err(error) => return Err(of_error(error, versions.version)),
        };
        let patch = checked(&document, "")?.patch(&document);
        let change = ProductChange::Patch { expected: versions.version, patch: Box::new(patch) };
        let command = Command::ChangeProduct { product: ProductId::clone(&id), change };
        match ask(api, context.clone(), command).await? {
            Reply::ProductSaved(saved) => {
                let outcome = match saved.effect {
                    _ if !losers.is_empty() => "merged",
                    Effect::Unchanged => "unchanged",
                    Effect::Created | Effect::Changed if versions.version == base => "applied",
                    Effect::Created | Effect::Changed => "merged",
                };
                return Ok(Edited { version: saved.version, outcome, losers });
            }
            // Somebody was faster: merge with what there is now.
            Reply::OtherVersion { .. } => {}
            other => return Err(problems::of_reply(&other).into()),
        }
    }
    Err(problems::contended().into())
}

/// The changes as a patch, checked as in a PATCH; places are told below `above`.
fn checked(changes: &Map<String, Value>, above: &str) -> Result<ProductPatchBody, Box<Refused>> {
    body::checked(&Value::Object(changes.clone())).map_err(|errors| {
        let place = |error: FieldError| FieldError { pointer: format!("{above}{}", error.pointer), ..error };
        problem::invalid_body(errors.into_iter().map(place).collect()).into()
    })
}

fn of_error(error: EditError, current: StreamVersion) -> Box<Refused> {
    match error {
        EditError::Fault(fault) => problem::from_fault(&fault).into(),
        EditError::UnknownBase => problems::unknown_base(current).into(),
        EditError::Conflicts(conflicts) => {
            let fields = conflicts.iter().map(|conflict| FieldError {
                pointer: conflict.field.to_string(),
                detail: format!("both changed it: {}", both(conflict)),
            });
            let problem = problems::merge_conflict(fields.collect(), current);
            Box::new(Refused { problem, conflicts })
        }
    }
}

/// Both values, in words.
fn both(conflict: &Conflict) -> String {
    let text =
        |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), |value| json!(value).to_string());
    format!("it is {}, the edit says {}", text(&conflict.current), text(&conflict.proposed))
}

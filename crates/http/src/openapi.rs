//! What handlers say about problems in their OpenAPI annotations.

use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::FieldError;

/// The document of an error answer (RFC 9457), for OpenAPI: name it in `responses(...)` as
/// `(status = "4XX", body = ProblemDocument, content_type = "application/problem+json", description = "...")`, or use
/// [`Refusals`].
#[derive(Debug, ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes what Problem writes; never built")]
pub struct ProblemDocument {
    /// The page that explains this kind of problem.
    #[schema(rename = "type", example = "/docs/problems/invalid-body")]
    r#type: String,
    /// The kind in words; the same every time.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time.
    detail: Option<String>,
    /// The path of the request.
    instance: Option<String>,
    /// The kind for programs.
    #[schema(example = "invalid-body")]
    code: String,
    /// Every field that is wrong.
    errors: Option<Vec<FieldError>>,
    /// Finds the request in logs and traces.
    #[schema(rename = "traceId")]
    trace_id: Option<String>,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// Whether the effect certainly did not happen (`not-applied`) or may have (`unknown`); on 5xx.
    outcome: Option<Value>,
}

/// The error answers that every operation may give: `responses((status = 200, body = Order), Refusals)`.
#[derive(Debug, utoipa::IntoResponses)]
pub enum Refusals {
    /// The request is refused; `code` says why.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Client(#[to_schema] ProblemDocument),
    /// The request could not be answered now; `outcome` says whether it had its effect.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Server(#[to_schema] ProblemDocument),
}

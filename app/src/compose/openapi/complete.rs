//! What every operation of the API has in common, said once: who may call it, which refusals it may give, what headers
//! mean, and where one can go from an answer.
//!
//! A service describes what is its own: its successes, and refusals with a meaning of their own. What the edge adds to
//! every route is added here to every description, so that no route can forget it.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

mod links;
mod shapes;

/// What anybody may call; everything else needs a token.
const OPEN: &[(&str, &str)] = &[
    ("post", "/v1/users"),
    ("post", "/v1/sessions"),
    ("get", "/v1/products/search"),
    ("get", "/v1/products/suggest"),
    ("get", "/v1/products/{productId}"),
];

/// Reads of views that wait until the view has seen a position.
const WAIT_FOR_A_POSITION: &[&str] = &[
    "/v1/orders",
    "/v1/orders/{orderId}",
    "/v1/users/{userId}/orders",
    "/v1/sagas",
    "/v1/products/search",
    "/v1/products/{productId}",
    "/v1/products/{productId}/stock",
    "/v1/mails",
    "/v1/users/search",
    "/v1/users/{id}/profile",
    "/v1/customers/{id}/overview",
    "/v1/analytics/dashboard",
];

/// Those of them that do not know how far they are behind where nothing is waited for.
const WITHOUT_LAG: &[&str] = &["/v1/users/search", "/v1/customers/{id}/overview"];

/// Refusals by status: the name of the shared answer and its description.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("400", "BadRequest", "The path, the query, a header or the JSON itself is not valid"),
    ("401", "Unauthorized", "No token, or one that does not count"),
    ("403", "Forbidden", "The caller may not do this"),
    ("404", "NotFound", "There is no such thing, or none that the caller may see"),
    ("408", "BodyTooSlow", "The body took too long to arrive"),
    ("409", "Conflict", "What is there does not allow it; `code` says why"),
    (
        "412",
        "PreconditionFailed",
        "It was changed since the version in `If-Match`, or the position is of another epoch",
    ),
    ("413", "BodyTooLarge", "The body is longer than is taken"),
    ("415", "UnsupportedMediaType", "The body is of another kind than is taken"),
    ("422", "InvalidBody", "The body breaks rules; `errors` names every one"),
    ("428", "PreconditionRequired", "`If-Match` is required and missing"),
    ("429", "TooManyRequests", "The caller sends too many requests"),
    ("500", "Internal", "Something is broken; `outcome` says whether the request had its effect"),
    ("502", "BadGateway", "A service behind the gateway did not answer understandably"),
    ("503", "Unavailable", "Not at the moment; come back after `Retry-After`"),
    ("504", "GatewayTimeout", "A service behind the gateway did not answer in time"),
];

/// The same description, with everything that all operations share. As JSON: the description's own types cannot say links
/// as OpenAPI writes them.
#[expect(clippy::expect_used, reason = "the description's types have texts as their keys")]
pub(super) fn complete(described: &OpenApi) -> Value {
    let mut all = serde_json::to_value(described).expect("a description is JSON");
    let paths = all["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut completed = Map::new();
    for (path, mut item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(&path, method, operation);
        }
        completed.insert(path, item);
    }
    links::add(&mut completed);
    all["paths"] = Value::Object(completed);
    shapes::add(&mut all);
    for (status, name, description) in REFUSALS {
        all["components"]["responses"][*name] = refusal(status, description);
    }
    all
}

fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    if let Some(id) = operation["operationId"].as_str().map(camel) {
        operation["operationId"] = Value::from(id);
    }
    let open = OPEN.contains(&(method, path));
    // An operator's token lets more pass where the call is open: an empty choice beside it.
    operation["security"] = if open { json!([{}, { "bearer": [] }]) } else { json!([{ "bearer": [] }]) };
    let mut parameters: Vec<Value> =
        operation.get_mut("parameters").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let waits = method == "get" && WAIT_FOR_A_POSITION.contains(&path);
    if waits && parameters.iter().all(|parameter| parameter["name"] != "Madrigal-Position") {
        parameters.push(json!({ "name": "Madrigal-Position", "in": "header", "required": false }));
    }
    parameters.iter_mut().for_each(complete_parameter);
    let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
    let based_on_version = has("If-Match");
    let has_body = operation.get("requestBody").is_some();
    let mut wanted = vec!["400", "401", "429", "500", "502", "503", "504"];
    wanted.extend((!open || method == "post").then_some("403"));
    wanted.extend(path.contains('{').then_some("404"));
    wanted.extend((method != "get").then_some("409"));
    wanted.extend((based_on_version || waits).then_some("412"));
    wanted.extend(based_on_version.then_some("428"));
    wanted.extend(has_body.then_some(["408", "413", "415", "422"]).into_iter().flatten());
    let responses = operation["responses"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let says_lag = waits && !WITHOUT_LAG.contains(&path);
    operation["responses"] = Value::Object(complete_responses(responses, &wanted, says_lag));
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
}

/// What a parameter of this name is everywhere.
fn complete_parameter(parameter: &mut Value) {
    let name = parameter["name"].as_str().unwrap_or_default();
    let (description, schema, example) = match name {
        "If-Match" => (
            "The `ETag` of the version that the change is based on",
            json!({ "type": "string", "pattern": "^\"[0-9]{1,19}\"$" }),
            "\"1\"",
        ),
        "Idempotency-Key" => (
            "A text of the client's own making; the same one makes a repeated request one request",
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
            "5f0c7a52-basket-17",
        ),
        "Madrigal-Position" => (
            "The `Madrigal-Position` of a write: the answer has seen at least that",
            json!({ "type": "string", "format": "position", "minLength": 1, "maxLength": 2048, "pattern": "^[A-Za-z0-9_-]+$" }),
            "",
        ),
        "Prefer" => (
            "`wait=N`: answer within N seconds (5 unless stated, at most 30); `respond-async`: do not wait",
            json!({ "type": "string" }),
            "wait=10",
        ),
        "cursor" => (
            "Where the page begins: `next` of the page before",
            json!({ "type": "string", "format": "cursor", "minLength": 1, "maxLength": 2048, "pattern": "^[A-Za-z0-9_-]+$" }),
            "",
        ),
        _ => return name_by_itself(parameter),
    };
    parameter["description"] = Value::from(description);
    parameter["schema"] = schema;
    if !example.is_empty() {
        parameter["example"] = Value::from(example);
    }
}

/// Parameters whose name says it all.
fn name_by_itself(parameter: &mut Value) {
    let said = parameter["description"].as_str().is_some_and(|text| !text.is_empty());
    let description = match parameter["name"].as_str().unwrap_or_default() {
        "orderId" => "The order",
        "productId" => "The product",
        "sagaId" => "The saga",
        "name" => "The projection, as in `order-view`",
        "userId" | "id" => "The user",
        _ => return,
    };
    if !said {
        parameter["description"] = Value::from(description);
    }
}

fn complete_responses(described: Map<String, Value>, wanted: &[&str], says_lag: bool) -> Map<String, Value> {
    let mut responses = Map::new();
    for (status, mut response) in described {
        // Said more exactly below.
        if matches!(status.as_str(), "4XX" | "5XX") {
            continue;
        }
        if status.starts_with(['4', '5']) {
            let description = response["description"].as_str().unwrap_or_default().to_owned();
            let shared = refusal(&status, &description);
            response["content"] = shared["content"].clone();
            merge_headers(&mut response, &shared["headers"]);
        } else {
            merge_headers(&mut response, &traced());
            if says_lag && status == "200" {
                let lag = json!({ "Madrigal-Lag": header("integer",
                    "How many events the view that answered is behind; on reads without `Madrigal-Position`") });
                merge_headers(&mut response, &lag);
            }
        }
        responses.insert(status, response);
    }
    for status in wanted {
        if let Some((_, name, _)) = REFUSALS.iter().find(|(of, ..)| of == status) {
            let shared = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.entry(*status).or_insert(shared);
        }
    }
    responses
}

/// A problem document with the headers that an answer of this status has.
fn refusal(status: &str, description: &str) -> Value {
    let mut headers = traced();
    match status {
        "401" => headers["WWW-Authenticate"] = header("string", "`Bearer`, and what is wrong with the token"),
        "412" => headers["ETag"] = header("string", "The version that is there, where the version was wrong"),
        "429" | "503" => headers["Retry-After"] = header("integer", "In how many seconds to come back"),
        _ => {}
    }
    json!({
        "description": description,
        "headers": headers,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

/// The headers of every answer.
fn traced() -> Value {
    json!({
        "X-Correlation-Id": header("string", "The request that set everything in motion: as it was sent, or made here"),
        "traceparent": header("string", "The trace that the request belongs to (W3C)"),
    })
}

fn header(kind: &str, description: &str) -> Value {
    json!({ "description": description, "schema": { "type": kind } })
}

fn merge_headers(response: &mut Value, headers: &Value) {
    let mut known = response["headers"].as_object_mut().map(std::mem::take).unwrap_or_default();
    for (name, header) in headers.as_object().into_iter().flatten() {
        known.entry(name.clone()).or_insert_with(|| header.clone());
    }
    response["headers"] = Value::Object(known);
}

/// `place_order` as `placeOrder`: one way to write the names of operations.
fn camel(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    let mut raise = false;
    for character in id.chars() {
        if character == '_' {
            raise = true;
        } else if std::mem::take(&mut raise) {
            name.extend(character.to_uppercase());
        } else {
            name.push(character);
        }
    }
    name
}

#[cfg(test)]
mod tests;

//! Bodies of many lines.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use futures::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use madrigal_http::Problem;
use madrigal_http::ndjson::{self, Line, Lines};
use serde_json::{Value, json};
use tower::ServiceExt;

fn router() -> Router {
    let told = |line: Line| match line.text {
        Ok(text) => json!({ "line": line.number, "bytes": text.len() }),
        Err(problem) => json!({ "line": line.number, "code": problem.code() }),
    };
    let handler = async move |lines: Lines| Ok::<_, Problem>(ndjson::answer(lines.of_at_most(10)?.map(told)));
    Router::new().route("/", post(handler))
}

async fn told(pieces: Vec<Result<&'static str, std::io::Error>>) -> Vec<Value> {
    let request = Request::post("/").header(CONTENT_TYPE, ndjson::NDJSON);
    let request = request.body(Body::from_stream(stream::iter(pieces))).unwrap();
    let answer = router().oneshot(request).await.unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[tokio::test]
async fn every_line_is_told_of_wherever_the_pieces_of_the_body_end() {
    let lines = told(vec![Ok("12"), Ok("3\n\n"), Ok("12345678901"), Ok("2345\n1234567890\nx"), Ok("yz")]).await;
    let expected = json!([
        { "line": 1, "bytes": 3 }, { "line": 2, "code": "blank-line" }, { "line": 3, "code": "line-too-long" },
        { "line": 4, "bytes": 10 }, { "line": 5, "bytes": 3 }
    ]);
    assert_eq!(Value::from(lines), expected);
}

#[tokio::test]
async fn a_body_that_breaks_off_says_so_and_its_last_line_does_not_count() {
    let broken = || Err(std::io::Error::other("reset"));
    let lines = told(vec![Ok("1\n2"), broken()]).await;
    assert_eq!(Value::from(lines), json!([{ "line": 1, "bytes": 1 }, { "line": 2, "code": "import-cut-off" }]));
    let lines = told(vec![Ok("123456789012"), broken(), Ok("x\n")]).await;
    assert_eq!(
        Value::from(lines),
        json!([{ "line": 1, "code": "line-too-long" }, { "line": 2, "code": "import-cut-off" }])
    );
}

//! No input makes a 5xx or an error that is no problem document.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use madrigal_http::testing;
use proptest::prelude::*;

use crate::shop::Shop;

const PATHS: &[&str] = &[
    "/v1/orders",
    "/v1/orders/",
    "/v1/users/",
    "/v1/operators",
    "/v1/open",
    "/v1/plain",
    "/v1/context",
    "/v1/wait",
    "/",
];
const HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "content-length",
    "idempotency-key",
    "if-match",
    "madrigal-position",
    "prefer",
    "x-correlation-id",
    "traceparent",
    "madrigal-deadline-ms",
    "madrigal-user",
    "madrigal-causation-id",
    "accept",
];
const VALUES: &[&str] = &[
    "application/json",
    "Bearer ",
    "Bearer a.b.c",
    "\"7\"",
    "*",
    "wait=99999999999999999999",
    "-1",
    "00-",
    "18446744073709551616",
    "application/json; charset=utf-8",
];
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"items\"",
    "\"productId\"",
    "\"quantity\"",
    "\"payment\"",
    "\"kind\"",
    "\"card\"",
    "\"token\"",
    "null",
    "true",
    "1e400",
    "-0",
    "9223372036854775808",
    "1.5",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"",
    "\\",
    " ",
    "\u{0}",
    "{}",
    "\"note\":\"toolong\"",
    "\"labels\":{}",
    "\u{feff}",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(VALUES).prop_map(|value| value.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn tail() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[0-9]{1,25}",
        "(%[0-9a-f]{2}|[a-z/?&=+.~-]){0,20}",
        "\\?(limit|status|x)=(%[0-9a-fA-F]{2}|[0-9a-z]){0,10}(&(limit|status)=[0-9-]{0,3}){0,3}",
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(prop::sample::select(PIECES), 0..30).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn bad_input_is_always_a_4xx_problem(
        method in prop::sample::select(&[Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE][..]),
        path in prop::sample::select(PATHS),
        tail in tail(),
        headers in prop::collection::vec((prop::sample::select(HEADERS), value()), 0..5),
        json in any::<bool>(),
        body in body(),
    ) {
        let Ok(uri) = format!("{path}{tail}").parse::<Uri>() else { return Ok(()) };
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        if json {
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
            request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k"));
            request.headers_mut().insert("if-match", HeaderValue::from_static("\"7\""));
        }
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        let shown = format!("{request:?}");
        let (status, headers, body) = RUNTIME.with(|runtime| runtime.block_on(testing::send_request(&Shop::new().router, request)));
        prop_assert!(!status.is_server_error(), "{shown}: {status} {body}");
        if status.is_client_error() {
            prop_assert_eq!(&headers["content-type"], "application/problem+json", "{}", shown);
            prop_assert!(body["code"].is_string() && body["status"] == status.as_u16(), "{shown}: {body}");
        }
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
}

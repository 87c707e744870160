//! What a browser gets.

use axum::Router;
use http::{Method, StatusCode};
use madrigal_core::Host;
use madrigal_gateway::{ConsoleParts, DemoHints, GatewayParts, Storytellers, Target, Upstream, problem_codes};
use madrigal_http::testing;

const HOST: (&str, &str) = ("host", "localhost:8080");

fn gateway() -> Router {
    let (edge, _) = testing::edge(&Host::seeded(1));
    let upstream = Upstream { service: "order-service", target: Target::InProcess(Router::new()) };
    let demo = DemoHints { login: "ines".into(), password: "\"><script>".into(), operator: None };
    let parts = GatewayParts {
        upstreams: vec![upstream],
        openapi: r#"{"openapi":"3.1.0"}"#,
        operations: Router::new(),
        storytellers: Storytellers::absent(),
        demo: Some(demo),
        console: ConsoleParts::default(),
        version: "0.0.0",
    };
    madrigal_gateway::router(parts, &edge).unwrap()
}

#[tokio::test]
async fn every_page_is_ours_alone_and_in_nobodys_frame() {
    let gateway = gateway();
    for path in ["/", "/assets/console.js", "/assets/console.css", "/favicon.svg", "/docs/", "/docs/problems"] {
        let (status, headers, body) = testing::send(&gateway, Method::GET, path, &[HOST], ()).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-eval"), "{path}: {policy}");
        assert_eq!(
            (&headers["x-frame-options"], &headers["x-content-type-options"]),
            (&"DENY".parse().unwrap(), &"nosniff".parse().unwrap())
        );
        if !path.starts_with("/docs/") {
            assert!(!policy.contains("unsafe-inline"), "{path}: {policy}");
            let text = body.as_str().unwrap();
            assert!(
                !text.contains("://") || path.ends_with(".js") || path.ends_with(".svg"),
                "{path} names another host"
            );
        }
    }
}

#[tokio::test]
async fn a_page_has_nothing_inline_and_escapes_what_it_is_given() {
    let (_, _, body) = testing::send(&gateway(), Method::GET, "/login", &[HOST], ()).await;
    let page = body.as_str().unwrap();
    for inline in ["style=", "onclick=", "<style", "javascript:", "\"><script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
    assert_eq!(page.matches("<script").count(), 1);
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_told_so() {
    let gateway = gateway();
    let (_, headers, _) = testing::send(&gateway, Method::GET, "/assets/console.css", &[], ()).await;
    let tag = headers["etag"].to_str().unwrap();
    let (status, _, body) =
        testing::send(&gateway, Method::GET, "/assets/console.css", &[("if-none-match", tag)], ()).await;
    assert_eq!((status, body), (StatusCode::NOT_MODIFIED, serde_json::Value::Null));
}

#[tokio::test]
async fn every_problem_has_its_page_and_an_unknown_one_is_a_404() {
    let gateway = gateway();
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems")).unwrap();
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (status, _, body) = testing::send(&gateway, Method::GET, &format!("/docs/problems/{code}"), &[], ()).await;
        assert_eq!(status, StatusCode::OK, "{code}");
        assert!(body.as_str().unwrap().contains(&format!("<h1>{code}</h1>")), "{code}: the page's heading is its code");
        count += 1;
    }
    assert_eq!(count, problem_codes().count());
    for path in ["/docs/problems/no-such-code", "/docs/no-such-file.js"] {
        let (status, headers, _) = testing::send(&gateway, Method::GET, path, &[], ()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(headers["content-type"], "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn the_description_is_served_as_it_is_and_its_reading_room_needs_nothing_from_elsewhere() {
    let gateway = gateway();
    let (_, _, document) = testing::send(&gateway, Method::GET, "/openapi.json", &[], ()).await;
    assert_eq!(document["openapi"], "3.1.0");
    let (status, headers, _) = testing::send(&gateway, Method::GET, "/docs", &[], ()).await;
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::PERMANENT_REDIRECT, "/docs/"));
    let (_, _, index) = testing::send(&gateway, Method::GET, "/docs/", &[], ()).await;
    assert!(!index.as_str().unwrap().contains("https://"));
    let (_, _, setup) = testing::send(&gateway, Method::GET, "/docs/swagger-initializer.js", &[], ()).await;
    assert!(setup.as_str().unwrap().contains("/openapi.json"));
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"] {
        let (status, _, _) = testing::send(&gateway, Method::GET, &format!("/docs/{file}"), &[], ()).await;
        assert_eq!(status, StatusCode::OK, "{file}");
    }
}

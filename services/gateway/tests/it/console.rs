//! The console's pages behind a made-up API: what it lets through, what it shows as text, what its cookies are.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode};
use madrigal_core::Host;
use madrigal_gateway::{ConsoleParts, DemoHints, GatewayParts, Storytellers, Target, Upstream};
use madrigal_http::{Caller, Role, TokenSigner, testing};
use serde_json::{Value, json};

pub(super) const EVIL: &str = "<img src=x onerror=alert(1)>\"'&";
type Header<'a> = (&'a str, &'a str);

pub(super) const HOST: (&str, &str) = ("host", "127.0.0.1:8080");
pub(super) const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:8080");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub(super) struct Shop {
    pub(super) gateway: Router,
    signer: Arc<TokenSigner>,
    host: Host,
}

fn product() -> Value {
    json!({"productId": "evil", "name": EVIL, "description": EVIL, "brand": EVIL, "tags": [EVIL], "status": "active",
        "category": [{"id": EVIL, "name": EVIL, "path": EVIL}], "attributes": [{"name": EVIL, "value": EVIL}],
        "price": {"amount": 1999, "currency": "EUR", "discount": 0}, "inventory": {"available": 5}, "ratings": {"count": 0},
        "highlight": {"name": format!("<b>{EVIL}</b>")}})
}

fn saga() -> Value {
    json!({"sagaId": "0123456789abcdef4c1e", "definition": EVIL, "definitionVersion": 1, "state": "stuck", "reason": EVIL, "cause": EVIL,
        "owner": 1, "startedAt": "2026-11-22T10:00:00Z", "lastProgressAt": "2026-11-22T10:00:01Z", "committedAt": null,
        "steps": [{"name": EVIL, "kind": EVIL, "state": "done", "attempts": [{"startedAt": "2026-11-22T10:00:00Z",
            "endedAt": "2026-11-22T10:00:01Z", "outcome": EVIL, "detail": EVIL}], "undo": []}],
        "operator": [{"at": "2026-11-22T10:00:00Z", "verb": EVIL, "step": null, "who": EVIL, "why": EVIL, "evidence": EVIL}],
        "currentSteps": [EVIL]})
}

fn users() -> Router {
    Router::new()
        .route("/v1/users/{id}/profile", get(async || Json(json!({"firstName": EVIL, "lastName": ""}))))
        .route("/v1/sessions", post(async || StatusCode::UNAUTHORIZED))
}

fn catalog() -> Router {
    Router::new()
        .route(
            "/v1/products/search",
            get(async || {
                Json(json!({"items": [product()], "next": null,
            "facets": {"brand": [{"value": EVIL, "count": 1}], format!("attr.{EVIL}"): [{"value": EVIL, "count": 1}]}}))
            }),
        )
        .route("/v1/products/{id}", get(async || Json(product())))
}

fn orders() -> Router {
    let order = json!({"orderId": EVIL, "userId": 1, "customerInfo": {"name": EVIL}, "items": [], "summary": {"itemCount": 1,
        "finalAmount": 1}, "currency": EVIL, "currentStatus": EVIL, "lastUpdated": EVIL});
    let list = Json(json!({"items": [order], "next": null}));
    Router::new()
        .route("/v1/orders", get(async move |_: Caller| list.clone()).post(async |_: Caller| StatusCode::IM_A_TEAPOT))
        .route("/v1/sagas", get(async |_: Caller| Json(json!({"items": [saga()], "next": null}))))
        .route("/v1/sagas/{id}", get(async |_: Caller, Path(_): Path<String>| Json(saga())))
}

fn shop_with(console: ConsoleParts) -> Shop {
    shop_of(console, Router::new())
}

/// A shop that answers these routes too.
pub(super) fn shop_and(more: Router) -> Shop {
    shop_of(ConsoleParts::default(), more)
}

fn shop_of(console: ConsoleParts, more: Router) -> Shop {
    let host = Host::system();
    let (edge, signer) = testing::edge(&host);
    let upstream = |service, router| Upstream { service, target: Target::InProcess(router) };
    let parts = GatewayParts {
        upstreams: vec![
            upstream("user-service", users()),
            upstream("catalog-service", catalog()),
            upstream("order-service", orders().merge(more)),
        ],
        openapi: "{}",
        operations: Router::new().route(
            "/health",
            get(async || Json(json!({"checks": {EVIL: {"services": {EVIL: {"status": EVIL, "detail": EVIL}}}}}))),
        ),
        storytellers: Storytellers::absent(),
        demo: Some(DemoHints { login: EVIL.into(), password: EVIL.into(), operator: None }),
        console,
        version: "0.0.0",
    };
    Shop { gateway: madrigal_gateway::router(parts, &edge).unwrap(), signer, host }
}

fn shop() -> Shop {
    shop_with(ConsoleParts::default())
}

impl Shop {
    pub(super) fn token(&self, role: Role, lifetime: Duration) -> String {
        self.signer.issue(&self.host, "1", role, lifetime).0
    }

    pub(super) fn operator(&self) -> String {
        format!("madrigal_session={}", self.token(Role::Operator, Duration::from_secs(600)))
    }

    pub(super) async fn see(&self, path: &str, cookie: &str) -> (StatusCode, HeaderMap, String) {
        let (status, headers, body) =
            testing::send(&self.gateway, Method::GET, path, &[HOST, ("cookie", cookie)], ()).await;
        (status, headers, body.as_str().unwrap_or_default().to_owned())
    }

    pub(super) async fn form(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let headers: Vec<_> = [FORM].iter().chain(headers).copied().collect();
        let (status, headers, answer) = testing::send(&self.gateway, Method::POST, path, &headers, body).await;
        (status, headers, answer.as_str().unwrap_or_default().to_owned())
    }
}

pub(super) fn csrf(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn whatever_the_api_says_is_shown_as_text_on_every_page() {
    let shop = shop();
    let cookie = shop.operator();
    let pages = [
        "/",
        "/login",
        "/shop",
        "/shop?q=%3Cimg%20src%3Dx%3E",
        "/shop/products/evil",
        "/orders",
        "/sagas",
        "/sagas/x",
        "/sagas/x/pause",
        "/sagas/x/skip",
        "/projections",
    ];
    for path in pages {
        let (_, headers, page) = shop.see(path, &cookie).await;
        assert!(page.starts_with("<!DOCTYPE html>"), "{path}: {page}");
        for inline in ["<img", "onerror=alert(1)>\"", "style=\"", " onclick", "javascript:", "<iframe"] {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(
            (&headers["cache-control"], &headers["referrer-policy"]),
            (&"no-store".parse().unwrap(), &"same-origin".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_form_without_its_token_or_from_elsewhere_does_nothing() {
    let shop = shop();
    let cookie = shop.operator();
    let (_, _, page) = shop.see("/shop/products/evil", &cookie).await;
    let right = format!("csrf={}&add=evil&back=%2Fshop", csrf(&page));
    let own = [HOST, ORIGIN, ("cookie", &*cookie)];
    let (status, headers, _) = shop.form("/shop/basket", &own, &right).await;
    assert_eq!(
        (status, cookies(&headers)),
        (StatusCode::SEE_OTHER, vec!["madrigal_basket=evil*1; HttpOnly; SameSite=Strict; Path=/".to_owned()])
    );
    let other = shop.token(Role::Customer, Duration::from_secs(600));
    let other = format!("madrigal_session={other}");
    let refused: [(&str, Vec<Header<'_>>, &str); 8] = [
        ("no token", own.to_vec(), "add=evil"),
        ("a wrong token", own.to_vec(), "csrf=00&add=evil"),
        ("another session's token", vec![HOST, ORIGIN, ("cookie", &other)], &right),
        ("no session", vec![HOST, ORIGIN], &right),
        ("a forged origin", vec![HOST, ("origin", "http://evil.example"), ("cookie", &cookie)], &right),
        ("no origin", vec![HOST, ("cookie", &cookie)], &right),
        ("another site", vec![HOST, ORIGIN, ("sec-fetch-site", "cross-site"), ("cookie", &cookie)], &right),
        (
            "a rebound name",
            vec![("host", "evil.example"), ("origin", "http://evil.example"), ("cookie", &cookie)],
            &right,
        ),
    ];
    for (what, headers, body) in refused {
        let (status, headers, page) = shop.form("/shop/basket", &headers, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
        assert!(page.contains("Nothing was done") && cookies(&headers).is_empty(), "{what}: {page}");
    }
    let (status, ..) = shop.form("/shop/basket", &own, &"x".repeat(70_000)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_log_in_sets_a_cookie_for_this_host_alone_and_leads_back_to_this_site_only() {
    for (secure, name, end) in [(false, "madrigal_session", ""), (true, "__Host-madrigal_session", "; Secure")] {
        let shop = shop_with(ConsoleParts { secure, ..ConsoleParts::default() });
        let (_, headers, page) = shop.see("/login", "").await;
        let guest = cookies(&headers)[0].split(';').next().unwrap().to_owned();
        let token = shop.token(Role::Operator, Duration::from_secs(600));
        for (next, to) in [
            ("%2Fsagas", "/sagas"),
            ("%2F%2Fevil.example", "/"),
            ("https%3A%2F%2Fevil.example", "/"),
            ("%2F%5Cevil.example", "/"),
        ] {
            let body = format!("csrf={}&token={token}&next={next}", csrf(&page));
            let (status, headers, _) = shop.form("/login/operator", &[HOST, ORIGIN, ("cookie", &guest)], &body).await;
            assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, to));
            assert_eq!(cookies(&headers)[0], format!("{name}={token}; HttpOnly; SameSite=Strict; Path=/{end}"));
        }
        for token in ["x", &shop.token(Role::Service, Duration::from_secs(600))] {
            let body = format!("csrf={}&token={token}", csrf(&page));
            let (status, headers, _) = shop.form("/login/operator", &[HOST, ORIGIN, ("cookie", &guest)], &body).await;
            assert_eq!((status, cookies(&headers)), (StatusCode::UNAUTHORIZED, vec![]));
        }
    }
}

#[tokio::test]
async fn an_ended_session_is_said_and_leads_back_after_the_log_in() {
    let shop = shop();
    let past = Host::system();
    let claims = madrigal_http::Claims {
        sub: "anna".into(),
        role: Role::Operator,
        iat: past.now().as_seconds() - 100,
        exp: past.now().as_seconds() - 10,
        jti: "1".into(),
    };
    let ended = format!("madrigal_session={}", shop.signer.sign(&claims));
    let (status, headers, _) = shop.see("/sagas?state=stuck", &ended).await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/login?why=ended&next=%2Fsagas%3Fstate%3Dstuck")
    );
    let (_, headers, page) = shop.see("/login?why=ended&next=%2Fsagas%3Fstate%3Dstuck", &ended).await;
    assert!(page.contains("Your log-in has ended") && page.contains("value=\"/sagas?state=stuck\""), "{page}");
    assert!(
        cookies(&headers)
            .iter()
            .any(|cookie| cookie.starts_with("madrigal_session=; ") && cookie.contains("Max-Age=0"))
    );
    let (status, headers, _) = shop.see("/projections", "").await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/login?why=closed&next=%2Fprojections")
    );
}

#[tokio::test]
async fn operators_pages_and_streams_are_for_operators() {
    let shop = shop();
    let customer = format!("madrigal_session={}", shop.token(Role::Customer, Duration::from_secs(600)));
    assert_eq!(shop.see("/projections", &customer).await.0, StatusCode::FORBIDDEN);
    assert_eq!(shop.see("/console/live?page=projections", &customer).await.0, StatusCode::FORBIDDEN);
    assert_eq!(shop.see("/console/live?page=sagas", "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.see("/console/live?page=none", "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stream_says_the_pages_state_and_ends_with_the_process_and_they_are_bounded() {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let closing = madrigal_core::tasks::StopSignal::new();
    let shop = shop_with(ConsoleParts { closing: closing.clone(), ..ConsoleParts::default() });
    let listen = async || {
        let request =
            http::Request::get("/console/live?page=sagas").header("host", HOST.1).header("cookie", shop.operator());
        shop.gateway.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..16 {
        let stream = listen().await;
        assert_eq!(
            (stream.status(), &stream.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        streams.push(stream);
    }
    let refused = listen().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    drop(streams.pop());
    let mut body = listen().await.into_body();
    let mut next =
        async || String::from_utf8(body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec()).unwrap();
    assert!(next().await.starts_with("retry: "));
    let message = next().await;
    let message: Value = serde_json::from_str(message.strip_prefix("data: ").unwrap()).unwrap();
    assert!(message["text"]["headline"].as_str().unwrap().contains("a person"), "{message}");
    let table = message["html"]["sagas"].as_str().unwrap();
    assert!(table.starts_with("<section") && !table.contains("<img"), "{table}");
    closing.cancel();
    for stream in streams {
        drop(stream.into_body().collect().await.unwrap());
    }
}

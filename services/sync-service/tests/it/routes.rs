//! The public routes.

use axum::Router;
use http::{Method, StatusCode};
use madrigal_http::auth::Role;
use madrigal_http::testing::{bearer, edge, send};
use madrigal_sync_service::SyncService;
use serde_json::{Value, json};

use crate::shop::{Shop, caught_up};

pub(crate) struct Desk {
    router: Router,
    operator: String,
    customer: String,
    pub(crate) shop: Shop,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let shop = Shop::open().await;
        shop.put(1, "one@example.com").await;
        shop.put_profile(2, "two@example.com", "no json").await;
        let sync = shop.sync().await;
        caught_up(&sync).await;
        Self::of(shop, &sync)
    }

    /// The desk of a shop's sync-service.
    pub(crate) fn of(shop: Shop, sync: &SyncService) -> Self {
        let (edge, signer) = edge(&shop.host);
        let token = |role| bearer(&signer, &shop.host, "1", role);
        let (operator, customer) = (token(Role::Operator), token(Role::Customer));
        Self { router: edge.wrap_service("sync-service", sync.router()), operator, customer, shop }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = send(&self.router, Method::GET, path, &[("authorization", &self.operator)], ()).await;
        (status, body)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let (status, _, body) =
            send(&self.router, Method::POST, path, &[("authorization", &self.operator)], body).await;
        (status, body)
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) =
            send(&self.router, Method::DELETE, path, &[("authorization", &self.operator)], ()).await;
        (status, body)
    }

    /// Where a declaration is wrong.
    pub(crate) async fn refused(&self, declared: &Value) -> Vec<String> {
        let (status, problem) = self.post("/v1/sync/connectors", declared).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        let error =
            |error: &Value| format!("{} {}", error["pointer"].as_str().unwrap(), error["detail"].as_str().unwrap());
        problem["errors"].as_array().unwrap().iter().map(error).collect()
    }
}

pub(crate) fn brief() -> Value {
    serde_json::from_str(include_str!("../../config/postgres-connector.json")).unwrap()
}

#[tokio::test]
async fn the_briefs_connector_is_kept_without_its_password_and_says_that_it_cannot_run() {
    let desk = Desk::open().await;
    let (status, made) = desk.post("/v1/sync/connectors", &brief()).await;
    assert_eq!((status, &made["state"]), (StatusCode::CREATED, &json!("unavailable")), "{made}");
    assert!(made["detail"].as_str().unwrap().contains("no PostgreSQL source"));
    let (status, again) = desk.post("/v1/sync/connectors", &brief()).await;
    assert_eq!((status, &again["name"]), (StatusCode::OK, &json!("postgres-connector")));
    let (_, listed) = desk.get("/v1/sync/connectors").await;
    let names: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["postgres-connector", "users-connector"]);
    assert_eq!(listed["items"][0]["config"]["database.password"], "********");
    let bytes = std::fs::read(desk.shop.sync_file().with_extension("sqlite-wal")).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"\"dbz\"}}" || window == b":\"dbz\","));
    let mut other = brief();
    other["config"]["database.dbname"] = json!("elsewhere");
    let (status, problem) = desk.post("/v1/sync/connectors", &other).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("connector-exists")));
}

#[tokio::test]
async fn a_wrong_connector_is_refused_with_all_its_problems() {
    let desk = Desk::open().await;
    let mut wrong = brief();
    wrong["config"]["slot.name"] = json!("s");
    wrong["config"]["database.port"] = json!("x");
    let (status, problem) = desk.post("/v1/sync/connectors", &wrong).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    let mut pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/config/database.port", "/config/slot.name"]);
    let mut second: Value = serde_json::from_str(include_str!("../../config/users-connector.json")).unwrap();
    second["name"] = json!("second");
    let (status, problem) = desk.post("/v1/sync/connectors", &second).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("connector-exists")));
    second["config"]["database.service"] = json!("order-service");
    assert_eq!(desk.post("/v1/sync/connectors", &second).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn parameters_that_nobody_looks_at_are_refused() {
    let desk = Desk::open().await;
    for path in ["/v1/sync/lag", "/v1/sync/connectors"] {
        let (status, problem) = desk.get(&format!("{path}?copy=users.index")).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid-query")), "{problem}");
        assert_eq!(problem["errors"][0], json!({"pointer": "/copy", "detail": "not a known parameter"}));
        assert_eq!(desk.get(path).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn operators_see_lag_and_parked_keys_and_settle_them() {
    let desk = Desk::open().await;
    let (_, lag) = desk.get("/v1/sync/lag").await;
    let copies: Vec<&Value> = lag["items"].as_array().unwrap().iter().map(|item| &item["copy"]).collect();
    assert_eq!(copies, ["users.activity", "users.analytics", "users.index", "users.key-value"]);
    assert_eq!((&lag["items"][2]["behind"], &lag["items"][2]["parkedKeys"]), (&json!(0), &json!(1)), "{lag}");
    let (_, parked) = desk.get("/v1/sync/parked").await;
    assert_eq!((&parked["items"][0]["id"], &parked["items"][0]["attempts"]), (&json!("users:2"), &json!(1)));
    assert_eq!(parked["items"][0]["cause"], "profile is no JSON");

    let (status, still) = desk.post("/v1/sync/parked/users:2/retry", &json!({})).await;
    assert_eq!((status, &still["waiting"]), (StatusCode::OK, &json!(1)));
    let by_cause = json!({"cause": "profile is no JSON"});
    let (status, tried) = desk.post("/v1/sync/parked/retry", &by_cause).await;
    assert_eq!(
        (status, &tried["items"][0]["id"], &tried["items"][0]["waiting"]),
        (StatusCode::OK, &json!("users:2"), &json!(1))
    );
    let (_, none) = desk.post("/v1/sync/parked/retry", &json!({"cause": "another"})).await;
    assert_eq!(none["items"], json!([]));
    desk.shop.put_profile(2, "two@example.com", "{}").await;
    let (_, settled) = desk.post("/v1/sync/parked/users:2/retry", &json!({})).await;
    assert_eq!((&settled["waiting"], &settled["cause"]), (&json!(0), &Value::Null));
    let (_, row) = desk.get("/v1/sync/copies/users.index/2").await;
    assert_eq!((&row["version"], &row["row"]["email"]), (&json!(2), &json!("two@example.com")));
    let (status, problem) = desk.post("/v1/sync/parked/users:2/skip", &json!({"reason": "x"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("nothing-parked")));
}

#[tokio::test]
async fn customers_and_strangers_see_nothing() {
    let desk = Desk::open().await;
    for path in ["/v1/sync/connectors", "/v1/sync/lag", "/v1/sync/parked", "/v1/sync/copies/users.index/1"] {
        let (status, ..) = send(&desk.router, Method::GET, path, &[("authorization", &desk.customer)], ()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        let (status, ..) = send(&desk.router, Method::GET, path, &[], ()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let path = "/v1/sync/connectors/postgres-connector";
    let (status, ..) = send(&desk.router, Method::DELETE, path, &[("authorization", &desk.customer)], ()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
}

//! A user-service in a directory of its own, behind the edge, and what is asked of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Method};
use madrigal_core::{CallContext, Host};
use madrigal_http::{Edge, Neighbour, Role, TokenSigner, testing};
use madrigal_user_service::{PasswordCost, UserConfig, UserService};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Shop {
    pub(crate) service: UserService,
    pub(crate) host: Host,
    pub(crate) signer: Arc<TokenSigner>,
    router: Router,
    dir: Arc<TempDir>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(set: impl FnOnce(&mut UserConfig)) -> Self {
        let host = Host::system();
        let signer = Arc::new(TokenSigner::generate(&host));
        Self::open_in(Arc::new(tempfile::tempdir().unwrap()), host, signer, set).await
    }

    /// Closes the service and opens it again on the same files.
    pub(crate) async fn restart(self) -> Self {
        let Self { service, host, signer, router, dir } = self;
        drop((service, router));
        Self::open_in(dir, host, signer, |_| {}).await
    }

    async fn open_in(
        dir: Arc<TempDir>,
        host: Host,
        signer: Arc<TokenSigner>,
        set: impl FnOnce(&mut UserConfig),
    ) -> Self {
        let config = config(dir.path(), set);
        let service = UserService::open(config, Arc::clone(&signer), host.clone()).await.unwrap();
        let router = Edge::new(Arc::new(signer.verifier()), host.clone()).wrap(service.router());
        Self { service, host, signer, router, dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn customer(&self, id: i64) -> String {
        self.token(&id.to_string(), Role::Customer)
    }

    pub(crate) fn operator(&self) -> String {
        self.token("anna", Role::Operator)
    }

    pub(crate) fn a_service(&self) -> String {
        self.token("order-service", Role::Service)
    }

    fn token(&self, sub: &str, role: Role) -> String {
        self.signer.issue(&self.host, sub, role, Duration::from_secs(60)).0
    }

    pub(crate) fn neighbour(&self) -> Neighbour {
        Neighbour::round_trip(self.service.calls())
    }

    pub(crate) fn context(&self) -> CallContext {
        CallContext::new(&self.host)
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, &[("authorization", &format!("Bearer {token}"))], Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string().into()).await
    }

    pub(crate) async fn post_as(&self, path: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        self.send(Method::POST, path, &headers, body.to_string().into()).await
    }

    pub(crate) async fn patch(&self, path: &str, token: &str, version: u64, body: &Value) -> Answer {
        let (bearer, tag) = (format!("Bearer {token}"), format!("\"{version}\""));
        let headers = [
            ("content-type", "application/merge-patch+json"),
            ("authorization", bearer.as_str()),
            ("if-match", tag.as_str()),
        ];
        self.send(Method::PATCH, path, &headers, body.to_string().into()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let (status, headers, body) = testing::send(&self.router, method, path, headers, body).await;
        Answer { status: status.as_u16(), headers, body }
    }

    /// How many rows a table has, seen from outside.
    pub(crate) fn count(&self, file: &str, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.dir().join(file)).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    /// Registers a user by this name and says its id.
    pub(crate) async fn register(&self, name: &str) -> i64 {
        let answer = self.post("/v1/users", &anybody(name)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["id"].as_i64().unwrap()
    }
}

impl Answer {
    /// Status and code, after checking that a refusal is a problem document.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        assert!(self.status >= 400, "{} {}", self.status, self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        (self.status, self.body["code"].as_str().unwrap())
    }

    /// The places of everything that is wrong, sorted.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let mut pointers: Vec<&str> =
            self.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        pointers.sort_unstable();
        pointers
    }
}

pub(crate) fn config(dir: &Path, set: impl FnOnce(&mut UserConfig)) -> UserConfig {
    let mut config = UserConfig::new(dir);
    config.passwords = PasswordCost::for_tests();
    set(&mut config);
    config
}

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A valid registration.
pub(crate) fn anybody(name: &str) -> Value {
    json!({
        "email": format!("{name}@example.org"),
        "username": name,
        "password": PASSWORD,
        "profile": {"firstName": "Quintilla", "lastName": "Zanzibari", "avatar": "https://example.org/q.png"},
    })
}

//! A whole catalogue-service in a directory of its own, with its edge.

use std::time::Duration;

use axum::Router;
use http::{HeaderMap, Method, StatusCode};
use madrigal_catalog_service::{CatalogConfig, CatalogNeighbours, CatalogService};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, Host, PositionToken};
use madrigal_http::testing::{TestBody, bearer, edge, send};
use madrigal_http::{Call, Neighbour, Role};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) struct Shop {
    pub(crate) service: CatalogService,
    pub(crate) host: Host,
    router: Router,
    operator: String,
    customer: String,
    stop: StopSignal,
    running: JoinHandle<()>,
    dir: TempDir,
}

impl Shop {
    pub(crate) async fn new() -> Self {
        Self::with(CatalogNeighbours::default(), Duration::from_secs(900)).await
    }

    pub(crate) async fn with(neighbours: CatalogNeighbours, reservation_age: Duration) -> Self {
        Self::open(tempfile::tempdir().unwrap(), neighbours, reservation_age).await
    }

    async fn open(dir: TempDir, neighbours: CatalogNeighbours, reservation_age: Duration) -> Self {
        let host = Host::system();
        let config = CatalogConfig { reservation_age, ..CatalogConfig::in_dir(dir.path()) };
        let service = CatalogService::open(config, neighbours, host.clone()).await.unwrap();
        let (edge, signer) = edge(&host);
        let router = edge.wrap(service.router());
        let stop = StopSignal::new();
        let running = tasks::spawn("catalog", {
            let (service, stop) = (service.clone(), stop.clone());
            async move { service.run(stop).await }
        });
        let operator = bearer(&signer, &host, "anna", Role::Operator);
        let customer = bearer(&signer, &host, "42", Role::Customer);
        Self { service, host, router, operator, customer, stop, running, dir }
    }

    /// Stops it as a whole and opens the same directory again, after `meanwhile` has had it.
    pub(crate) async fn restarted(self, meanwhile: impl FnOnce(&std::path::Path)) -> Self {
        self.stop.cancel();
        self.running.await.unwrap();
        drop((self.service, self.router));
        meanwhile(self.dir.path());
        Self::open(self.dir, CatalogNeighbours::default(), Duration::from_secs(900)).await
    }

    pub(crate) async fn anonymous(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<TestBody>,
    ) -> (StatusCode, HeaderMap, Value) {
        send(&self.router, method, path, headers, body).await
    }

    pub(crate) async fn operator(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<TestBody>,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut all = vec![("authorization", self.operator.as_str())];
        all.extend_from_slice(headers);
        send(&self.router, method, path, &all, body).await
    }

    pub(crate) async fn customer(
        &self,
        method: Method,
        path: &str,
        body: impl Into<TestBody>,
    ) -> (StatusCode, HeaderMap, Value) {
        send(&self.router, method, path, &[("authorization", &self.customer)], body).await
    }

    /// The file of synonyms.
    pub(crate) fn synonyms(&self) -> std::path::PathBuf {
        self.dir.path().join("synonyms/products.txt")
    }

    /// The position of everything until now, once it can be searched for.
    pub(crate) async fn caught_up(&self) -> String {
        let store = self.service.store();
        let position = PositionToken::of(store.log().clone(), store.epoch(), store.end()).to_string();
        let headers = [("madrigal-position", position.as_str())];
        while self.anonymous(Method::GET, "/v1/products/search?limit=1&facet=none", &headers, ()).await.0 != 200 {}
        position
    }

    /// Searches as a reader who has seen `position`; panics on anything but 200.
    pub(crate) async fn search(&self, position: &str, query: &str) -> Value {
        let path = format!("/v1/products/search?{query}");
        let (status, _, found) = self.anonymous(Method::GET, &path, &[("madrigal-position", position)], ()).await;
        assert_eq!(status, 200, "{query}: {found}");
        found
    }

    /// The ids of what such a search finds.
    pub(crate) async fn ids(&self, position: &str, query: &str) -> Vec<String> {
        let found = self.search(position, query).await;
        found["items"].as_array().unwrap().iter().map(|item| item["productId"].as_str().unwrap().to_owned()).collect()
    }

    /// Creates a product that costs `amount` and returns the position that has it.
    pub(crate) async fn create(&self, id: &str, amount: i64, stock: i64) -> String {
        let body = json!({ "productId": id, "name": format!("The {id}"), "price": { "amount": amount, "currency": "EUR" },
            "initialStock": stock });
        self.create_from(body).await
    }

    pub(crate) async fn create_from(&self, body: Value) -> String {
        let (status, headers, answer) = self.operator(Method::POST, "/v1/products", &[], body).await;
        assert_eq!(status, 201, "{answer}");
        headers["madrigal-position"].to_str().unwrap().to_owned()
    }

    /// The product as a reader sees it who has seen `position`.
    pub(crate) async fn read(&self, path: &str, position: &str) -> (StatusCode, HeaderMap, Value) {
        self.operator(Method::GET, path, &[("madrigal-position", position)], ()).await
    }

    pub(crate) async fn call<C: Call>(&self, call: C) -> C::Answer {
        let neighbour = Neighbour::round_trip(self.service.calls());
        neighbour.call(&CallContext::new(&self.host), call).await.unwrap()
    }
}

//! What the gateway is made of; the app hands it everything.

use axum::Router;

/// Everything that the gateway needs to know.
pub struct GatewayParts {
    /// The services behind it. A service that is not among them has no paths.
    pub upstreams: Vec<Upstream>,
    /// The description of the whole API, already merged.
    pub openapi: utoipa::openapi::OpenApi,
    /// `/livez`, `/readyz`, `/health` and `/metrics`: `madrigal_telemetry::router`. The first page reads `/health` every few
    /// seconds.
    pub operations: Router,
    /// Who may try the shop, where it is a demonstration.
    pub demo: Option<DemoHints>,
    /// The version of the binary.
    pub version: &'static str,
}

/// A service behind the gateway.
#[derive(Debug)]
pub struct Upstream {
    /// Its name, as in `order-service`.
    pub service: &'static str,
    /// Where it is.
    pub target: Target,
}

/// Where a service is.
#[derive(Debug)]
pub enum Target {
    /// In this process: its public routes, without the edge's layers. They become routes of the gateway itself, so a request
    /// goes through no proxy.
    InProcess(Router),
    /// In a process of its own.
    Http {
        /// As in `http://127.0.0.1:8083`: plain HTTP, with nothing after the port but a slash.
        base_url: String,
    },
}

/// A customer of a demonstration shop, filled in on the first page. Anybody who can open the page can read it.
#[derive(Debug, Clone)]
pub struct DemoHints {
    /// What to log in as.
    pub login: String,
    /// The password.
    pub password: String,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A service that the route table does not know.
    #[error("the route table has no paths for the service {0}")]
    UnknownService(&'static str),
    /// A service that is there twice.
    #[error("the service {0} is given twice")]
    Twice(&'static str),
    /// A base URL that is none.
    #[error("{service}: {url:?} is not a base URL like http://127.0.0.1:8083")]
    BaseUrl {
        /// The service.
        service: &'static str,
        /// The text.
        url: String,
    },
    /// A path of the API's description that the route table would not find in another process.
    #[error("the description has the path {0}, which the route table does not declare")]
    Undeclared(String),
    /// A description that cannot be written as JSON.
    #[error("the API's description cannot be written as JSON")]
    Description(#[source] serde_json::Error),
}

//! What the gateway is made of; the app hands it everything.

use std::sync::Arc;

use axum::Router;
use madrigal_core::tasks::StopSignal;

use crate::story::Storytellers;

/// Everything that the gateway needs to know.
pub struct GatewayParts {
    /// The services behind it. A service that is not among them has no paths.
    pub upstreams: Vec<Upstream>,
    /// The description of the whole API, as JSON. What it promises and the route table does not declare
    /// ([`crate::table::undeclared`]) would be missing where services are processes of their own.
    pub openapi: &'static str,
    /// `/livez`, `/readyz`, `/health` and `/metrics`: `madrigal_telemetry::router`. The first page reads `/health` every few
    /// seconds.
    pub operations: Router,
    /// The services that the story of an order is gathered from, and whose projections are shown.
    pub storytellers: Storytellers,
    /// Who may try the shop, where it is a demonstration.
    pub demo: Option<DemoHints>,
    /// What the pages need to know.
    pub console: ConsoleParts,
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

/// How the pages are reached.
#[derive(Debug, Default)]
pub struct ConsoleParts {
    /// Hosts by which the pages may be asked for, beside this machine's own names: names or addresses, a port is not looked
    /// at. `0.0.0.0` and `::` stand for every address.
    pub hosts: Vec<String>,
    /// Whether browsers reach the pages over TLS: cookies are then for TLS and for this host alone.
    pub secure: bool,
    /// Ends the pages' streams of changes, so that the server can drain.
    pub closing: StopSignal,
}

/// A customer of a demonstration shop, filled in on the log-in page. Anybody who can open the page can read it.
#[derive(Clone)]
pub struct DemoHints {
    /// What to log in as.
    pub login: String,
    /// The password.
    pub password: String,
    /// Issues a token of an operator to whoever presses the button, where the demonstration has one.
    pub operator: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

impl std::fmt::Debug for DemoHints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operator = self.operator.is_some();
        f.debug_struct("DemoHints").field("login", &self.login).field("operator", &operator).finish_non_exhaustive()
    }
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
}

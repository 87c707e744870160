//! The router of the one port.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::future::Either;
use madrigal_http::{Edge, problem};
use tower::{Layer, Service};

use crate::inside::Inside;
use crate::parts::{GatewayError, GatewayParts, Target};
use crate::proxy::{self, Proxy};
use crate::{console, customer, docs, projections, story, table};

/// The router of the whole shop, with the edge's layers around every route of it.
///
/// # Errors
/// Where the parts do not fit together; see [`GatewayError`].
///
/// # Panics
/// Where two services in this process serve the same path and method (axum refuses that).
pub fn router(parts: GatewayParts, edge: &Edge) -> Result<Router, GatewayError> {
    let edge = &Edge { port: Some("gateway"), ..edge.clone() };
    let GatewayParts { upstreams, openapi, operations, storytellers, demo, console, version } = parts;
    let mut seen = HashSet::new();
    let keepers = [&storytellers.catalog, &storytellers.orders, &storytellers.notifications].map(Clone::clone).into();
    let mut own = docs::router(openapi).merge(operations);
    own = own
        .merge(projections::router(keepers))
        .merge(story::router(storytellers.clone()))
        .merge(customer::router(storytellers));
    let mut services = Vec::new();
    let mut placed = Vec::new();
    for upstream in upstreams {
        let service = upstream.service;
        if !table::knows(service) {
            return Err(GatewayError::UnknownService(service));
        }
        if !seen.insert(service) {
            return Err(GatewayError::Twice(service));
        }
        match upstream.target {
            Target::InProcess(router) => {
                services.push(edge.wrap_service(service, router.layer(NoInternalPaths)));
                placed.push(console::Place { service, place: "in this process".to_owned() });
            }
            Target::Http { base_url } => {
                let proxy = Proxy::new(service, &base_url, &edge.limits)?;
                placed.push(console::Place { service, place: base_url });
                own = own.merge(proxy::router(&proxy));
            }
        }
    }
    let own = edge.wrap_service("gateway", own.fallback(async || problem::unknown_path()));
    let api = services.into_iter().fold(own, Router::merge);
    // The pages ask the API; the API knows no pages, so nothing holds itself alive.
    let pages = console::router(placed, demo, console, version, Inside::new(api.clone()), edge);
    Ok(api.merge(edge.wrap_service("gateway", pages)))
}

/// Answers 404 for `/internal`, should a service's public router have such paths by mistake.
#[derive(Debug, Clone, Copy)]
struct NoInternalPaths;

#[derive(Debug, Clone)]
struct Guarded<S>(S);

impl<S> Layer<S> for NoInternalPaths {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded(inner)
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let path = request.uri().path();
        if path.strip_prefix("/internal").is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Either::Left(ready(Ok(problem::unknown_path().into_response())));
        }
        Either::Right(self.0.call(request))
    }
}

//! The shop's one public port: routing, the API's description, the pages for people.
//!
//! The gateway names no service's crate; the app hands it [`GatewayParts`] and gets a router. A service in the same process
//! is merged: its routes are the gateway's, with the edge's layers once and nothing else on the way. A service in a process of
//! its own is proxied by the route [`table`], which is checked against the API's description in both cases. `/internal` is
//! never answered, wherever the service runs.
//!
//! Modules in reading order:
//!
//! * [`parts`]: what the app hands over; [`router`]: what becomes of it; [`inside`]: how pages ask the API;
//! * `table`: which service answers which path; `proxy`: the way to a service in another process;
//! * [`story`]: one order across all services; [`customer`]: one customer; [`projections`]: the projections of all services;
//! * `docs`: `/openapi.json`, `/docs`, `/docs/problems/{code}`; `console`: the pages; `security`: the headers of
//!   everything that a browser shows.

pub mod customer;
pub mod inside;
pub mod parts;
pub mod projections;
pub mod story;
pub mod table;

mod console;
mod docs;
mod proxy;
mod router;
mod security;

pub use customer::CustomerApi;
pub use docs::problem_codes;
pub use parts::{ConsoleParts, DemoHints, GatewayError, GatewayParts, Target, Upstream};
pub use projections::ProjectionsApi;
pub use router::router;
pub use story::{StoryApi, Storytellers};

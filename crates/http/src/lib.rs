//! What every service needs at its edge: problems, strict bodies, conditional and idempotent requests, paging, callers,
//! typed calls to neighbours, and the layers around all of it.
//!
//! The rules that hold here once for every service: every error is `application/problem+json`; bad input is never a 5xx;
//! unknown fields and parameters are refused; all problems of a body are reported at once; everything has a limit.
//!
//! Modules in reading order:
//!
//! * [`problem`]: RFC 9457 documents, ready-made ones for what everybody needs;
//! * [`body`], [`query`], [`path`], [`headers`], [`page`]: what comes in, checked, and what goes out in pages;
//!   [`ndjson`]: imports, line by line;
//! * [`auth`]: bearer tokens and the caller;
//! * [`edge`]: the layers around a service's router; [`server`]: serving it on a socket;
//! * [`calls`]: typed calls between services, inside the process or over HTTP;
//! * [`openapi`]: what handlers say about problems; [`testing`]: sending requests to a router without a socket.

pub mod auth;
pub mod body;
pub mod calls;
pub mod edge;
pub mod headers;
pub mod ndjson;
pub mod openapi;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod server;
pub mod testing;

pub use auth::{Caller, Claims, MaybeCaller, Role, ServiceToken, TokenError, TokenSigner, TokenVerifier};
pub use body::{Body, MergePatch};
pub use calls::{Answer, Call, Calls, LateNeighbour, Neighbour, Switch};
pub use edge::{Context, Edge, Limits};
pub use headers::{IdempotencyKey, IfMatch, OptionalIdempotencyKey, PreferWait, SeenPosition, etag, position_header};
pub use page::{Cursor, Page};
pub use path::Path;
pub use problem::{Answered, FieldError, Problem};
pub use query::Query;
pub use server::serve;

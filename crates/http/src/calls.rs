//! Typed calls between services: a request type in, an answer type out, over one of three transports with the same answers
//! and the same faults: hand-over inside the process, the same with a forced round trip of the JSON, and HTTP.
//!
//! A business refusal is a variant of the answer, never a fault. A [`madrigal_core::Fault`] says whether the call certainly
//! had no effect and whether to try again, and keeps both across HTTP. Its `engine` is the called service and its `operation`
//! the call's name; what broke inside is in its causes.

use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{CallContext, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod answering;
mod neighbour;
mod over_http;
mod switch;
pub(crate) mod wire;

pub use answering::Calls;
pub use neighbour::{LateNeighbour, Neighbour};
pub use switch::Switch;

/// The longest request or answer in JSON, in bytes: 8 MiB.
pub const MAX_CALL_BYTES: usize = 8 * 1024 * 1024;

/// One kind of call to a service.
pub trait Call: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What comes back; business refusals are variants of it.
    type Answer: Serialize + DeserializeOwned + Send + 'static;
    /// The call's name, unique in its service, in kebab case: `reserve-inventory`.
    const NAME: &'static str;
    /// How long the caller waits at most, whatever the transport; the context's deadline may be earlier.
    const LIMIT: Duration = Duration::from_secs(5);
}

/// Answers one kind of call.
#[async_trait]
pub trait Answer<C: Call>: Send + Sync + 'static {
    /// Answers, on behalf of the context's user. Whether that user may is the handler's business; that a service asks is
    /// certain.
    ///
    /// # Errors
    /// Where something broke, with what is known about the effect.
    ///
    /// # Cancellation
    /// The future is dropped at an await point when the time limit passes or the caller goes away: effects must be whole or
    /// repeatable at every one.
    async fn answer(&self, context: CallContext, call: C) -> Result<C::Answer, Fault>;
}

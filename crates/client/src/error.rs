//! Why there is no answer, or not the one that was asked for.

use reqwest::StatusCode;

/// A request had no answer that can be used. Only [`AskError::Unreachable`] and [`AskError::Refused`] say that it had no
/// effect.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The client cannot be built.
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    /// Nobody listens there: nothing was sent.
    #[error("no shop answers at {0}: start one with `madrigal up`, or name another with --url")]
    Unreachable(String),
    /// The request was sent and no answer came; its outcome is unknown.
    #[error("the shop did not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The answer broke off in the middle; the outcome is unknown.
    #[error("the answer was cut short; its outcome is unknown")]
    CutShort(#[source] reqwest::Error),
    /// Something else than a shop answered.
    #[error("{url} answered {status} without JSON")]
    NotJson {
        /// Who was asked.
        url: String,
        /// What was answered.
        status: StatusCode,
        /// Why it is none.
        source: serde_json::Error,
    },
    /// The answer is a problem where a success was asked for; in words.
    #[error("{0}")]
    Refused(String),
}

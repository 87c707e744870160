//! Topics over HTTP: the owner answers long polls, neighbours ask them. One page of the protocol:
//!
//! `GET /internal/topics/{topic}?limit=&wait=` with either `start=earliest|latest`, `start=at&after=<position>`, or
//! `epoch=<uuid>&after=<position>`; `wait` in milliseconds. Only services may ask. The answer is
//! `{"epoch", "scannedThrough", "end", "messages": [CloudEvents…]}`; 409 `other-log-epoch` and `beyond-log-end` say that a
//! checkpoint must not be used.

mod client;
mod router;

pub use client::HttpTopic;
pub use router::router;

use madrigal_core::{LogEpoch, Position};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The code of the problem for a checkpoint of another epoch.
const OTHER_EPOCH: &str = "other-log-epoch";
/// The code of the problem for a checkpoint beyond the log's end.
const BEYOND_END: &str = "beyond-log-end";
/// The most messages of one answer: a bound for its size.
const MAX_MESSAGES: usize = 1_000;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PollAnswer {
    epoch: LogEpoch,
    scanned_through: Position,
    end: Position,
    messages: Vec<Box<RawValue>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PollQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<LogEpoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<u64>,
}

//! Topics: what a service lets others hear of its log, and how others listen.
//!
//! A topic is a contract, not a log laid open: a declared filter and a pure mapping of the owner's events. Nothing is
//! written twice: a subscription reads the owner's log through the contract, inside the process or by long polling.
//!
//! Modules in reading order:
//!
//! * [`message`]: CloudEvents 1.0; [`contract`]: filter and mapping;
//! * [`source`]: the port [`TopicSource`]; [`journal_topic`]: over any event store; [`long_poll`]: over HTTP, both ends;
//! * [`subscriber`]: groups with offsets, at least once, in order per key, parking what cannot be handled.

pub mod contract;
pub mod journal_topic;
pub mod long_poll;
pub mod message;
pub mod source;
pub mod subscriber;

pub use contract::{MapError, Outgoing, TopicContract};
pub use journal_topic::JournalTopic;
pub use long_poll::HttpTopic;
pub use madrigal_projection::consumer::{
    ConsumerControl, ConsumerOptions, Delivery, HandleError, PollError, PollFrom, Start,
};
pub use madrigal_projection::{
    Checkpoint, DynOffsets, GroupId, LaneReport, MemoryOffsets, Offsets, ParkedEvent, ParkedFilter,
};
pub use message::{Message, MessageError};
pub use source::{DynTopicSource, Polled, TopicSource};
pub use subscriber::{Handler, Subscriber};

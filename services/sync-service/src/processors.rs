//! Processors: what the changes of a topic mean.
//!
//! [`users`] and [`user_events`] read changes in Debezium's envelope and say which rows copies must have; [`activity`] is
//! the state that `user_events` is folded into. [`facts`] follows `orders` and `products`: their copies are kept by the
//! services that fold or index them, so that here the topic is watched (what cannot be read, how old what is read is) and
//! nothing is written twice.

pub mod activity;
pub mod facts;
pub mod user_events;
pub mod users;

use madrigal_cdc::Change;
use madrigal_core::RowVersion;
use serde_json::{Map, Value};

pub use activity::Activity;
pub use user_events::{SeenEvent, UserEvents};
pub use users::Users;

/// What a change means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Copies must have this row.
    Row(MeantRow),
    /// Something happened to a user.
    Event(SeenEvent),
    /// Nothing for any copy.
    Nothing,
}

/// A row that copies must have.
#[derive(Debug, Clone, PartialEq)]
pub struct MeantRow {
    /// Its key.
    pub key: String,
    /// The owner's version.
    pub version: RowVersion,
    /// The fields, before any transformer; `None` where the row was deleted.
    pub row: Option<Map<String, Value>>,
}

/// What the changes of a topic mean. Pure: the same change always means the same.
pub trait Processor: Send + Sync + 'static {
    /// The topic.
    fn topic(&self) -> &'static str;

    /// What must stay in order, and is parked together; `None` for a change that is about no row.
    fn lane(&self, change: &Change) -> Option<String>;

    /// What the change means.
    ///
    /// # Errors
    /// Why it cannot be understood, without values: it parks its lane.
    fn meaning(&self, change: &Change) -> Result<Meaning, String>;

    /// The copies that its rows go to.
    fn copies(&self) -> &'static [&'static str];
}

/// All processors of changes, by topic.
pub fn all() -> Vec<Box<dyn Processor>> {
    vec![Box::new(Users::new()), Box::new(UserEvents)]
}

/// Whether a processor handles the changes of this topic.
pub(crate) fn handles(topic: &str) -> bool {
    topics_of_changes().contains(&topic)
}

/// The topics of changes that some processor handles.
pub(crate) fn topics_of_changes() -> Vec<&'static str> {
    all().iter().map(|processor| processor.topic()).collect()
}

/// The topics that some processor handles.
pub const TOPICS: &[&str] = &["users", "user_events", "orders", "products"];

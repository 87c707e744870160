//! The hook by which old events reach projections and reactors in their current form.

use std::error::Error as StdError;
use std::sync::Arc;

use madrigal_core::RecordedEvent;

/// Brings an event to the current form of its type; pure. Applied on every read, parked events included.
pub type Upcaster = Arc<dyn Fn(RecordedEvent) -> Result<RecordedEvent, Box<dyn StdError + Send + Sync>> + Send + Sync>;

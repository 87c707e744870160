//! Old events in their current form: pure steps on JSON, one from each schema version to the next.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use madrigal_core::{EventType, JsonBytes, RecordedEvent};
use serde_json::Value;

/// Why an event has no current form.
#[derive(Debug, thiserror::Error)]
pub enum UpcastError {
    /// Written by a newer program.
    #[error("{event_type} has schema version {found}, this program knows up to {known}")]
    Newer {
        /// The event's type.
        event_type: EventType,
        /// Its version.
        found: u16,
        /// The newest that is known here.
        known: u16,
    },
    /// The stored data is not JSON.
    #[error("the data of a {event_type} is not JSON")]
    Json {
        /// The event's type.
        event_type: EventType,
        /// What is wrong.
        source: serde_json::Error,
    },
}

type Step = Arc<dyn Fn(Value) -> Value + Send + Sync>;

/// The steps of all event types; cheap to clone. Types without steps pass as they are.
#[derive(Clone, Default)]
pub struct Upcasters {
    /// By type: the steps from version 1 to 2, 2 to 3, and so on.
    steps: HashMap<EventType, Vec<Step>>,
}

impl Upcasters {
    /// No steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the step from the type's newest version to the next one; the first call is the step from 1 to 2. It must be
    /// pure, and must accept anything that was ever written in its version: formats are for ever.
    #[must_use]
    pub fn then(mut self, event_type: EventType, step: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        self.steps.entry(event_type).or_default().push(Arc::new(step));
        self
    }

    /// The version that events of this type have after all steps; `None` where there are none.
    pub fn current_version(&self, event_type: &EventType) -> Option<u16> {
        let steps = self.steps.get(event_type)?;
        Some(u16::try_from(steps.len()).unwrap_or(u16::MAX).saturating_add(1))
    }

    /// The event in the current form of its type.
    ///
    /// # Errors
    /// [`UpcastError`].
    pub fn upcast(&self, mut event: RecordedEvent) -> Result<RecordedEvent, UpcastError> {
        let Some(known) = self.current_version(&event.event_type) else { return Ok(event) };
        let found = event.schema_version;
        if found > known {
            return Err(UpcastError::Newer { event_type: event.event_type, found, known });
        }
        if found == known {
            return Ok(event);
        }
        let wrong = |source| UpcastError::Json { event_type: event.event_type.clone(), source };
        let mut data: Value = event.event_data.decode().map_err(wrong)?;
        for step in self.steps.get(&event.event_type).into_iter().flatten().skip(usize::from(found.max(1)) - 1) {
            data = step(data);
        }
        event.event_data = JsonBytes::of(&data).map_err(wrong)?;
        event.schema_version = known;
        Ok(event)
    }
}

impl fmt::Debug for Upcasters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|(of, steps)| (of.as_str(), steps.len() + 1))).finish()
    }
}

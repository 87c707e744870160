//! How the services of one process call each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use madrigal_http::{Calls, Neighbour, Switch};

/// The switches by which tests, and the demo, break calls to a service.
#[derive(Debug, Clone, Default)]
pub struct Switches(Arc<Mutex<BTreeMap<&'static str, Vec<Switch>>>>);

impl Switches {
    /// Sets every neighbour of this service.
    pub fn each(&self, service: &str, set: impl Fn(&Switch)) {
        let switches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        switches.get(service).into_iter().flatten().for_each(set);
    }
}

/// How the services of one process call each other: handed over or through JSON, with or without switches.
#[derive(Debug, Clone, Default)]
pub struct Wiring {
    round_trip: bool,
    switchable: bool,
    switches: Switches,
}

impl Wiring {
    /// Calls are handed over.
    pub fn direct() -> Self {
        Self::default()
    }

    /// Calls and answers go through their JSON, as over HTTP.
    pub fn round_trip() -> Self {
        Self { round_trip: true, ..Self::default() }
    }

    /// The same, with switches.
    #[must_use]
    pub fn switchable(self) -> Self {
        Self { switchable: true, ..self }
    }

    /// The switches; they do something where the wiring is switchable.
    pub const fn switches(&self) -> &Switches {
        &self.switches
    }

    /// A neighbour of `caller` that answers these calls.
    pub(super) fn to(&self, caller: &'static str, calls: Arc<Calls>) -> Neighbour {
        let service = calls.service();
        let neighbour = if self.round_trip { Neighbour::round_trip(calls) } else { Neighbour::in_process(calls) };
        let neighbour = neighbour.called_by(caller);
        if !self.switchable {
            return neighbour;
        }
        let (neighbour, switch) = neighbour.switchable();
        self.switches.0.lock().unwrap_or_else(PoisonError::into_inner).entry(service).or_default().push(switch);
        neighbour
    }
}

//! Orders over HTTP: as fast as answers come, or at a fixed rate whatever comes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use hdrhistogram::Histogram;
use madrigal_core::tasks;

use crate::wire::Connection;
use crate::workload::Workload;

/// When the next order is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As soon as the connection's last one is answered.
    Closed,
    /// So many a second over all connections. An order's latency counts from the moment at which it was due, also where it
    /// was sent later because every connection was waiting: no coordinated omission.
    Open(f64),
}

/// What a load was answered.
#[derive(Debug)]
pub struct Outcome {
    /// Orders that were answered 201 after the warm-up and before the end.
    pub completed: u64,
    /// Orders that were answered 201 at any time.
    pub completed_ever: u64,
    /// Everything else, by what it was; whenever it was.
    pub failures: BTreeMap<String, u64>,
    /// Of the completed orders, in microseconds.
    pub latencies: Histogram<u64>,
    /// From the end of the warm-up to the end.
    pub measured: Duration,
}

/// Loads the shop through so many connections; `marked` is called at the end of the warm-up and at the end of the load,
/// before orders under way are waited for.
///
/// # Errors
/// Where a connection cannot be opened at the start. Later failures are counted.
pub async fn run(
    address: &str,
    workload: &RefCell<Workload>,
    connections: usize,
    pace: Pace,
    (warm_up, measured): (Duration, Duration),
    marked: impl Fn(),
) -> anyhow::Result<Outcome> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let began = tasks::instant();
    let (counted_from, end) = (began + warm_up, began + warm_up + measured);
    let outcome = RefCell::new(Outcome {
        completed: 0,
        completed_ever: 0,
        failures: BTreeMap::new(),
        latencies: Histogram::new_with_max(120_000_000, 3)?,
        measured,
    });
    let turn = Cell::new(0u64);
    let (turn, outcome_of) = (&turn, &outcome);
    let clients = open.into_iter().map(|connection| async move {
        let mut connection = Some(connection);
        loop {
            let due = match pace {
                Pace::Closed => tasks::instant(),
                Pace::Open(rate) => {
                    let number = turn.replace(turn.get() + 1);
                    began + Duration::from_secs_f64(number as f64 / rate)
                }
            };
            if due >= end {
                return;
            }
            tokio::time::sleep_until(due).await;
            let request = workload.borrow_mut().next_order();
            let answered = exchange(address, &mut connection, &request).await;
            let now = tasks::instant();
            outcome_of.borrow_mut().count(&answered, now.duration_since(due), counted_from <= now && now < end);
        }
    });
    let marks = async {
        tokio::time::sleep_until(counted_from).await;
        marked();
        tokio::time::sleep_until(end).await;
        marked();
    };
    futures::join!(join_all(clients), marks);
    Ok(outcome.into_inner())
}

/// Sends one order; a connection that broke is opened anew for the next one.
async fn exchange(address: &str, connection: &mut Option<Connection>, request: &[u8]) -> Result<u16, String> {
    if connection.is_none() {
        *connection = Some(Connection::open(address).await.map_err(|error| error.to_string())?);
    }
    let Some(open) = connection else { return Err("not connected".to_owned()) };
    let answered = open.send(request).await.map(|answer| answer.status).map_err(|error| error.to_string());
    if answered.is_err() {
        *connection = None;
    }
    answered
}

impl Outcome {
    fn count(&mut self, answered: &Result<u16, String>, latency: Duration, counted: bool) {
        match answered {
            Ok(201) => {
                self.completed_ever += 1;
                if counted {
                    self.completed += 1;
                    self.latencies.saturating_record(latency.as_micros() as u64);
                }
            }
            Ok(status) => *self.failures.entry(status.to_string()).or_default() += 1,
            Err(error) => *self.failures.entry(error.clone()).or_default() += 1,
        }
    }
}

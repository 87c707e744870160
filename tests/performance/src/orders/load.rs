//! Orders over HTTP: as fast as answers come, or at a fixed rate whatever comes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::tasks;

use super::wire::Connection;
use super::workload::Workload;
use crate::latency::Latencies;

/// When the next order is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As soon as the connection's last one is answered.
    Closed,
    /// So many a second over all connections. An order's latency counts from the moment at which it was due, also where it
    /// was sent later because every connection was waiting: no coordinated omission.
    Open(f64),
}

/// How long after its end an open loop goes on sending what was due before.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a load was answered.
#[derive(Debug)]
pub struct Outcome {
    /// Orders that were answered 201 after the warm-up and before the end.
    pub completed: u64,
    /// Orders that were answered 201 at any time.
    pub completed_ever: u64,
    /// Everything else, by what it was; whenever it was.
    pub failures: BTreeMap<String, u64>,
    /// Of the completed orders.
    pub latencies: Latencies,
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
    let open = open(address, connections).await?;
    let began = tasks::instant();
    let (counted_from, end) = (began + warm_up, began + warm_up + measured);
    let outcome = RefCell::new(Outcome::new(measured)?);
    let turn = Cell::new(0u64);
    let (turn, outcome_of) = (&turn, &outcome);
    let clients = open.into_iter().map(|connection| async move {
        let mut connection = Some(connection);
        loop {
            let due = match pace {
                Pace::Closed => tasks::instant(),
                Pace::Open(rate) => began + Duration::from_secs_f64(turn.get() as f64 / rate),
            };
            // What was due and found every connection waiting is still sent, but not for ever.
            if due >= end || tasks::instant() >= end + PATIENCE {
                return;
            }
            turn.set(turn.get() + 1);
            tokio::time::sleep_until(due).await;
            let request = workload.borrow_mut().next_order();
            let answered = exchange(address, &mut connection, &request).await;
            let now = tasks::instant();
            let within = |moment| counted_from <= moment && moment < end;
            let latency = match pace {
                Pace::Closed => within(now),
                Pace::Open(_) => within(due),
            };
            let latency = latency.then(|| now.duration_since(due));
            outcome_of.borrow_mut().count(&answered, latency, within(now));
        }
    });
    let marks = async {
        tokio::time::sleep_until(counted_from).await;
        marked();
        tokio::time::sleep_until(end).await;
        marked();
    };
    futures::join!(join_all(clients), marks);
    let mut outcome = outcome.into_inner();
    if let Pace::Open(rate) = pace {
        let due = (rate * (warm_up + measured).as_secs_f64()).ceil() as u64;
        let unsent = due.saturating_sub(turn.get());
        if unsent > 0 {
            outcome.failures.insert("never sent: every connection was waiting".to_owned(), unsent);
        }
    }
    Ok(outcome)
}

/// Loads the shop through so many connections in a closed loop until the last of `marks` orders are completed; `marked` is told of each
/// mark that is reached, with what was answered since the one before.
///
/// # Errors
/// Where a connection cannot be opened at the start, `marked` fails, or more orders fail than there are to complete.
pub async fn until(
    address: &str,
    workload: &RefCell<Workload>,
    connections: usize,
    marks: &[u64],
    mut marked: impl FnMut(u64, Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let total = marks.last().copied().unwrap_or(0);
    let open = open(address, connections.min(usize::try_from(total)?)).await?;
    let (started, completed, failed) = (Cell::new(0u64), Cell::new(0u64), Cell::new(0u64));
    let part = RefCell::new(Outcome::new(Duration::ZERO)?);
    let (reached, mut reaching) = tokio::sync::mpsc::unbounded_channel();
    let (started, completed, failed, part_of, reached) = (&started, &completed, &failed, &part, &reached);
    let clients = open.into_iter().map(|connection| async move {
        let mut connection = Some(connection);
        while started.get() < total + failed.get() && failed.get() <= total {
            started.set(started.get() + 1);
            let request = workload.borrow_mut().next_order();
            let began = tasks::instant();
            let answered = exchange(address, &mut connection, &request).await;
            let mut part = part_of.borrow_mut();
            part.count(&answered, Some(began.elapsed()), true);
            if answered != Ok(201) {
                failed.set(failed.get() + 1);
                continue;
            }
            completed.set(completed.get() + 1);
            if marks.contains(&completed.get()) {
                let next = Outcome::new(Duration::ZERO)?;
                let _ = reached.send((completed.get(), std::mem::replace(&mut *part, next)));
            }
        }
        anyhow::Ok(())
    });
    let load = async {
        for ended in join_all(clients).await {
            ended?;
        }
        anyhow::ensure!(completed.get() >= total, "{} orders failed: {:?}", failed.get(), part_of.borrow().failures);
        anyhow::Ok(())
    };
    let mut load = std::pin::pin!(load);
    // Bounded by the number of marks.
    for _ in marks {
        tokio::select! {
            biased;
            Some((mark, outcome)) = reaching.recv() => marked(mark, outcome)?,
            ended = &mut load => {
                ended?;
                while let Ok((mark, outcome)) = reaching.try_recv() {
                    marked(mark, outcome)?;
                }
                return Ok(());
            }
        }
    }
    load.await
}

async fn open(address: &str, connections: usize) -> anyhow::Result<Vec<Connection>> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    Ok(open)
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
    fn new(measured: Duration) -> anyhow::Result<Self> {
        Ok(Self { completed: 0, completed_ever: 0, failures: BTreeMap::new(), latencies: Latencies::new()?, measured })
    }

    /// How many were answered otherwise.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn count(&mut self, answered: &Result<u16, String>, latency: Option<Duration>, completed: bool) {
        match answered {
            Ok(201) => {
                self.completed_ever += 1;
                self.completed += u64::from(completed);
                if let Some(latency) = latency {
                    self.latencies.record(latency);
                }
            }
            Ok(status) => *self.failures.entry(status.to_string()).or_default() += 1,
            Err(error) => *self.failures.entry(error.clone()).or_default() += 1,
        }
    }
}

//! Queries over HTTP, as fast as answers come.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::tasks;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::queries::{Kind, Queries};
use crate::latency::Latencies;
use crate::orders::wire::{self, Answer, Connection};

/// What queries of one kind were answered.
#[derive(Debug)]
pub struct Part {
    /// Of those that were answered 200 after the warm-up and before the end.
    pub latencies: Latencies,
    /// How many of them found nothing.
    pub empty: u64,
    /// How many were answered otherwise, whenever that was.
    pub failed: u64,
}

/// What a load was answered.
#[derive(Debug)]
pub struct Outcome {
    /// By kind: those that were asked.
    pub kinds: BTreeMap<Kind, Part>,
    /// By kind and what they were.
    pub failures: BTreeMap<String, u64>,
}

/// What is read of an answer.
#[derive(Deserialize)]
struct Found {
    items: Vec<IgnoredAny>,
    next: Option<String>,
}

/// Asks the queries of each client over a connection of its own; `marked` is called at the end of the warm-up and at the end of the load.
///
/// # Errors
/// Where a connection cannot be opened at the start. Later failures are counted.
pub async fn run(
    address: &str,
    token: &str,
    clients: Vec<Queries>,
    (warm_up, measured): (Duration, Duration),
    marked: impl Fn(),
) -> anyhow::Result<Outcome> {
    let mut open = Vec::with_capacity(clients.len());
    for queries in clients {
        open.push((Connection::open(address).await?, queries));
    }
    let began = tasks::instant();
    let (counted_from, end) = (began + warm_up, began + warm_up + measured);
    let outcome = RefCell::new(Outcome { kinds: BTreeMap::new(), failures: BTreeMap::new() });
    let outcome_of = &outcome;
    let clients = open.into_iter().map(|(connection, mut queries)| async move {
        let mut connection = Some(connection);
        while tasks::instant() < end {
            let query = queries.next_query();
            let request = wire::request("GET", &query.target, token, &[], "");
            let asked = tasks::instant();
            let answered = exchange(address, &mut connection, &request).await;
            let now = tasks::instant();
            if query.kind == Kind::Cursor {
                queries.walked(answered.as_ref().ok().and_then(|found| found.next.clone()));
            }
            let counted = (counted_from <= now && now < end).then(|| now.duration_since(asked));
            outcome_of.borrow_mut().count(query.kind, &answered, counted)?;
            if answered.is_err() && connection.is_none() {
                // Nobody may be listening any more: asking on without a pause would only count.
                tasks::sleep(Duration::from_millis(10)).await;
            }
        }
        anyhow::Ok(())
    });
    let marks = async {
        tokio::time::sleep_until(counted_from).await;
        marked();
        tokio::time::sleep_until(end).await;
        marked();
    };
    let (ended, ()) = futures::join!(join_all(clients), marks);
    ended.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(outcome.into_inner())
}

/// Asks; a connection that broke is opened anew for the next query.
async fn exchange(address: &str, connection: &mut Option<Connection>, request: &[u8]) -> Result<Found, String> {
    if connection.is_none() {
        *connection = Some(Connection::open(address).await.map_err(|error| error.to_string())?);
    }
    let Some(open) = connection else { return Err("not connected".to_owned()) };
    match open.send(request).await {
        Ok(Answer { status: 200, body, .. }) => {
            serde_json::from_slice(body).map_err(|error| format!("an answer that is not understood: {error}"))
        }
        Ok(answer) => Err(answer.status.to_string()),
        Err(error) => {
            let told = error.to_string();
            *connection = None;
            Err(told)
        }
    }
}

impl Outcome {
    /// How many were answered otherwise.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn count(&mut self, kind: Kind, answered: &Result<Found, String>, counted: Option<Duration>) -> anyhow::Result<()> {
        let part = match self.kinds.entry(kind) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Part { latencies: Latencies::new()?, empty: 0, failed: 0 }),
        };
        match (answered, counted) {
            (Ok(found), Some(took)) => {
                part.latencies.record(took);
                part.empty += u64::from(found.items.is_empty());
            }
            (Ok(_), None) => {}
            (Err(error), _) => {
                part.failed += 1;
                *self.failures.entry(format!("{}: {error}", kind.name())).or_default() += 1;
            }
        }
        Ok(())
    }
}

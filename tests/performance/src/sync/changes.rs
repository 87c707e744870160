//! Changes of profiles over HTTP at a fixed rate, whatever comes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::join_all;
use madrigal_core::tasks;
use serde_json::{Value, json};

use crate::latency::Latencies;
use crate::orders::settle;
use crate::orders::wire::{self, Connection};

/// How long after its end a load goes on sending what was due before.
const PATIENCE: Duration = Duration::from_secs(30);
/// Users of a page.
const PAGE: u32 = 200;

/// A user as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The person.
    pub id: i64,
    /// What the next change is based on.
    pub version: u64,
}

/// Users that are changed in turn, each by one change at a time.
#[derive(Debug)]
pub struct Changing {
    idle: VecDeque<User>,
    made: u64,
}

impl Changing {
    /// None of them is being changed.
    pub fn new(users: Vec<User>) -> Self {
        Self { idle: users.into(), made: 0 }
    }

    /// The user that was not changed for longest, and its change's request; none where all are being changed.
    fn next_change(&mut self, operator: &str) -> Option<(User, Vec<u8>)> {
        let user = self.idle.pop_front()?;
        self.made += 1;
        let body = json!({ "profile": { "firstName": format!("Ottavia {}", self.made) } });
        let based_on = format!("\"{}\"", user.version);
        let path = format!("/v1/users/{}", user.id);
        let request = wire::request("PATCH", &path, operator, &[("if-match", &based_on)], &body.to_string());
        Some((user, request))
    }
}

/// All users of the shop.
///
/// # Errors
/// Where the shop does not list them.
pub async fn users(address: &str, operator: &str) -> anyhow::Result<Vec<User>> {
    let mut connection = Connection::open(address).await?;
    let (mut users, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/users?limit={PAGE}{cursor}");
        let page = settle::json(&mut connection, &wire::request("GET", &path, operator, &[], "")).await?;
        for user in page["items"].as_array().into_iter().flatten() {
            users.push(read(user).context("a user without id or version")?);
        }
        // Cursors have only letters that an address may have.
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(users),
        }
    }
}

fn read(user: &Value) -> Option<User> {
    Some(User { id: user["id"].as_i64()?, version: user["version"].as_u64()? })
}

/// What a load was answered.
#[derive(Debug)]
pub struct Outcome {
    /// Changes that were answered 200 after the warm-up and before the end.
    pub completed: u64,
    /// Changes that were answered 200 at any time.
    pub completed_ever: u64,
    /// Everything else, by what it was; whenever it was.
    pub failures: BTreeMap<String, u64>,
    /// Of the changes that were due after the warm-up and before the end, from when they were due to their answer.
    pub latencies: Latencies,
    /// The user whose change was acknowledged last.
    pub last: Option<User>,
}

impl Outcome {
    /// How many were answered otherwise.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// Changes users at this rate over so many connections; `marked` is called at the end of the warm-up and at the end of the load, before
/// changes under way are waited for. A change's latency counts from the moment at which it was due: no coordinated omission.
///
/// # Errors
/// Where a connection cannot be opened at the start. Later failures are counted.
pub async fn run(
    address: &str,
    operator: &str,
    users: &RefCell<Changing>,
    (rate, connections): (f64, usize),
    (warm_up, measured): (Duration, Duration),
    marked: impl Fn(),
) -> anyhow::Result<Outcome> {
    // With a user for each connection there is always one that nobody changes.
    let connections = connections.min(users.borrow().idle.len());
    ensure!(connections > 0, "there is no user left to change: every change failed before");
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let began = tasks::instant();
    let (counted_from, end) = (began + warm_up, began + warm_up + measured);
    let (failures, latencies) = (BTreeMap::new(), Latencies::new()?);
    let outcome = RefCell::new(Outcome { completed: 0, completed_ever: 0, failures, latencies, last: None });
    let turn = Cell::new(0u64);
    let (turn, outcome_of) = (&turn, &outcome);
    let clients = open.into_iter().map(|connection| async move {
        let mut connection = Some(connection);
        loop {
            let due = began + Duration::from_secs_f64(turn.get() as f64 / rate);
            // What was due and found every connection waiting is still sent, but not for ever.
            if due >= end || tasks::instant() >= end + PATIENCE {
                return;
            }
            turn.set(turn.get() + 1);
            tokio::time::sleep_until(due).await;
            let Some((user, request)) = users.borrow_mut().next_change(operator) else {
                *outcome_of.borrow_mut().failures.entry("no user left to change".to_owned()).or_default() += 1;
                continue;
            };
            let changed = exchange(address, &mut connection, &request).await;
            let now = tasks::instant();
            let within = |moment| counted_from <= moment && moment < end;
            match changed {
                Ok(user) => {
                    let mut outcome = outcome_of.borrow_mut();
                    outcome.completed_ever += 1;
                    outcome.completed += u64::from(within(now));
                    if within(due) {
                        outcome.latencies.record(now.duration_since(due));
                    }
                    outcome.last = Some(user.clone());
                    users.borrow_mut().idle.push_back(user);
                }
                Err(error) => {
                    *outcome_of.borrow_mut().failures.entry(error).or_default() += 1;
                    // Whether it was changed is not known: it is looked at, and left alone where that fails, too.
                    let path = format!("/v1/users/{}", user.id);
                    let show = wire::request("GET", &path, operator, &[], "");
                    if let Ok(user) = exchange(address, &mut connection, &show).await {
                        users.borrow_mut().idle.push_back(user);
                    }
                }
            }
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
    let due = (rate * (warm_up + measured).as_secs_f64()).ceil() as u64;
    let unsent = due.saturating_sub(turn.get());
    if unsent > 0 {
        outcome.failures.insert("never sent: every connection was waiting".to_owned(), unsent);
    }
    Ok(outcome)
}

/// Sends a request and reads the user that is its answer; a connection that broke is opened anew for the next one.
async fn exchange(address: &str, connection: &mut Option<Connection>, request: &[u8]) -> Result<User, String> {
    if connection.is_none() {
        *connection = Some(Connection::open(address).await.map_err(|error| error.to_string())?);
    }
    let Some(open) = connection else { return Err("not connected".to_owned()) };
    match open.send(request).await {
        Ok(answer) if answer.status == 200 => {
            let user = serde_json::from_slice(answer.body).ok().and_then(|user| read(&user));
            user.ok_or_else(|| "an answer without a user".to_owned())
        }
        Ok(answer) => Err(answer.status.to_string()),
        Err(error) => {
            let told = error.to_string();
            *connection = None;
            Err(told)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_changed_by_one_change_at_a_time_based_on_what_was_seen() {
        let mut changing = Changing::new(vec![User { id: 7, version: 3 }]);
        let (user, request) = changing.next_change("token").unwrap();
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("PATCH /v1/users/7 ") && request.contains("if-match: \"3\"\r\n"), "{request}");
        assert_eq!(changing.next_change("token"), None);
        changing.idle.push_back(User { version: 4, ..user });
        assert_eq!(changing.next_change("token").unwrap().0, User { id: 7, version: 4 });
    }
}

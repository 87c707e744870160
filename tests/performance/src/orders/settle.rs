//! What happens after a load: the view catches up, sagas come to their end.

use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_core::{LogEpoch, LogName, Position, PositionToken, tasks};
use serde_json::Value;

use super::wire::{self, Connection};

/// How long a view or the sagas may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How long the shop took until it was at rest.
#[derive(Debug)]
pub struct Settled {
    /// What the view said of its own lag when the load ended: the header `Madrigal-Lag`.
    pub lag: String,
    /// Until the order view showed what was in the log when the load ended.
    pub view: Duration,
    /// Until no saga was open any more.
    pub sagas: Duration,
    /// Until the order view showed everything that those sagas wrote.
    pub view_at_rest: Duration,
}

/// Waits until the shop is at rest.
///
/// # Errors
/// Where it is not after five minutes, or cannot be asked.
pub async fn settle(address: &str, operator: &str) -> anyhow::Result<Settled> {
    let began = tasks::instant();
    let mut connection = Connection::open(address).await?;
    let list = wire::request("GET", "/v1/orders?limit=1", operator, &[], "");
    let lag = connection.send(&list).await?.header("madrigal-lag").unwrap_or("none").to_owned();
    view_shows_log(&mut connection, operator).await?;
    let view = began.elapsed();
    for state in ["running", "compensating", "paused", "stuck", "parked"] {
        let request = wire::request("GET", &format!("/v1/sagas?state={state}&limit=1"), operator, &[], "");
        loop {
            let page = json(&mut connection, &request).await?;
            if page["items"].as_array().is_some_and(Vec::is_empty) {
                break;
            }
            if began.elapsed() > LIMIT {
                bail!("a saga is still {state} after {} s: {}", LIMIT.as_secs(), page["items"][0]);
            }
            tasks::sleep(Duration::from_millis(5)).await;
        }
    }
    let sagas = began.elapsed();
    view_shows_log(&mut connection, operator).await?;
    Ok(Settled { lag, view, sagas, view_at_rest: began.elapsed() })
}

async fn view_shows_log(connection: &mut Connection, operator: &str) -> anyhow::Result<()> {
    let log = wire::request("GET", "/v1/logs/order-service/events?limit=1", operator, &[], "");
    let log = json(connection, &log).await?;
    let name = LogName::parse("order").context("the log's name is invalid")?;
    let epoch = log["epoch"].as_str().unwrap_or_default().parse().context("the log has no epoch")?;
    let end = Position(log["end"].as_u64().context("the log has no end")?);
    let seen = PositionToken::of(name, LogEpoch::from_uuid(epoch), end).to_string();
    let request = wire::request("GET", "/v1/orders?limit=1", operator, &[("madrigal-position", &seen)], "");
    let began = tasks::instant();
    loop {
        match connection.send(&request).await?.status {
            200 => return Ok(()),
            // The view waits five seconds for the position before it says so.
            503 if began.elapsed() < LIMIT => {}
            status => bail!("the view answered {status} after {} s", began.elapsed().as_secs()),
        }
    }
}

/// Asks for a JSON document.
///
/// # Errors
/// Where the connection breaks, or the shop answers anything but 200.
pub(crate) async fn json(connection: &mut Connection, request: &[u8]) -> anyhow::Result<Value> {
    let answer = connection.send(request).await?;
    if answer.status != 200 {
        bail!("the shop answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
    }
    Ok(serde_json::from_slice(answer.body)?)
}

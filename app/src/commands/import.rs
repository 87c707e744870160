//! `madrigal import …`: brings a file in through the public API, one JSON body per line.
//!
//! An import can be repeated and killed at any moment: what is there already is recognised (products by their id, users by
//! name and e-mail, past orders by id, date and contents, live orders by the line's key), and a file that was read half is
//! continued where it was. Exit code 0 means that every line is in; refused lines are named and make it 1.

mod batches;
mod bodies;
mod lines;
mod progress;
mod singles;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::{Stream, StreamExt};
use madrigal_core::tasks;
use reqwest::{RequestBuilder, StatusCode};

use crate::cli::{ImportCommand, ImportFile};
use crate::client::{Answer, Shop};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::output::Format;

use lines::{FileLines, NumberedLine};
use progress::{Origin, Progress};

/// How often a request is repeated where the shop is too busy: a minute or two in all.
const PATIENCE: u64 = 60;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Imported,
    Known,
    /// It is in, merged with what others did; says what was not taken.
    Merged(String),
    Refused(String),
}

/// Lines whose fates are known, in the order of the file; everything before them is known too.
struct Done {
    /// Where the file goes on after them.
    offset: u64,
    fates: Vec<(NumberedLine, Fate)>,
}

pub(super) async fn run(shop: &Shop, config: &Config, format: Format, command: ImportCommand) -> anyhow::Result<()> {
    match command {
        ImportCommand::Products(file) => import(shop, config, format, Kind::Products, &file).await,
        ImportCommand::ProductEdits(file) => import(shop, config, format, Kind::ProductEdits, &file).await,
        ImportCommand::Users(file) => import(shop, config, format, Kind::Users, &file).await,
        ImportCommand::Orders { file, live: true } => import(shop, config, format, Kind::LiveOrders, &file).await,
        ImportCommand::Orders { file, live: false } => import(shop, config, format, Kind::PastOrders, &file).await,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Products,
    ProductEdits,
    Users,
    PastOrders,
    LiveOrders,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::ProductEdits => "product edits",
            Self::Users => "users",
            Self::PastOrders => "orders",
            Self::LiveOrders => "live orders",
        }
    }
}

async fn import(shop: &Shop, config: &Config, format: Format, kind: Kind, file: &ImportFile) -> anyhow::Result<()> {
    let origin = Origin { kind: kind.as_str(), file: &file.file, epoch: &epoch(shop).await? };
    let mut progress = Progress::resume(&DataDir::open(&config.data)?, &origin, file.refused.as_deref())?;
    let lines = FileLines::open(&file.file, progress.offset(), progress.lines()).await?;
    let concurrency = usize::try_from(file.concurrency)?;
    let imported = match kind {
        Kind::Products => note(&mut progress, batches::send(shop, "/v1/products/import", lines, concurrency)).await,
        // One request at a time: a later edit of a product meets what an earlier one made.
        Kind::ProductEdits => note(&mut progress, batches::send(shop, "/v1/products/edits", lines, 1)).await,
        Kind::PastOrders => note(&mut progress, batches::send(shop, "/v1/orders/import", lines, concurrency)).await,
        Kind::Users => note(&mut progress, singles::users(shop, lines, concurrency)).await,
        Kind::LiveOrders => note(&mut progress, singles::live_orders(shop, lines, concurrency)).await,
    };
    progress.save();
    imported
        .with_context(|| format!("stopped after line {}: the same command goes on from there", progress.lines()))?;
    progress.end(&origin, format)
}

async fn note(progress: &mut Progress, done: impl Stream<Item = anyhow::Result<Done>>) -> anyhow::Result<()> {
    let mut done = std::pin::pin!(done);
    while let Some(done) = done.next().await {
        progress.note(&done?)?;
    }
    Ok(())
}

/// Which history the shop's logs have: an import goes on only in the shop that it was begun in.
async fn epoch(shop: &Shop) -> anyhow::Result<String> {
    let log = shop.get("/v1/logs/order-service/events?limit=1").await?;
    Ok(log["epoch"].as_str().unwrap_or_default().to_owned())
}

/// Asks again, a bounded number of times, where the shop says that it is too busy.
async fn patient(shop: &Shop, request: impl Fn() -> RequestBuilder) -> anyhow::Result<Answer> {
    for attempt in 0..PATIENCE {
        let answer = shop.send(request()).await?;
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status);
        if !busy {
            return Ok(answer);
        }
        pause(attempt).await;
    }
    bail!("the shop stayed too busy for a minute")
}

/// Longer each time, two seconds at most.
async fn pause(attempt: u64) {
    tasks::sleep(Duration::from_millis(100 * (attempt + 1).min(20))).await;
}

/// Whether the file is standard input, which cannot be continued.
fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

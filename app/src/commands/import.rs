//! `madrigal import …`: brings a file in through the public API, one JSON body per line.
//!
//! An import can be repeated: products and users that are there already are counted as such, and a live order's key is
//! its line's, so that it is placed once. A file that was read half is continued where it was.

mod bodies;
mod progress;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use futures::{StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines};

use crate::cli::{ImportCommand, ImportFile};
use crate::client::Shop;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit::Ended;
use crate::output;

use progress::Progress;

/// The longest line.
const MAX_LINE_BYTES: usize = 1 << 20;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Imported,
    Known,
    Refused(String),
}

pub(super) async fn run(shop: &Shop, config: &Config, command: ImportCommand) -> anyhow::Result<()> {
    match command {
        ImportCommand::Products(file) => import(shop, config, Kind::Products, &file).await,
        ImportCommand::Users(file) => import(shop, config, Kind::Users, &file).await,
        ImportCommand::Orders { file, live: true } => import(shop, config, Kind::LiveOrders, &file).await,
        ImportCommand::Orders { live: false, .. } => Err(Ended::Usage(
            "past orders cannot be imported yet (docs/known-limits.md): use --live to place them as new orders"
                .to_owned(),
        )
        .into()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Products,
    Users,
    LiveOrders,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Users => "users",
            Self::LiveOrders => "orders",
        }
    }
}

async fn import(shop: &Shop, config: &Config, kind: Kind, file: &ImportFile) -> anyhow::Result<()> {
    let mut progress = Progress::resume(&DataDir::open(&config.data)?, kind.as_str(), &file.file, shop.url())?;
    let skipped = progress.lines();
    if skipped > 0 {
        output::message(&format!("going on after line {skipped}, where an earlier run was stopped"));
    }
    let importer = Importer { shop: shop.clone(), kind, users: Arc::default() };
    let lines = numbered(open(&file.file).await?).skip(usize::try_from(skipped)?);
    let concurrency = usize::try_from(file.concurrency)?;
    let mut fates = std::pin::pin!(lines.map(|line| importer.line(line)).buffered(concurrency));
    while let Some(fate) = fates.next().await {
        let (number, fate) = fate.inspect_err(|_| progress.save())?;
        progress.note(number, &fate);
    }
    progress.end(kind.as_str())
}

async fn open(path: &Path) -> anyhow::Result<Box<dyn AsyncBufRead + Unpin + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(tokio::io::stdin())));
    }
    let file = tokio::fs::File::open(path).await.with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
}

type Line = std::io::Result<(u64, String)>;

fn numbered(reader: Box<dyn AsyncBufRead + Unpin + Send>) -> impl stream::Stream<Item = Line> {
    type Reader = Lines<Box<dyn AsyncBufRead + Unpin + Send>>;
    stream::unfold((reader.lines(), 0u64), async |(mut lines, number): (Reader, u64)| match lines.next_line().await {
        Ok(Some(line)) => Some((Ok((number + 1, line)), (lines, number + 1))),
        Ok(None) => None,
        Err(error) => Some((Err(error), (lines, number + 1))),
    })
}

struct Importer {
    shop: Shop,
    kind: Kind,
    users: Arc<Mutex<HashMap<String, i64>>>,
}

impl Importer {
    /// # Errors
    /// Where the shop cannot be reached: the import stops, and can be continued.
    async fn line(&self, line: Line) -> anyhow::Result<(u64, Fate)> {
        let (number, text) = line.context("the file cannot be read further")?;
        if text.trim().is_empty() {
            return Ok((number, Fate::Known));
        }
        if text.len() > MAX_LINE_BYTES {
            return Ok((number, Fate::Refused(format!("the line has more than {MAX_LINE_BYTES} bytes"))));
        }
        let body: Value = match serde_json::from_str(&text) {
            Ok(body) => body,
            Err(error) => return Ok((number, Fate::Refused(format!("no JSON: {error}")))),
        };
        let fate = match self.kind {
            Kind::Products => self.create("/v1/products", &body).await,
            Kind::Users => self.create("/v1/users", &body).await,
            Kind::LiveOrders => self.place(number, body).await,
        };
        Ok((number, fate.with_context(|| format!("stopped at line {number}"))?))
    }

    async fn create(&self, path: &str, body: &Value) -> anyhow::Result<Fate> {
        let answer = self.patient(|| self.shop.request(Method::POST, path).json(body)).await?;
        Ok(match answer.status {
            status if status.is_success() => Fate::Imported,
            StatusCode::CONFLICT => Fate::Known,
            _ => Fate::Refused(answer.problem()),
        })
    }

    async fn place(&self, number: u64, line: Value) -> anyhow::Result<Fate> {
        let order = match bodies::live_order(number, line) {
            Ok(order) => order,
            Err(reason) => return Ok(Fate::Refused(reason)),
        };
        let Some(user_id) = self.user(&order.username).await? else {
            return Ok(Fate::Refused(format!("there is no user {}", order.username)));
        };
        let body = order.body(user_id);
        let request = || {
            let request = self.shop.request(Method::POST, "/v1/orders").json(&body);
            request.header("Idempotency-Key", &order.key).header("Prefer", "wait=30")
        };
        let answer = self.patient(request).await?;
        Ok(match answer.status {
            StatusCode::CREATED => Fate::Imported,
            StatusCode::ACCEPTED => Fate::Refused(format!("still under way: {}", answer.body["saga"])),
            _ => Fate::Refused(answer.problem()),
        })
    }

    async fn user(&self, username: &str) -> anyhow::Result<Option<i64>> {
        let known = self.users.lock().unwrap_or_else(PoisonError::into_inner).get(username).copied();
        if known.is_some() {
            return Ok(known);
        }
        let request = || self.shop.request(Method::GET, "/v1/users").query(&[("username", username)]);
        let found = self.patient(request).await?.ok()?;
        let id = found["items"][0]["id"].as_i64();
        if let Some(id) = id {
            self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(username.to_owned(), id);
        }
        Ok(id)
    }

    /// Asks again, a bounded number of times, where the shop says that it is too busy.
    async fn patient(&self, request: impl Fn() -> reqwest::RequestBuilder) -> anyhow::Result<crate::client::Answer> {
        for attempt in 0..60u64 {
            let answer = self.shop.send(request()).await?;
            let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status);
            if !busy {
                return Ok(answer);
            }
            madrigal_core::tasks::sleep(std::time::Duration::from_millis(100 * (attempt + 1).min(20))).await;
        }
        bail!("the shop stayed too busy for a minute")
    }
}

//! The desk: one task that decides all commands in order and makes them durable in groups.
//!
//! Commands wait in a bounded queue. The task takes up to [`DeskOptions::group`] of them, loads what they need and is not
//! in its caches, decides one after the other in memory, appends everything that they recorded with one `append_many`, and
//! answers each when that is durable. While it waits for the disk the next commands gather in the queue.
//!
//! Decisions of group *n + 1* never build on what group *n* has not made durable: if an append fails, what its group
//! touched is dropped and read again from the store.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, Fault, FaultRetry, Host, Position};
use madrigal_event_store::{AppendError, DynEventStore, limits};
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, Reply};
use super::decide::{decide, share};
use super::working::{LoadFailure, Shelf, Slip, Working};
use crate::domain::{Product, ProductId, RequestKey, SagaKey, Stock};
use crate::store::Loader;

/// How large the desk may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeskOptions {
    /// Commands that may wait; more are refused with the advice to try again. Default 4,096.
    pub queue: usize,
    /// Commands decided and made durable together. Default 256.
    pub group: usize,
    /// Events of one group as far as they are known beforehand, unless a single command has more. Default: what the
    /// store takes in one call. (A group that turns out larger is halved.)
    pub group_events: usize,
    /// Products and their stocks kept in memory. Default 100,000.
    pub shelves: NonZeroUsize,
    /// Reservations kept in memory. Default 65,536.
    pub slips: NonZeroUsize,
    /// A stock's snapshot is kept each time its stream has grown by so many events. Default 512.
    pub snapshot_every: u64,
}

impl Default for DeskOptions {
    fn default() -> Self {
        const SHELVES: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
        const SLIPS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
        Self {
            queue: 4_096,
            group: 256,
            group_events: limits::MAX_EVENTS,
            shelves: SHELVES,
            slips: SLIPS,
            snapshot_every: 512,
        }
    }
}

/// Hears of products that changed, once that is durable.
pub trait ProductListener: Send + Sync + 'static {
    /// The product now.
    fn changed(&self, id: &ProductId, product: &Arc<Product>, version: madrigal_core::StreamVersion);
}

/// The way to the desk; cheap to clone. The task ends when it is closed or the last handle is gone.
#[derive(Debug, Clone)]
pub struct StockDesk {
    queue: mpsc::Sender<Job>,
    closing: StopSignal,
    ended: StopSignal,
}

#[derive(Debug)]
struct Job {
    context: CallContext,
    command: Command,
    answer: oneshot::Sender<Result<Reply, Fault>>,
}

/// Snapshots that may wait to be written; more are left out, the next ones come soon.
const SNAPSHOTS_WAITING: usize = 256;
/// How often a group is decided again after it met a stream at another version, before its callers are told.
const ATTEMPTS: u32 = 4;
/// What a caller is advised to wait when the queue is full: some groups' time.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(50);

impl StockDesk {
    /// Starts the desk's task. It must be the only writer of this store's product, stock and reservation streams; another
    /// one costs only time (versions are checked).
    pub fn start(
        store: DynEventStore,
        loader: Loader,
        listener: Arc<dyn ProductListener>,
        host: Host,
        options: DeskOptions,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(options.queue.max(1));
        let (closing, ended) = (StopSignal::new(), StopSignal::new());
        let snapshots = start_snapshots(loader.clone());
        let worker = Worker {
            store,
            loader,
            listener,
            host,
            options,
            shelves: LruCache::new(options.shelves),
            slips: LruCache::new(options.slips),
            snapshots,
        };
        let (stop, guard) = (closing.clone(), ended.clone().drop_guard());
        tasks::spawn("stock-desk", async move {
            worker.run(jobs, stop).await;
            drop(guard);
        });
        Self { queue, closing, ended }
    }

    /// Has a command decided; answered when its effect is durable.
    ///
    /// # Errors
    /// A [`Fault`]: not applied where the queue is full or closed; unknown where the store says so.
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect; the commands of sagas may be repeated safely.
    pub async fn ask(&self, context: CallContext, command: Command) -> Result<Reply, Fault> {
        let (answer, reply) = oneshot::channel();
        self.queue.try_send(Job { context, command, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Fault::not_applied("catalog", "queue", "too many commands are waiting for the stock desk")
                    .with_retry(FaultRetry::After(QUEUE_FULL_WAIT))
            }
            mpsc::error::TrySendError::Closed(_) => Fault::not_applied("catalog", "queue", "the stock desk is closed")
                .with_retry(FaultRetry::After(Duration::from_secs(1))),
        })?;
        match reply.await {
            Ok(result) => result,
            Err(_) => Err(Fault::unknown("catalog", "decide", "the stock desk ended without an answer")),
        }
    }

    /// Refuses new commands, decides those that wait, and ends the task.
    ///
    /// # Cancellation
    /// Safe: closing goes on.
    pub async fn close(&self) {
        self.closing.cancel();
        self.ended.cancelled().await;
    }

    /// Whether commands are taken.
    pub fn is_open(&self) -> bool {
        !self.ended.is_cancelled() && !self.queue.is_closed()
    }

    /// How many commands wait.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

struct Worker {
    store: DynEventStore,
    loader: Loader,
    listener: Arc<dyn ProductListener>,
    host: Host,
    options: DeskOptions,
    shelves: LruCache<ProductId, Shelf>,
    slips: LruCache<SagaKey, Slip>,
    snapshots: mpsc::Sender<(ProductId, Stock, madrigal_core::StreamVersion)>,
}

impl Worker {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>, stop: StopSignal) {
        let mut taken = Vec::with_capacity(self.options.group);
        loop {
            let count = tokio::select! {
                biased;
                () = stop.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
                count = queue.recv_many(&mut taken, self.options.group.max(1)) => count,
            };
            if count == 0 {
                return;
            }
            for group in self.groups(&mut taken) {
                self.work(group).await;
            }
        }
    }

    /// Parts what was taken into groups of bounded weight, in order; callers that went away are left out.
    fn groups(&self, taken: &mut Vec<Job>) -> Vec<Vec<Job>> {
        let now = tasks::instant();
        let (mut groups, mut group, mut weight) = (Vec::new(), Vec::new(), 0);
        for job in taken.drain(..) {
            if job.answer.is_closed() {
                continue;
            }
            if job.context.deadline.is_some_and(|deadline| deadline <= now) {
                let late = Fault::not_applied("catalog", "queue", "the caller's deadline passed before the turn came");
                let _ = job.answer.send(Err(late));
                continue;
            }
            let job_weight = job.command.weight();
            if weight + job_weight > self.options.group_events && !group.is_empty() {
                groups.push(std::mem::take(&mut group));
                weight = 0;
            }
            weight += job_weight;
            group.push(job);
        }
        if !group.is_empty() {
            groups.push(group);
        }
        groups
    }

    /// Decides a group, makes it durable and answers.
    async fn work(&mut self, group: Vec<Job>) {
        let mut attempt = 1;
        loop {
            let mut working = self.load(&group).await;
            let replies: Vec<Result<Reply, Fault>> =
                group.iter().map(|job| decide(&mut working, &job.command, &job.context, &self.host)).collect();
            let appends = working.appends();
            let appended = if appends.is_empty() { Ok(Vec::new()) } else { self.store.append_many(appends).await };
            match appended {
                Ok(appended) => {
                    let position = appended.iter().map(|stream| stream.position).max().unwrap_or_default();
                    self.keep(working, position);
                    answer(group, replies, position);
                    return;
                }
                // Nothing was written, and what this group was decided on is gone with `working`: read and decide again.
                Err(error @ (AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. })) => {
                    tracing::warn!(%error, attempt, commands = group.len(), "another writer was faster; deciding again");
                    if attempt == ATTEMPTS {
                        refuse(group, Fault::not_applied("catalog", "append", error));
                        return;
                    }
                    attempt += 1;
                }
                Err(AppendError::TooLarge { .. }) if group.len() > 1 => {
                    let mut first = group;
                    let second = first.split_off(first.len() / 2);
                    Box::pin(self.work(first)).await;
                    Box::pin(self.work(second)).await;
                    return;
                }
                Err(AppendError::Fault(fault)) => {
                    tracing::error!(error = %fault.chain(), commands = group.len(), "a group of commands was not made durable");
                    refuse(group, fault);
                    return;
                }
                Err(error @ (AppendError::TooLarge { .. } | AppendError::Malformed { .. })) => {
                    refuse(group, Fault::permanent("catalog", "append", error));
                    return;
                }
            }
        }
    }

    /// Gathers the state that a group's commands need: from the caches, and the rest from the store.
    async fn load(&mut self, group: &[Job]) -> Working {
        let mut working = Working::default();
        let mut missing = HashSet::new();
        for key in group.iter().filter_map(|job| key_of(&job.command)) {
            if !working.has_request(key) {
                let loaded = self.loader.request(key).await;
                working.put_request(key, loaded.map_err(|fault| LoadFailure(Arc::new(fault))));
            }
        }
        for saga in group.iter().filter_map(|job| saga_of(&job.command)) {
            if working.has_slip(saga) || missing.contains(saga) {
                continue;
            }
            match self.slips.pop(saga) {
                Some(slip) => working.put_slip(saga.clone(), Ok(slip)),
                None => {
                    missing.insert(saga.clone());
                }
            }
        }
        for (saga, loaded) in self.loader.slips(missing.into_iter().collect()).await {
            working.put_slip(saga, loaded.map_err(|fault| LoadFailure(Arc::new(fault))));
        }
        let mut missing = HashSet::new();
        for job in group {
            for id in products_of(&job.command, &working) {
                if working.has_shelf(&id) || missing.contains(&id) {
                    continue;
                }
                match self.shelves.pop(&id) {
                    Some(shelf) => working.put_shelf(id, Ok(shelf)),
                    None => {
                        missing.insert(id);
                    }
                }
            }
        }
        for (id, loaded) in self.loader.shelves(missing.into_iter().collect()).await {
            working.put_shelf(id, loaded.map_err(|fault| LoadFailure(Arc::new(fault))));
        }
        working
    }

    /// Puts what is durable now back into the caches, and tells of it.
    fn keep(&mut self, working: Working, position: Position) {
        for (id, shelf, product_changed, stock_events) in working.touched() {
            if let (true, Some(product)) = (product_changed, &shelf.product) {
                self.listener.changed(id, product, shelf.product_version);
            }
            let every = self.options.snapshot_every.max(1);
            let before = shelf.stock_version.0 - stock_events;
            if before / every != shelf.stock_version.0 / every {
                let _ = self.snapshots.try_send((id.clone(), shelf.stock, shelf.stock_version));
            }
        }
        let (shelves, slips) = working.into_durable(position);
        for (id, shelf) in shelves {
            self.shelves.put(id, shelf);
        }
        for (saga, slip) in slips {
            self.slips.put(saga, slip);
        }
    }
}

fn saga_of(command: &Command) -> Option<&SagaKey> {
    match command {
        Command::Reserve { saga, .. }
        | Command::Release { saga, .. }
        | Command::Confirm { saga }
        | Command::TakeBack { saga } => Some(saga),
        Command::ChangeStock { .. } | Command::ChangeProduct { .. } => None,
        Command::Once { command, .. } => saga_of(command),
    }
}

fn key_of(command: &Command) -> Option<&RequestKey> {
    match command {
        Command::Once { key, .. } => Some(key),
        _ => None,
    }
}

/// The products whose shelves a command may need. (A reservation that this same group makes names its own.)
fn products_of(command: &Command, working: &Working) -> Vec<ProductId> {
    match command {
        Command::Reserve { lines, .. } => lines.iter().filter_map(|(id, _)| ProductId::parse(id)).collect(),
        Command::Release { saga, .. } | Command::Confirm { saga } | Command::TakeBack { saga } => {
            let reservation = working.slip(saga).ok().and_then(|slip| slip.reservation.as_ref());
            let lines = reservation.map(|reservation| reservation.lines.as_slice()).unwrap_or_default();
            lines.iter().map(|line| line.product_id.clone()).collect()
        }
        Command::ChangeStock { product, .. } | Command::ChangeProduct { product, .. } => vec![product.clone()],
        Command::Once { command, .. } => products_of(command, working),
    }
}

fn answer(group: Vec<Job>, replies: Vec<Result<Reply, Fault>>, position: Position) {
    for (job, reply) in group.into_iter().zip(replies) {
        // A caller that went away is told by its own repetition.
        let _ = job.answer.send(reply.map(|reply| reply.recorded_at(position)));
    }
}

fn refuse(group: Vec<Job>, fault: Fault) {
    let fault = Arc::new(fault);
    for job in group {
        let _ = job.answer.send(Err(share(&fault)));
    }
}

/// Writes snapshots beside the desk, one after the other, until the desk is gone.
fn start_snapshots(loader: Loader) -> mpsc::Sender<(ProductId, Stock, madrigal_core::StreamVersion)> {
    let (sender, mut waiting) = mpsc::channel(SNAPSHOTS_WAITING);
    tasks::spawn("stock-snapshots", async move {
        while let Some((id, stock, version)) = waiting.recv().await {
            loader.keep_stock(&id, stock, version).await;
        }
    });
    sender
}

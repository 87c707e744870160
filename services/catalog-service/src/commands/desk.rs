//! The desk: one task that decides all commands in order and makes them durable in groups.
//!
//! Commands wait in a bounded queue. The task takes up to [`DeskOptions::group`] of them, loads what they need and is not
//! in its caches, decides one after the other in memory, appends everything that they recorded with one `append_many`, and
//! answers each when that is durable. While it waits for the disk the next commands gather in the queue.
//!
//! Decisions of group *n + 1* never build on what group *n* has not made durable: if an append fails, or turns out to be
//! a repetition, what its group touched is dropped and read again from the store. An answer that comes with no event (a
//! refusal, a stored answer) is given only when the log was looked at: see `memory`.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, Fault, FaultOutcome, FaultRetry, Host, Position};
use madrigal_event_store::{AppendError, DynEventStore, limits, until_readable};
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, Reply};
use super::decide::{decide, share};
use super::memory::{Memory, Unfenced, saga_of};
use super::working::Working;
use crate::domain::{Product, ProductId, Stock};
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
    /// The product now, in the log at `position` or before.
    fn changed(
        &self,
        id: &ProductId,
        product: &Arc<Product>,
        version: madrigal_core::StreamVersion,
        position: Position,
    );

    /// The product or its stock changed, in the log at `position` or before; called before [`ProductListener::changed`].
    fn committed(&self, id: &ProductId, position: Position) {
        let _ = (id, position);
    }

    /// The product or its stock may have changed: the store's answer was lost.
    fn unsure(&self, id: &ProductId) {
        let _ = id;
    }
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
/// How often a group is decided, at most, while what it is decided on turns out to be old, before its callers are told.
const ATTEMPTS: u32 = 6;
/// What a caller is advised to wait when the queue is full: some groups' time.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(50);

impl StockDesk {
    /// Starts the desk's task. It should be the only writer of this store's product, stock and reservation streams. Another
    /// one, an old instance that goes on for a while, say, costs time: what it wrote is found when an append or an answer
    /// is checked against the log. (What a line costs is not checked: it is as this desk last knew the product.)
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
        let worker = Worker { store, memory: Memory::new(loader, options), listener, host, options, snapshots };
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
    memory: Memory,
    listener: Arc<dyn ProductListener>,
    host: Host,
    options: DeskOptions,
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
    async fn work(&mut self, mut group: Vec<Job>) {
        let mut distrusted = HashSet::new();
        let mut obstacle = Fault::not_applied("catalog", "decide", "what the desk decides on changes again and again");
        for attempt in 1..=ATTEMPTS {
            let commands: Vec<&Command> = group.iter().map(|job| &job.command).collect();
            let mut working = self.memory.load(&commands, &distrusted).await;
            let (mut replies, mut fenced) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
            for job in &group {
                let recorded = working.recorded();
                replies.push(decide(&mut working, &job.command, &job.context, &self.host));
                fenced.push(working.recorded() > recorded);
            }
            let answers = commands.iter().zip(&mut replies).zip(&fenced).filter(|(_, fenced)| !**fenced);
            let mut answers: Vec<_> = answers.map(|((command, reply), _)| Unfenced { command, reply }).collect();
            if !self.memory.still_so(&working, &mut answers).await {
                tracing::debug!(attempt, commands = group.len(), "another writer was faster; deciding again");
                continue;
            }
            // Nobody else was faster and the books do not balance: then it is the desk that is wrong about them.
            let unbalanced: Vec<_> = working.unbalanced().filter(|id| distrusted.insert((*id).clone())).collect();
            if !unbalanced.is_empty() {
                tracing::error!(products = ?unbalanced, "the books would not balance; folding them again from the log");
                continue;
            }
            let appends = working.appends();
            let appended = if appends.is_empty() { Ok(Vec::new()) } else { self.store.append_many(appends).await };
            match appended {
                Ok(appended) => {
                    let position = appended.iter().map(|stream| stream.position).max().unwrap_or_default();
                    self.tell(&working, position);
                    if appended.iter().all(|stream| !stream.repeated) {
                        self.keep(working, position);
                        answer(group.into_iter().zip(replies), position);
                        return;
                    }
                    // These very events were there, and more may have followed: `working` is not what the log makes of
                    // them. A saga's have the same ids on every attempt, so that this one may not have been the first:
                    // it is decided again. All others' ids are of this attempt, so that it was.
                    let (again, done): (Vec<_>, Vec<_>) =
                        group.into_iter().zip(replies).partition(|(job, _)| saga_of(&job.command).is_some());
                    answer(done, position);
                    group = again.into_iter().map(|(job, _)| job).collect();
                    if group.is_empty() {
                        return;
                    }
                    obstacle = Fault::unknown("catalog", "append", "it was recorded before, again and again");
                }
                // Nothing was written, and what this group was decided on is gone with `working`: read and decide again.
                Err(error @ (AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. })) => {
                    tracing::warn!(%error, attempt, commands = group.len(), "another writer was faster; deciding again");
                    if let AppendError::WrongVersion { stream, actual, .. } = &error {
                        until_readable(&*self.store, stream, *actual).await;
                    }
                    obstacle = Fault::not_applied("catalog", "append", error);
                }
                Err(AppendError::TooLarge { .. }) if group.len() > 1 => {
                    let second = group.split_off(group.len() / 2);
                    Box::pin(self.work(group)).await;
                    Box::pin(self.work(second)).await;
                    return;
                }
                Err(AppendError::Fault(fault)) => {
                    if fault.outcome == FaultOutcome::Unknown {
                        working.touched().for_each(|(id, ..)| self.listener.unsure(id));
                    }
                    // The store says once that there is no room, however many groups meet it.
                    if !fault.cause.is_storage() {
                        tracing::error!(error = %fault.chain(), commands = group.len(), "a group of commands was not made durable");
                    }
                    refuse(group, fault);
                    return;
                }
                Err(error @ (AppendError::TooLarge { .. } | AppendError::Malformed { .. })) => {
                    refuse(group, Fault::permanent("catalog", "append", error));
                    return;
                }
            }
        }
        refuse(group, obstacle);
    }

    /// Tells of the products that changed, and their stocks.
    fn tell(&self, working: &Working, position: Position) {
        for (id, shelf, product_changed, _) in working.touched() {
            self.listener.committed(id, position);
            if let (true, Some(product)) = (product_changed, &shelf.product) {
                self.listener.changed(id, product, shelf.product_version, position);
            }
        }
    }

    /// Remembers what is durable now, and has snapshots of it kept now and then.
    fn keep(&mut self, working: Working, position: Position) {
        for (id, shelf, _, stock_events) in working.touched() {
            let every = self.options.snapshot_every.max(1);
            let before = shelf.stock_version.0 - stock_events;
            if before / every != shelf.stock_version.0 / every {
                let _ = self.snapshots.try_send((id.clone(), shelf.stock, shelf.stock_version));
            }
        }
        self.memory.keep(working, position);
    }
}

fn answer(decided: impl IntoIterator<Item = (Job, Result<Reply, Fault>)>, position: Position) {
    for (job, reply) in decided {
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

//! The sagas that this process runs: a bounded map, with a place for each where callers wait and leave messages.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use madrigal_core::{Fault, FaultCause, FaultOutcome, FaultRetry, Timestamp};
use serde_json::Value;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

use super::operate::{OperateError, Verb};
use crate::id::SagaId;
use crate::progress::SagaProgress;
use crate::state::SagaState;

const SHARDS: usize = 64;
/// Messages that may wait for one saga; more are refused.
const MAIL_LIMIT: usize = 64;

/// How far this process's dealing with a saga is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// Nothing is durable or read yet.
    Starting,
    /// It could not be started or read.
    Failed(FaultCopy),
    /// There is no such saga.
    Absent,
    /// It was set aside, for this cause.
    Parked(Arc<str>),
    /// It is running here.
    Open,
    /// It ran here to its end.
    Ended,
    /// It is no longer running here: paused, taken over by another runner, or waiting for the next recovery.
    Left,
}

/// What those who wait for a saga see.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) stage: Stage,
    pub(crate) state: SagaState,
    pub(crate) answer: Option<SagaProgress>,
    /// The fingerprint of the request that started it; known from [`Stage::Open`] on.
    pub(crate) fingerprint: Option<Arc<str>>,
    /// Whether this process's first append started it.
    pub(crate) fresh: bool,
    pub(crate) since: Timestamp,
}

/// A fault that several waiters can be told.
#[derive(Debug, Clone)]
pub(crate) struct FaultCopy {
    engine: &'static str,
    operation: &'static str,
    retry: FaultRetry,
    outcome: FaultOutcome,
    cause: FaultCause,
    chain: Arc<str>,
}

impl FaultCopy {
    pub(crate) fn of(fault: &Fault) -> Self {
        let (engine, operation) = (fault.engine, fault.operation);
        Self {
            engine,
            operation,
            retry: fault.retry,
            outcome: fault.outcome,
            cause: fault.cause,
            chain: fault.chain().into(),
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        Fault {
            engine: self.engine,
            operation: self.operation,
            retry: self.retry,
            outcome: self.outcome,
            cause: self.cause,
            source: self.chain.to_string().into(),
        }
    }
}

/// A wish about a running saga; answered when it is durable.
pub(crate) enum Message {
    Cancel { by: String, reply: oneshot::Sender<Result<(), OperateError>> },
    Operate { verb: Verb, who: String, why: String, reply: oneshot::Sender<Result<(), OperateError>> },
}

#[derive(Default)]
struct Mail {
    closed: bool,
    messages: Vec<Message>,
}

/// Why a message could not be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PostError {
    Full,
    /// The runner is gone or going.
    Closed,
}

/// One saga in this process.
pub(crate) struct Live {
    pub(crate) id: SagaId,
    pub(crate) published: watch::Sender<Published>,
    pub(crate) bell: Notify,
    mail: Mutex<Mail>,
    abort: OnceLock<AbortHandle>,
}

impl Live {
    fn new(id: SagaId, since: Timestamp) -> Self {
        let published = Published {
            stage: Stage::Starting,
            state: SagaState::Running,
            answer: None,
            fingerprint: None,
            fresh: false,
            since,
        };
        Self {
            id,
            published: watch::Sender::new(published),
            bell: Notify::new(),
            mail: Mutex::default(),
            abort: OnceLock::new(),
        }
    }

    /// Leaves a message for the runner.
    pub(crate) fn post(&self, message: Message) -> Result<(), PostError> {
        let mut mail = self.mail();
        if mail.closed {
            return Err(PostError::Closed);
        }
        if mail.messages.len() >= MAIL_LIMIT {
            return Err(PostError::Full);
        }
        mail.messages.push(message);
        drop(mail);
        self.bell.notify_one();
        Ok(())
    }

    pub(crate) fn has_mail(&self) -> bool {
        !self.mail().messages.is_empty()
    }

    pub(crate) fn take_mail(&self) -> Vec<Message> {
        std::mem::take(&mut self.mail().messages)
    }

    /// Takes no more messages; those unread are dropped, and their senders look for the saga anew.
    pub(crate) fn close_mail(&self) {
        let mut mail = self.mail();
        mail.closed = true;
        let unread = std::mem::take(&mut mail.messages);
        drop(mail);
        drop(unread);
    }

    pub(crate) fn runs_as(&self, task: AbortHandle) {
        let _ = self.abort.set(task);
    }

    pub(crate) fn abort(&self) {
        if let Some(task) = self.abort.get() {
            task.abort();
        }
    }

    /// Tells those who wait.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Published)) {
        self.published.send_modify(change);
    }

    /// Waits until the saga is past [`Stage::Starting`].
    pub(crate) async fn begun(&self) -> Published {
        let mut published = self.published.subscribe();
        match published.wait_for(|now| !matches!(now.stage, Stage::Starting)).await {
            Ok(now) => now.clone(),
            // The sender lives in `self`: it cannot be gone.
            Err(_) => self.published.borrow().clone(),
        }
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of entering the map.
pub(crate) enum Entered {
    /// The saga is new here: the caller runs it.
    New(Arc<Live>),
    /// It is here already.
    Known(Arc<Live>),
    /// The map is full.
    Full,
}

/// All sagas of this process: those that run, at most `limit`, and the last few that ended.
pub(crate) struct Lives {
    shards: Vec<Mutex<HashMap<SagaId, Arc<Live>>>>,
    running: AtomicUsize,
    limit: usize,
    ended: Mutex<VecDeque<Arc<Live>>>,
    keep_ended: usize,
    pub(crate) emptied: Notify,
}

impl Lives {
    pub(crate) fn new(limit: usize, keep_ended: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            running: AtomicUsize::new(0),
            limit,
            ended: Mutex::default(),
            keep_ended,
            emptied: Notify::new(),
        }
    }

    pub(crate) fn get(&self, id: SagaId) -> Option<Arc<Live>> {
        self.shard(id).get(&id).cloned()
    }

    pub(crate) fn enter(&self, id: SagaId, now: Timestamp) -> Entered {
        let mut shard = self.shard(id);
        if let Some(live) = shard.get(&id) {
            return Entered::Known(Arc::clone(live));
        }
        if self.running.load(Ordering::Relaxed) >= self.limit {
            return Entered::Full;
        }
        self.running.fetch_add(1, Ordering::Relaxed);
        let live = Arc::new(Live::new(id, now));
        shard.insert(id, Arc::clone(&live));
        Entered::New(live)
    }

    /// Takes a saga out that no longer runs here.
    pub(crate) fn leave(&self, live: &Arc<Live>) {
        self.remove(live);
        self.count_down();
    }

    /// Keeps a saga that ended for those who ask soon, and drops the one that ended longest ago.
    pub(crate) fn end(&self, live: &Arc<Live>) {
        let dropped = {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.push_back(Arc::clone(live));
            if ended.len() > self.keep_ended { ended.pop_front() } else { None }
        };
        if let Some(dropped) = dropped {
            self.remove(&dropped);
        }
        self.count_down();
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// How many more may run before the map is half full; beyond it nothing old is taken up, so that new sagas find room.
    pub(crate) fn room(&self) -> usize {
        (self.limit / 2).saturating_sub(self.running())
    }

    /// Whether a quarter of the map is full.
    pub(crate) fn is_crowded(&self) -> bool {
        self.running() > self.limit / 4
    }

    /// Every saga in the map, the last ended ones too.
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        let mut all = Vec::with_capacity(self.running());
        for shard in &self.shards {
            all.extend(shard.lock().unwrap_or_else(PoisonError::into_inner).values().cloned());
        }
        all
    }

    fn remove(&self, live: &Arc<Live>) {
        let mut shard = self.shard(live.id);
        if shard.get(&live.id).is_some_and(|known| Arc::ptr_eq(known, live)) {
            shard.remove(&live.id);
        }
    }

    fn count_down(&self) {
        if self.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.emptied.notify_waiters();
        }
    }

    fn shard(&self, id: SagaId) -> MutexGuard<'_, HashMap<SagaId, Arc<Live>>> {
        let shard = usize::from(id.as_uuid().as_bytes()[0]) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reason as JSON with one field.
pub(crate) fn reason(field: &str, text: &str) -> Value {
    Value::Object(std::iter::once((field.to_owned(), Value::from(text))).collect())
}

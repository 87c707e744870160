//! An event store in another process: appends whose outcome nobody knows, and such that arrive late.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks::{self, TaskGroup};
use madrigal_core::{Fault, FaultRetry, LogEpoch, LogName, Position, StreamName};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};
use tokio::sync::oneshot;

use crate::network::{Fate, Network};

/// Where a store is served now. Cheap to clone.
#[derive(Clone, Default)]
pub struct StoreServer(Arc<Mutex<Option<Serving>>>);

#[derive(Clone)]
struct Serving {
    store: DynEventStore,
    tasks: TaskGroup,
}

impl StoreServer {
    /// The store is served by these tasks.
    pub fn opens(&self, store: DynEventStore, tasks: TaskGroup) {
        *self.lock() = Some(Serving { store, tasks });
    }

    /// Nobody serves it.
    pub fn closes(&self) {
        *self.lock() = None;
    }

    fn now(&self) -> Option<Serving> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Serving>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client of a store on another machine. Keeps the port's contract: what it cannot know is a fault of unknown outcome.
pub struct RemoteStore {
    name: String,
    log: LogName,
    server: StoreServer,
    network: Network,
    known: Mutex<(LogEpoch, Position)>,
}

/// How long a client waits for an answer.
const LIMIT: Duration = Duration::from_secs(2);
/// How long a read is under way. The same for all: reads may be made in any order.
const READ: Duration = Duration::from_millis(1);
/// How often a client looks whether the server is back.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl RemoteStore {
    /// A client of the store that is served there; `None` while nobody serves it.
    pub fn connect(caller: &str, server: StoreServer, network: Network) -> Option<Self> {
        let serving = server.now()?;
        let log = serving.store.log().clone();
        let known = Mutex::new((serving.store.epoch(), serving.store.end()));
        Some(Self { name: format!("{caller}>{log}-store"), log, server, network, known })
    }

    fn deliver(
        &self,
        appends: Vec<StreamAppend>,
        after: Duration,
    ) -> oneshot::Receiver<Result<Vec<Appended>, AppendError>> {
        let (answered, answer) = oneshot::channel();
        let server = self.server.clone();
        self.network.wires().spawn(async move {
            tasks::sleep(after).await;
            let Some(serving) = server.now() else {
                let _ = answered.send(Err(refused("append").into()));
                return;
            };
            let store = serving.store;
            serving.tasks.spawn(async move {
                let _ = answered.send(store.append_many(appends).await);
            });
        });
        answer
    }

    /// Has the server do something that changes nothing; it may take [`LIMIT`] more than `wait`.
    async fn ask<T, F>(&self, wait: Duration, work: impl FnOnce(DynEventStore) -> F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        tasks::sleep(READ).await;
        let serving = self.server.now().ok_or_else(|| refused("read"))?;
        let work = work(Arc::clone(&serving.store));
        let answer = serving.tasks.spawn(async move {
            let answer = work.await;
            (answer, serving.store.epoch(), serving.store.end())
        });
        let answer = tasks::within(wait + LIMIT, answer).await.ok_or_else(|| refused("read"))?;
        let (answer, epoch, end) = answer.map_err(|_| refused("read"))?;
        self.heard(epoch, end);
        Ok(answer)
    }

    fn known(&self) -> MutexGuard<'_, (LogEpoch, Position)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers come in any order, and the server may die behind one: the end is never told to be before what was answered.
    fn heard(&self, epoch: LogEpoch, end: Position) {
        let mut known = self.known();
        *known = if known.0 == epoch { (epoch, known.1.max(end)) } else { (epoch, end) };
    }

    fn look(&self) -> (LogEpoch, Position) {
        let mut known = self.known();
        if let Some(serving) = self.server.now() {
            *known = (serving.store.epoch(), serving.store.end());
        }
        *known
    }
}

fn refused(operation: &'static str) -> Fault {
    Fault::not_applied("store", operation, "connection refused").with_retry(FaultRetry::After(LOOK_AGAIN))
}

#[async_trait]
impl EventStore for RemoteStore {
    fn log(&self) -> &LogName {
        &self.log
    }

    fn epoch(&self) -> LogEpoch {
        self.look().0
    }

    fn end(&self) -> Position {
        self.look().1
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        let unknown = |why: &'static str| AppendError::from(Fault::unknown("store", "append", why));
        let delay = self.network.delay();
        let mut answer_late = Duration::ZERO;
        let answer = match self.network.fate(&self.name, "append") {
            Fate::LostRequest => None,
            Fate::Late(after) => {
                drop(self.deliver(appends, after));
                None
            }
            Fate::LostAnswer => {
                let _ = self.deliver(appends, delay).await;
                None
            }
            Fate::Doubled(after) => {
                drop(self.deliver(appends.clone(), after));
                Some(self.deliver(appends, delay))
            }
            Fate::LateAnswer(after) => {
                answer_late = after;
                Some(self.deliver(appends, delay))
            }
            Fate::Arrives => Some(self.deliver(appends, delay)),
        };
        let Some(answer) = answer else {
            tasks::sleep(if self.network.coin() { delay } else { LIMIT }).await;
            return Err(unknown("no answer"));
        };
        let answered = async {
            let answer = answer.await;
            tasks::sleep(answer_late).await;
            answer
        };
        match tasks::within(LIMIT, answered).await {
            Some(Ok(answer)) => {
                if let Some(last) = answer.iter().flatten().map(|appended| appended.position).max() {
                    let epoch = self.known().0;
                    self.heard(epoch, last);
                }
                tasks::sleep(self.network.delay()).await;
                answer
            }
            Some(Err(_)) => Err(unknown("the server died")),
            None => Err(unknown("no answer in time")),
        }
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        let stream = stream.clone();
        self.ask(Duration::ZERO, move |store| async move { store.read_stream(&stream, read).await }).await?
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.ask(Duration::ZERO, move |store| async move { store.read_log(after, limit).await }).await?
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        let until = tasks::instant() + limit;
        loop {
            let left = until.saturating_duration_since(tasks::instant());
            let waited = self.ask(left, move |store| async move { store.wait_beyond(position, left).await }).await;
            match waited {
                Ok(Ok(end)) => return Ok(end),
                Ok(Err(WaitError::TimedOut { end })) => return Err(WaitError::TimedOut { end }),
                _ if left.is_zero() => return Err(WaitError::TimedOut { end: self.known().1 }),
                _ => tasks::sleep(LOOK_AGAIN).await,
            }
        }
    }
}

impl std::fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteStore").field("log", &self.log).finish_non_exhaustive()
    }
}

//! Typed calls over the simulated network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks::{self, TaskGroup};
use madrigal_core::{CallContext, Fault};
use madrigal_http::calls::{Answer, Call, Calls, Neighbour};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::network::{Fate, Network};

/// Where a service is now: nowhere, in one process, or, with a zombie, in two. Cheap to clone.
#[derive(Clone, Default)]
pub struct Place(Arc<Mutex<Vec<Running>>>);

#[derive(Clone)]
struct Running {
    calls: Arc<Calls>,
    tasks: TaskGroup,
}

impl Place {
    /// The service runs here as well, and is preferred to those that were there before.
    pub fn opens(&self, calls: Arc<Calls>, tasks: TaskGroup) {
        self.lock().insert(0, Running { calls, tasks });
    }

    /// What ran in these tasks is gone.
    pub fn closes(&self) {
        self.lock().retain(|running| !running.tasks.is_killed());
    }

    /// The newest; now and then the zombie, which some connections still lead to.
    fn now(&self, network: &Network) -> Option<Running> {
        let running = self.lock();
        let alive: Vec<_> = running.iter().filter(|running| !running.tasks.is_killed()).collect();
        let zombie = alive.len() > 1 && network.dice().percent(30);
        alive.get(usize::from(zombie)).map(|running| (*running).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a caller makes of a call whose outcome nobody knows: `Some` is taken for the answer. For mutants.
pub type Guess = Arc<dyn Fn(&'static str) -> Option<Value> + Send + Sync>;

/// The way from one service to another. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    name: String,
    service: &'static str,
    network: Network,
    place: Place,
    guess: Option<Guess>,
}

impl Link {
    /// The way from `caller` to `service`, which is at `place`.
    pub fn new(caller: &str, service: &'static str, network: Network, place: Place) -> Self {
        Self { name: format!("{caller}>{service}"), service, network, place, guess: None }
    }

    /// The same, with a caller that guesses.
    #[must_use]
    pub fn guessing(self, guess: Option<Guess>) -> Self {
        Self { guess, ..self }
    }

    /// Hands a call to the service, as the network delivers it; resolves with the answer, or never where its process dies.
    fn deliver<C: Call>(
        &self,
        context: &CallContext,
        call: &[u8],
        after: Duration,
    ) -> oneshot::Receiver<Result<C::Answer, Fault>> {
        let (answered, answer) = oneshot::channel();
        let (link, call) = (self.clone(), serde_json::from_slice::<C>(call));
        // A deadline travels as the time that is left: a message that was held up on its way has all of it.
        let context = CallContext { deadline: None, ..context.clone() };
        self.network.wires().spawn(async move {
            tasks::sleep(after).await;
            let Ok(call) = call else { return };
            let Some(running) = link.place.now(&link.network) else {
                let _ = answered.send(Err(Fault::not_applied(link.service, C::NAME, "connection refused")));
                return;
            };
            running.tasks.spawn(async move {
                let result = Neighbour::round_trip(running.calls).call(&context, call).await;
                let _ = answered.send(result);
            });
        });
        answer
    }

    async fn carry<C: Call>(&self, context: &CallContext, call: &C) -> Result<C::Answer, Fault> {
        let unknown = |why: &'static str| Fault::unknown(self.service, C::NAME, why);
        let bytes = serde_json::to_vec(call).map_err(|error| Fault::permanent(self.service, C::NAME, error))?;
        let answer = match self.network.fate(&self.name, C::NAME) {
            Fate::LostRequest => {
                tasks::sleep(self.network.delay()).await;
                return Err(self.silence(unknown("the connection was cut")).await);
            }
            Fate::Late(after) => {
                drop(self.deliver::<C>(context, &bytes, after));
                tasks::sleep(self.network.delay()).await;
                return Err(self.silence(unknown("the connection was cut")).await);
            }
            Fate::LostAnswer => {
                let _ = self.deliver::<C>(context, &bytes, self.network.delay()).await;
                return Err(self.silence(unknown("the answer was lost")).await);
            }
            Fate::LateAnswer(after) => {
                let answer = self.deliver::<C>(context, &bytes, self.network.delay()).await;
                tasks::sleep(after).await;
                answer
            }
            Fate::Doubled(after) => {
                drop(self.deliver::<C>(context, &bytes, after));
                self.deliver::<C>(context, &bytes, self.network.delay()).await
            }
            Fate::Arrives => self.deliver::<C>(context, &bytes, self.network.delay()).await,
        };
        tasks::sleep(self.network.delay()).await;
        answer.unwrap_or_else(|_| Err(unknown("the process died")))
    }

    /// The caller learns at once that the connection is gone, or waits until its time is over.
    async fn silence(&self, fault: Fault) -> Fault {
        if self.network.coin() {
            return fault;
        }
        std::future::pending().await
    }
}

#[async_trait]
impl<C: Call> Answer<C> for Link {
    async fn answer(&self, context: CallContext, call: C) -> Result<C::Answer, Fault> {
        let Some(guess) = &self.guess else { return self.carry(&context, &call).await };
        // The guess must be made before the caller's own limit cuts the call off.
        let limit = C::LIMIT.saturating_sub(Duration::from_millis(500));
        let answer = tasks::within(limit, self.carry(&context, &call)).await;
        match (answer, guess(C::NAME)) {
            (Some(Ok(answer)), _) => Ok(answer),
            (Some(Err(fault)), Some(guessed)) if fault.outcome == madrigal_core::FaultOutcome::Unknown => {
                serde_json::from_value(guessed).map_err(|_| fault)
            }
            (Some(Err(fault)), _) => Err(fault),
            (None, guessed) => {
                let fault = Fault::unknown(self.service, C::NAME, "no answer");
                guessed.and_then(|guessed| serde_json::from_value(guessed).ok()).ok_or(fault)
            }
        }
    }
}

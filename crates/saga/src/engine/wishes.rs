//! What callers and operators want of a saga: told to its runner, answered when it is durable.

use madrigal_core::Fault;
use tokio::sync::oneshot;

use super::SagaEngine;
use super::live::{Entered, Message, PostError, Stage};
use super::operate::{OperateError, Verb};
use super::runner::Origin;
use crate::id::SagaId;
use crate::state::SagaState;

impl SagaEngine {
    /// Asks the saga to compensate, on behalf of a caller (`by`, as in `42`). Returns when the wish is durable; a saga that
    /// compensates already is left alone.
    ///
    /// # Errors
    /// [`OperateError::AlreadyCommitted`], [`OperateError::PivotUnderWay`], [`OperateError::NoSuchSaga`], or why it cannot be run.
    ///
    /// # Cancellation
    /// The wish may be recorded later; repeating it is safe.
    pub async fn cancel(&self, id: &SagaId, by: &str) -> Result<(), OperateError> {
        self.send(*id, |reply| Message::Cancel { by: by.to_owned(), reply }).await
    }

    /// Carries out an operator's verb. Returns when it is durable.
    ///
    /// # Errors
    /// [`OperateError`]: the saga's state does not allow it, or it could not be written.
    ///
    /// # Cancellation
    /// The verb may be recorded later.
    pub async fn operate(&self, id: &SagaId, verb: Verb, who: &str, why: &str) -> Result<(), OperateError> {
        for (field, text) in [("who", who), ("why", why)] {
            if text.trim().is_empty() || text.chars().count() > 1_000 {
                return Err(OperateError::Text { field });
            }
        }
        let message = |reply| Message::Operate { verb: verb.clone(), who: who.to_owned(), why: why.to_owned(), reply };
        self.send(*id, message).await
    }

    async fn send(
        &self,
        id: SagaId,
        message: impl Fn(oneshot::Sender<Result<(), OperateError>>) -> Message,
    ) -> Result<(), OperateError> {
        for _ in 0..1_000 {
            let (reply, answer) = oneshot::channel();
            let (live, new) = match self.enter(id) {
                Ok(Entered::Known(live)) => (live, false),
                Ok(Entered::New(live)) => (live, true),
                Ok(Entered::Full) => return Err(self.full().into()),
                Err(_) => return Err(Fault::not_applied("saga", "operate", "the service is stopping").into()),
            };
            match live.post(message(reply)) {
                Ok(()) => {}
                Err(PostError::Full) => {
                    return Err(Fault::not_applied("saga", "operate", "too many wishes wait for this saga").into());
                }
                Err(PostError::Closed) => {
                    let ended = live.published.borrow().state;
                    if ended.is_ended() {
                        return after_the_end(message(oneshot::channel().0), ended);
                    }
                    // It is just leaving; it is out of the map in a moment.
                    tokio::task::yield_now().await;
                    continue;
                }
            }
            if new {
                self.launch(&live, Origin::Taken { lost: false });
            }
            if let Ok(answer) = answer.await {
                return answer;
            }
            // The runner left with the message unread: say why, or look for the saga anew.
            match live.published.borrow().stage.clone() {
                Stage::Absent => return Err(OperateError::NoSuchSaga),
                Stage::Parked(cause) => return Err(OperateError::Parked { cause: cause.to_string() }),
                Stage::Failed(fault) => return Err(fault.fault().into()),
                Stage::Starting | Stage::Open | Stage::Ended | Stage::Left => {}
            }
        }
        Err(Fault::unknown("saga", "operate", "the saga kept changing hands").into())
    }
}

/// The answer to a wish about a saga that has ended.
fn after_the_end(message: Message, state: SagaState) -> Result<(), OperateError> {
    match message {
        Message::Cancel { .. } if state == SagaState::Completed => Err(OperateError::AlreadyCommitted),
        Message::Cancel { .. } => Ok(()),
        Message::Operate { verb, .. } => Err(OperateError::NotInThisState { verb: verb.name(), state }),
    }
}

//! Waiting for a saga, wherever it runs: until it is decided, until nothing more happens to it.

use std::time::Duration;

use madrigal_core::{Fault, tasks};

use super::SagaEngine;
use super::live::{Published, Stage};
use crate::id::SagaId;
use crate::progress::SagaProgress;
use crate::state::SagaState;

impl SagaEngine {
    /// Waits until the saga is decided, at most `wait`: returns as soon as the pivot or the refusal is durable.
    ///
    /// # Errors
    /// A fault if the store broke.
    ///
    /// # Cancellation
    /// Safe: waits only.
    pub async fn outcome(&self, id: &SagaId, wait: Duration) -> Result<SagaProgress, Fault> {
        let published = self.watch(id, wait, |now| now.answer.is_some()).await?;
        Ok(match published {
            Some(published) => published.answer.unwrap_or(SagaProgress::Running),
            None => SagaProgress::Unknown,
        })
    }

    /// Waits until nothing more will happen to the saga, at most `wait`, and returns where it stands then; `None` if there is no
    /// such saga.
    ///
    /// # Errors
    /// A fault if the store broke.
    ///
    /// # Cancellation
    /// Safe: waits only.
    pub async fn settled(&self, id: &SagaId, wait: Duration) -> Result<Option<SagaState>, Fault> {
        let published = self.watch(id, wait, |now| now.state.is_ended()).await?;
        Ok(published.map(|published| published.state))
    }

    /// Waits until `enough`, at most `wait`; returns what was known last, `None` if there is no such saga.
    async fn watch(
        &self,
        id: &SagaId,
        wait: Duration,
        enough: impl Fn(&Published) -> bool + Send + Sync,
    ) -> Result<Option<Published>, Fault> {
        let until = tasks::instant() + wait;
        let mut taken_up = false;
        loop {
            if let Some(live) = self.shared.lives.get(*id) {
                let mut published = live.published.subscribe();
                let over = |now: &Published| enough(now) || !matches!(now.stage, Stage::Starting | Stage::Open);
                let waited = tasks::within(until.saturating_duration_since(tasks::instant()), published.wait_for(over));
                let now = match waited.await {
                    Some(Ok(now)) => now.clone(),
                    Some(Err(_)) | None => live.published.borrow().clone(),
                };
                match &now.stage {
                    Stage::Failed(fault) => return Err(fault.fault()),
                    Stage::Absent => return Ok(None),
                    Stage::Starting | Stage::Open | Stage::Ended => return Ok(Some(now)),
                    Stage::Parked(_) | Stage::Left => {}
                }
            }
            let Some(now) = self.shared.look(id).await? else { return Ok(None) };
            let resting = matches!(now.state, SagaState::Paused | SagaState::Parked) || now.state.is_ended();
            if enough(&now) || resting || tasks::instant() >= until {
                return Ok(Some(now));
            }
            // Once only: a saga that leaves again does so for a reason.
            if self.shared.options.exclusive && !taken_up && self.take_up(*id).is_some() {
                taken_up = true;
                continue;
            }
            self.shared.wait_for_news(until).await?;
        }
    }
}

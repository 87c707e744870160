//! Striking, and starting again.

use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};

use crate::plan::{After, Blow};
use crate::shop::{Broken, ShopProcesses};

/// Why a run ended before its verdict.
#[derive(Debug)]
pub(crate) enum RunEnd {
    /// The shop cannot be used any more, or somebody stopped the run.
    Broken(Broken),
    /// Something that has nothing to do with the shop.
    Other(anyhow::Error),
}

impl From<Broken> for RunEnd {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<anyhow::Error> for RunEnd {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Who struck whom so far.
#[derive(Debug, Default)]
pub(crate) struct Strikes {
    /// Processes that were killed.
    pub(crate) kills: usize,
    /// Those of them that had not been ready yet.
    pub(crate) while_starting: usize,
    /// Processes that were started since they were last ready.
    fresh: Vec<usize>,
}

impl Strikes {
    /// Starts everything for the first time.
    pub(crate) fn begin(&mut self, processes: &mut ShopProcesses) -> Result<(), RunEnd> {
        processes.start()?;
        self.fresh = (0..processes.count()).collect();
        Ok(())
    }

    /// Waits for the blow's moment, strikes, and starts the victims again.
    pub(crate) async fn strike(
        &mut self,
        processes: &mut ShopProcesses,
        blow: &Blow,
        stop: &StopSignal,
    ) -> Result<(), RunEnd> {
        if blow.after == After::Ready {
            self.all_ready(processes).await?;
        }
        pause(blow.pause, stop).await?;
        self.kills += processes.kill(&blow.victims)?;
        self.while_starting += blow.victims.iter().filter(|victim| self.fresh.contains(victim)).count();
        pause(blow.away, stop).await?;
        processes.start()?;
        self.fresh.extend(&blow.victims);
        self.fresh.sort_unstable();
        self.fresh.dedup();
        Ok(())
    }

    /// Waits until everything is ready.
    pub(crate) async fn all_ready(&mut self, processes: &mut ShopProcesses) -> Result<(), RunEnd> {
        processes.ready(&self.fresh).await?;
        self.fresh.clear();
        Ok(())
    }
}

async fn pause(duration: Duration, stop: &StopSignal) -> Result<(), Broken> {
    if tasks::sleep_or_stopped(duration, stop).await { Err(Broken::Stopped) } else { Ok(()) }
}

//! Old reservations: the catalogue asks what became of their sagas, and releases what nobody needs.

use madrigal_contracts::order::SagaStanding;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, Fault, Host};
use madrigal_projection::{Query, ViewReader};

use super::command::{Command, Reply};
use super::desk::StockDesk;
use crate::config::CatalogConfig;
use crate::domain::{ReleaseCause, SagaKey};
use crate::neighbours::CatalogNeighbours;
use crate::projections::OpenReservations;

/// Reservations looked at between two pauses for breath of the view.
const PAGE: usize = 256;
/// A round ends after so many faults: one saga that cannot be read must not hold up the others, and a neighbour that is
/// down must not be asked about all of them.
const FAULTS_OF_A_ROUND: u32 = 8;

/// Looks through the open reservations now and then.
#[derive(Clone)]
pub struct Expiry {
    view: ViewReader<OpenReservations>,
    desk: StockDesk,
    neighbours: CatalogNeighbours,
    host: Host,
    config: CatalogConfig,
}

impl Expiry {
    /// An expiry of these.
    pub fn new(
        view: ViewReader<OpenReservations>,
        desk: StockDesk,
        neighbours: CatalogNeighbours,
        host: Host,
        config: CatalogConfig,
    ) -> Self {
        Self { view, desk, neighbours, host, config }
    }

    /// Looks through them every [`CatalogConfig::expiry_interval`] until `stop`.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn run(&self, stop: StopSignal) {
        while !tasks::sleep_or_stopped(self.config.expiry_interval, &stop).await {
            if let Err(fault) = self.round().await {
                tracing::warn!(error = %fault.chain(), "old reservations could not be looked through; later again");
            }
        }
    }

    /// Looks through all open reservations once; returns how many were released.
    ///
    /// # Errors
    /// A [`Fault`] of the view, or the eighth of the order service or the desk; what is left waits for the next round.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn round(&self) -> Result<u64, Fault> {
        let old = self.host.now().minus(self.config.reservation_age);
        let (mut released, mut faults, mut after) = (0, 0, None::<String>);
        loop {
            let page = self.view.query(Query::oldest(PAGE).after(after)).await?;
            let full = page.len() == PAGE;
            after = page.last().map(|last| last.key.clone());
            for open in page {
                let Some(saga) = SagaKey::parse(&open.key).filter(|_| open.row.made_at <= old) else { continue };
                match self.settle(saga).await {
                    Ok(settled) => released += u64::from(settled),
                    Err(fault) if faults + 1 < FAULTS_OF_A_ROUND => {
                        faults += 1;
                        tracing::warn!(saga_id = open.key, error = %fault.chain(), "an old reservation was not settled");
                    }
                    Err(fault) => return Err(fault),
                }
            }
            if !full {
                return Ok(released);
            }
        }
    }

    /// Asks about one saga and releases what it holds where it is over without a sale, or never was.
    async fn settle(&self, saga: SagaKey) -> Result<bool, Fault> {
        let context = CallContext::new(&self.host);
        match self.neighbours.standing(&context, &saga).await? {
            Some(SagaStanding::Undone | SagaStanding::Unknown) => {
                let release = Command::Release { saga, cause: ReleaseCause::Expired };
                let reply = self.desk.ask(context, release).await?;
                // Anything else: its saga was faster.
                Ok(matches!(reply, Reply::Undone { nothing_to_undo: false, .. }))
            }
            // A saga under way may still need it; one that is committed will confirm it.
            Some(SagaStanding::Live | SagaStanding::Committed) | None => Ok(false),
        }
    }
}

impl std::fmt::Debug for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expiry").field("age", &self.config.reservation_age).finish_non_exhaustive()
    }
}

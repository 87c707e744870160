//! The ledger's sums, kept up as far as somebody asked.

use std::collections::BTreeMap;

use madrigal_core::{Currency, Fault, Position};
use tokio::sync::Mutex;

use super::ledger::{Ledger, SandboxEvent, decode};
use crate::provider::LedgerTotals;

/// How many events are read at a time.
const SCAN: usize = 10_000;

/// Sums by currency through a position. The first question after a start reads the whole ledger, later ones its tail;
/// memory grows with the number of currencies only.
#[derive(Debug, Default)]
pub struct RunningTotals(Mutex<Sums>);

#[derive(Debug, Default)]
struct Sums {
    through: Position,
    by_currency: BTreeMap<Currency, LedgerTotals>,
}

impl RunningTotals {
    /// The sums through the ledger's end as it is now, and that position.
    ///
    /// # Errors
    /// A [`Fault`] if the ledger cannot be read; what was counted so far is kept.
    ///
    /// # Cancellation
    /// Safe: a batch of events is counted whole or not at all.
    pub async fn catch_up(&self, ledger: &Ledger) -> Result<(Vec<LedgerTotals>, u64), Fault> {
        let mut sums = self.0.lock().await;
        loop {
            let (events, through, end) = ledger.scan(sums.through, SCAN).await?;
            let events = events.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
            events.iter().for_each(|event| sums.count(event));
            sums.through = through;
            if through >= end {
                return Ok((sums.by_currency.values().cloned().collect(), through.0));
            }
        }
    }
}

impl Sums {
    fn count(&mut self, event: &SandboxEvent) {
        match event {
            SandboxEvent::Charged { amount, .. } => {
                let totals = self.of(amount.currency);
                totals.charged += i128::from(amount.amount);
                totals.charges += 1;
            }
            SandboxEvent::Refunded { amount, .. } => {
                let totals = self.of(amount.currency);
                totals.refunded += i128::from(amount.amount);
                totals.refunds += 1;
            }
            SandboxEvent::Declined { .. } | SandboxEvent::Failed { .. } | SandboxEvent::Voided {} => {}
        }
    }

    fn of(&mut self, currency: Currency) -> &mut LedgerTotals {
        self.by_currency
            .entry(currency)
            .or_insert_with(|| LedgerTotals { currency: currency.to_string(), ..LedgerTotals::default() })
    }
}

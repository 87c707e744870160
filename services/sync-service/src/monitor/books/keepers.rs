//! Who keeps the three sides of an order.

use std::collections::BTreeMap;

use madrigal_contracts::books::{
    ListMovedSagas, MovedSagas, ReadSagaAccounts, ReadSagaOrders, ReadSagaReservations, SagaAccount, SagaOrder,
    SagaReservation,
};
use madrigal_core::{CallContext, Fault, Host, Position};
use madrigal_http::Neighbour;

/// Who keeps the three sides of an order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BookKeepers {
    /// Keeps sagas and orders: order-service.
    pub orders: Neighbour,
    /// Keeps reservations: catalog-service.
    pub catalog: Neighbour,
    /// Reaches the provider: payment-service.
    pub payments: Neighbour,
}

/// What is known of some sagas, by saga.
#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) orders: BTreeMap<String, SagaOrder>,
    pub(super) reservations: BTreeMap<String, SagaReservation>,
    pub(super) accounts: BTreeMap<String, SagaAccount>,
}

impl BookKeepers {
    /// The keeper of the log that is walked by this number: the participants first, the orders last.
    fn log(&self, number: usize) -> &Neighbour {
        [&self.catalog, &self.payments, &self.orders][number]
    }

    pub(super) async fn moved(
        &self,
        log: usize,
        after: Position,
        through: Option<Position>,
        limit: usize,
        host: &Host,
    ) -> Result<MovedSagas, Fault> {
        self.log(log).call(&CallContext::new(host), ListMovedSagas { after, through, limit }).await
    }

    /// The orders first: what a saga that is over has left is there when the participants are read.
    pub(super) async fn sides(&self, sagas: &[String], host: &Host) -> Result<Sides, Fault> {
        let context = CallContext::new(host);
        let orders = self.orders(sagas.to_vec(), host).await?;
        let (reservations, accounts) = futures::try_join!(
            self.catalog.call(&context, ReadSagaReservations { sagas: sagas.to_vec() }),
            self.payments.call(&context, ReadSagaAccounts { sagas: sagas.to_vec() }),
        )?;
        Ok(Sides {
            orders,
            reservations: reservations.into_iter().map(|it| (it.saga_id.clone(), it)).collect(),
            accounts: accounts.into_iter().map(|it| (it.saga_id.clone(), it)).collect(),
        })
    }

    pub(super) async fn orders(&self, sagas: Vec<String>, host: &Host) -> Result<BTreeMap<String, SagaOrder>, Fault> {
        let read = self.orders.call(&CallContext::new(host), ReadSagaOrders { sagas }).await?;
        Ok(read.into_iter().map(|it| (it.saga_id.clone(), it)).collect())
    }
}

//! The service as the application sees it.

use std::sync::Arc;

use axum::Router;
use madrigal_bus::DynTopicSource;
use madrigal_contracts::books::{ListMovedSagas, ReadSagaAccounts};
use madrigal_contracts::payment::{ChargePayment, RefundPayment};
use madrigal_contracts::story::TellPayments;
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Fault, Host};
use madrigal_event_store::{DynEventStore, open_log};
use madrigal_http::calls::Calls;
use madrigal_telemetry::Check;
use utoipa::OpenApi;

use crate::books::Accounts;
use crate::commands::Payments;
use crate::config::PaymentConfig;
use crate::http::{self, PaymentsApi};
use crate::provider::PaymentProvider;
use crate::queries::PaymentQueries;
use crate::sandbox::Sandbox;
use crate::store::PaymentStore;
use crate::topics;

const SERVICE: &str = "payment-service";

/// payment-service: charges, refunds, and shows both. Has no neighbours.
pub struct PaymentService {
    payments: Payments,
    queries: PaymentQueries,
    calls: Arc<Calls>,
    events: DynEventStore,
    /// The sandbox provider's own log, where it is the provider.
    ledger: Option<DynEventStore>,
}

impl PaymentService {
    /// Opens the service with the sandbox provider.
    ///
    /// # Errors
    /// A [`Fault`] where a directory cannot be opened (another process has it, say).
    pub async fn open(config: PaymentConfig, host: Host) -> Result<Self, Fault> {
        let events = open_log(config.dir.join("payment"), "payment", &host).await?;
        let ledger = open_log(config.dir.join("provider"), "provider", &host).await?;
        let provider = Sandbox::new(Arc::clone(&ledger), host, config.sandbox);
        Ok(Self { ledger: Some(ledger), ..Self::with(events, Arc::new(provider)) })
    }

    /// The service on this store, with this provider.
    pub fn with(events: DynEventStore, provider: Arc<dyn PaymentProvider>) -> Self {
        let store = PaymentStore::new(Arc::clone(&events));
        let payments = Payments::new(store.clone(), Arc::clone(&provider));
        let answers = Arc::new(payments.clone());
        let queries = PaymentQueries::new(store, provider);
        let books = Arc::new(Accounts::new(queries.clone()));
        let calls = Calls::new(SERVICE)
            .on::<ListMovedSagas>(Arc::clone(&books))
            .on::<ReadSagaAccounts>(books)
            .on::<ChargePayment>(Arc::clone(&answers))
            .on::<RefundPayment>(answers)
            .on::<TellPayments>(Arc::new(queries.clone()));
        Self { payments, queries, calls: Arc::new(calls), events, ledger: None }
    }

    /// What neighbours may ask.
    pub fn calls(&self) -> Arc<Calls> {
        Arc::clone(&self.calls)
    }

    /// The commands, as [`PaymentService::calls`] answers them.
    pub const fn payments(&self) -> &Payments {
        &self.payments
    }

    /// The queries, as [`PaymentService::router`] answers them.
    pub const fn queries(&self) -> &PaymentQueries {
        &self.queries
    }

    /// The public routes, without the edge's layers.
    pub fn router(&self) -> Router {
        http::router(self.queries.clone())
    }

    /// What others may hear.
    pub fn topics(&self) -> Vec<DynTopicSource> {
        topics::topics(Arc::clone(&self.events))
    }

    /// How the payments' log and the provider are.
    pub async fn health(&self) -> Vec<Check> {
        let ledger = self.ledger.as_ref().and_then(|ledger| ledger.trouble());
        let trouble = self.events.trouble().or(ledger);
        let log = Check::log(self.events.end(), trouble.map(|trouble| (trouble.is_lasting(), trouble.words())));
        let provider = match self.queries.provider_answers().await {
            Ok(()) => Check::healthy("paymentProvider", "answers"),
            Err(fault) => {
                tracing::warn!(cause = %fault.chain(), "the payment provider does not answer");
                Check::degraded("paymentProvider", "does not answer")
            }
        };
        vec![log, provider]
    }

    /// The public routes' documentation.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        PaymentsApi::openapi()
    }

    /// The store of payments, for operators' reads of the log. Not the provider's.
    pub fn store(&self) -> DynEventStore {
        Arc::clone(&self.events)
    }

    /// Nothing runs in the background here: what a crash left open is finished by the saga's repeated call.
    pub async fn run(&self, stop: StopSignal) {
        stop.cancelled().await;
    }
}

impl std::fmt::Debug for PaymentService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaymentService").field("payments", &self.payments).finish_non_exhaustive()
    }
}

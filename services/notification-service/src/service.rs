//! The service as the application sees it.

use std::sync::Arc;

use axum::Router;
use madrigal_bus::DynTopicSource;
use madrigal_contracts::notification::RequestMail;
use madrigal_contracts::person_keys::RemotePersonKeys;
use madrigal_contracts::projections::answering;
use madrigal_contracts::story::TellMails;
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Fault, Host, PersonKeys};
use madrigal_event_store::{DynEventStore, open_log};
use madrigal_http::calls::{Calls, Neighbour};
use madrigal_projection::{ProjectionControl, ProjectionRunner, RunnerOptions};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteOffsets, SqliteViews};
use madrigal_telemetry::Check;
use utoipa::OpenApi;

use crate::commands::Outbox;
use crate::config::NotificationConfig;
use crate::http::{self, MailsApi};
use crate::projections::MailList;
use crate::queries::Mails;
use crate::reactors::{DeliveryReactor, DeliveryStatus};
use crate::sender::{MailSender, Showcase};
use crate::store::MailStore;
use crate::topics;

const SERVICE: &str = "notification-service";
const LOG: &str = "notification";

/// Whom notification-service asks.
#[derive(Clone)]
pub struct NotificationNeighbours {
    /// Where keys of persons come from: to show and export mails.
    pub keys: Arc<dyn PersonKeys>,
    /// Who delivers.
    pub sender: Arc<dyn MailSender>,
}

impl NotificationNeighbours {
    /// Keys from this user-service; mails are shown and exported only.
    pub fn showcase(user_service: Neighbour, host: Host) -> Self {
        Self { keys: Arc::new(RemotePersonKeys::new(user_service, host)), sender: Arc::new(Showcase) }
    }
}

impl std::fmt::Debug for NotificationNeighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotificationNeighbours").finish_non_exhaustive()
    }
}

/// notification-service: the outbox, the delivery, and the mails to look at.
pub struct NotificationService {
    mails: Mails,
    calls: Arc<Calls>,
    list: ProjectionRunner<MailList>,
    delivery: DeliveryReactor,
    events: DynEventStore,
}

impl NotificationService {
    /// Opens the service in its directory.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be opened (another process has it, say).
    pub async fn open(
        config: NotificationConfig,
        neighbours: NotificationNeighbours,
        host: Host,
    ) -> Result<Self, Fault> {
        let events = open_log(config.dir.join(LOG), LOG, &host).await?;
        // Both can be built again: the list from the log, and the checkpoint by looking at every mail.
        let database = Database::open(config.dir.join("views.db"), DatabaseOptions::REBUILDABLE).await?;
        let views = Arc::new(SqliteViews::open(database.clone()).await?);
        let offsets = Arc::new(SqliteOffsets::open(database).await?);
        let options = RunnerOptions::for_service(SERVICE);
        let list = ProjectionRunner::new(MailList, Arc::clone(&events), views, host.clone(), options)?;
        let store = MailStore::new(Arc::clone(&events));
        let delivery = DeliveryReactor::new(store.clone(), neighbours.sender, offsets, host);
        let mails = Mails::new(store.clone(), list.reader(), neighbours.keys);
        let calls = Calls::new(SERVICE)
            .on::<RequestMail>(Arc::new(Outbox::new(store)))
            .on::<TellMails>(Arc::new(mails.clone()));
        let calls = answering(calls, vec![list.managed()]);
        Ok(Self { mails, calls: Arc::new(calls), list, delivery, events })
    }

    /// What neighbours may ask.
    pub fn calls(&self) -> Arc<Calls> {
        Arc::clone(&self.calls)
    }

    /// The queries, as [`NotificationService::router`] answers them.
    pub const fn mails(&self) -> &Mails {
        &self.mails
    }

    /// The public routes, without the edge's layers.
    pub fn router(&self) -> Router {
        http::router(self.mails.clone())
    }

    /// What others may hear.
    pub fn topics(&self) -> Vec<DynTopicSource> {
        topics::topics(Arc::clone(&self.events))
    }

    /// How the mails' log, the list and the delivery are. Without any of them orders are still taken.
    pub async fn health(&self) -> Vec<Check> {
        let trouble = self.events.trouble().map(|trouble| (trouble.is_lasting(), trouble.words()));
        let log = Check::log(self.events.end(), trouble);
        let list = match self.list.reader().lag().await {
            Ok(lag) => Check::view("mailList", lag.events, lag.stalled_since.is_some(), lag.parked_lanes),
            Err(fault) => Check::unhealthy("mailList", fault.to_string()),
        };
        let status = self.delivery.status();
        let delivery = match status.waiting() {
            _ if status.is_stalled() => Check::unhealthy("mailDelivery", "mails are not delivered"),
            _ if status.is_held_up() => Check::degraded("mailDelivery", "the outbox broke; it is tried again"),
            0 => Check::healthy("mailDelivery", "no mail waits for another attempt"),
            waiting => Check::degraded("mailDelivery", format!("{waiting} mails wait for another attempt")),
        };
        vec![log, list, delivery]
    }

    /// The public routes' documentation.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        MailsApi::openapi()
    }

    /// The store of mails, for operators' reads of the log.
    pub fn store(&self) -> DynEventStore {
        Arc::clone(&self.events)
    }

    /// The operator's handles on its projections.
    pub fn projections(&self) -> Vec<ProjectionControl> {
        vec![self.list.control()]
    }

    /// How the delivery fares.
    pub fn delivery(&self) -> Arc<DeliveryStatus> {
        self.delivery.status()
    }

    /// Keeps the list in step and delivers mails, until `stop`. What cannot go on is logged and shown by
    /// [`NotificationService::projections`]; requests are taken all the same.
    pub async fn run(&self, stop: StopSignal) {
        let list = async {
            if let Err(error) = self.list.run(stop.clone()).await {
                tracing::error!(cause = %error.chain(), "the list of mails stands still");
            }
        };
        let delivery = async {
            if let Err(error) = self.delivery.run(stop.clone()).await {
                tracing::error!(cause = %error.chain(), "the delivery of mails stands still");
                self.delivery.status().stall();
            }
        };
        tokio::join!(list, delivery);
    }
}

impl std::fmt::Debug for NotificationService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotificationService").field("mails", &self.mails).finish_non_exhaustive()
    }
}

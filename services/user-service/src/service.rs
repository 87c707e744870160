//! The service as the process around it sees it.

use std::fmt;
use std::sync::Arc;

use madrigal_bus::DynTopicSource;
use madrigal_consistency::DynRowSet;
use madrigal_contracts::rows as contracts_rows;
use madrigal_contracts::rows::kept::{KeptRows, USER_FIELDS};
use madrigal_contracts::user::{FindBuyer, GetBuyer, GetPersonKey};
use madrigal_contracts::{changes as contracts_changes, copies as contracts_copies};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, PersonId};
use madrigal_http::{Calls, TokenSigner};
use madrigal_sqlite::SqliteChanges;
use madrigal_telemetry::Check;

use crate::config::UserConfig;
use crate::copies::ReadModels;
use crate::keys::KeyStore;
use crate::passwords::Passwords;
use crate::queries::{BuyerCache, BuyerNamed, BuyerOf, KeyOf};
use crate::repositories::users;
use crate::row_sets::UserTable;
use crate::state::{PersonIds, ServiceState, ended};
use crate::{capture, commands, http, migrations};

/// User-service, opened; cheap to clone.
#[derive(Clone)]
pub struct UserService {
    state: Arc<ServiceState>,
    calls: Arc<Calls>,
}

impl UserService {
    /// Opens the service's directory, making it at the first start. `signer` signs the tokens of log-ins.
    ///
    /// # Errors
    /// A [`Fault`] where a database does not open, or the master key is missing or another one.
    pub async fn open(config: UserConfig, signer: Arc<TokenSigner>, host: Host) -> Result<Self, Fault> {
        let UserConfig { dir, master_key, passwords, session_lifetime, planting } = config;
        let users = migrations::open_users(&dir).await?;
        let changes = capture::open(&users, &host).await?;
        let read_models = ReadModels::open(&dir, host.clone()).await?;
        let keys = KeyStore::open(&dir.join("keys"), master_key, host.clone()).await?;
        let merge_rules = commands::merge_rules().map_err(|error| Fault::permanent("user-service", "open", error))?;
        let highest = users.read("highest-id", users::highest_id).await?.max(keys.highest_person().await?);
        let state = Arc::new(ServiceState {
            users,
            changes,
            keys,
            passwords: Passwords::new(passwords, host.clone())?,
            buyers: BuyerCache::new(),
            ids: PersonIds::above(highest),
            signer,
            session_lifetime,
            merge_rules,
            host,
        });
        commands::finish_erasures(&state).await?;
        let calls = Calls::new("user-service")
            .on::<GetBuyer>(Arc::new(BuyerOf(Arc::clone(&state))))
            .on::<FindBuyer>(Arc::new(BuyerNamed(Arc::clone(&state))))
            .on::<GetPersonKey>(Arc::new(KeyOf(Arc::clone(&state))));
        let calls = contracts_changes::answering(calls, Arc::new(state.changes.clone()));
        let keepers = read_models.keepers();
        let mut sets: Vec<DynRowSet> = vec![Arc::new(UserTable::new(Arc::clone(&state)))];
        let whole = keepers.iter().filter(|keeper| keeper.copy() == "users.key-value");
        sets.extend(whole.map(|keeper| Arc::new(KeptRows::new(Arc::clone(keeper), USER_FIELDS)) as DynRowSet));
        let calls = contracts_copies::answering(calls, keepers);
        let calls = contracts_rows::answering(calls, sets, planting);
        Ok(Self { state, calls: Arc::new(calls) })
    }

    /// What other services may ask.
    pub fn calls(&self) -> Arc<Calls> {
        Arc::clone(&self.calls)
    }

    /// The public routes, without the layers of the edge.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.state))
    }

    /// The description of the public routes.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        http::openapi()
    }

    /// What others may subscribe to: the changes of `users` and of `user_events`, in Debezium's envelope.
    pub fn topics(&self) -> Vec<DynTopicSource> {
        capture::topics(&self.state.changes)
    }

    /// The changes that the topics tell, and how many are kept.
    pub fn changes(&self) -> &SqliteChanges {
        &self.state.changes
    }

    /// How the two databases are, and the captured changes.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn health(&self) -> Vec<Check> {
        let users = self.state.users.read("probe", |connection| connection.query_row("SELECT 1", [], |_| Ok(()))).await;
        let keys = self.state.keys.probe().await;
        let check = match (users, keys) {
            (Ok(()), Ok(())) => Check::healthy(Check::DATABASE, "users and keys of persons answer"),
            (Err(fault), _) => unhealthy("users do not answer", &fault),
            (_, Err(fault)) => unhealthy("keys of persons do not answer", &fault),
        };
        vec![check, capture::check(&self.state.changes).await]
    }

    /// Destroys a person's key and forgets it in memory: the first step of erasing. Durable when this returns; other
    /// services keep the key in memory for two minutes at most.
    ///
    /// # Errors
    /// A [`Fault`]; then the key may still be there: repeat.
    ///
    /// # Cancellation
    /// Goes on to its end.
    pub async fn destroy_key(&self, person: PersonId) -> Result<(), Fault> {
        let state = Arc::clone(&self.state);
        let destroying = tasks::spawn("destroy-key", async move {
            state.keys.destroy(person).await?;
            state.buyers.forget(person);
            Ok(())
        });
        destroying.await.map_err(ended)?
    }

    /// Runs until it is stopped: prunes old changes. Requests under way are the server's to drain.
    pub async fn run(&self, stop: StopSignal) {
        capture::keep_pruned(&self.state.changes, &stop).await;
    }
}

/// Everybody may read a check: the causes go to the log.
fn unhealthy(detail: &'static str, fault: &Fault) -> Check {
    tracing::error!(cause = %fault.chain(), "a probe failed: {detail}");
    Check::unhealthy(Check::DATABASE, detail)
}

impl fmt::Debug for UserService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserService").finish_non_exhaustive()
    }
}

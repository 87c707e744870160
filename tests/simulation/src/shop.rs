//! The order path: every service with its machine, the links between them, starting and killing.

pub mod api;
pub(crate) mod catalog;
mod notification;
mod order;
mod payment;
mod reports;
pub(crate) mod users;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_contracts::catalog::{ConfirmReservation, QuoteProducts, ReleaseReservation, ReserveStock, ReturnStock};
use madrigal_contracts::notification::RequestMail;
use madrigal_contracts::order::GetSagaStanding;
use madrigal_contracts::payment::{ChargePayment, RefundPayment};
use madrigal_contracts::user::{GetBuyer, GetPersonKey};
use madrigal_core::tasks;
use madrigal_core::{Fault, RecordedEvent};
use madrigal_event_store::{DynEventStore, EventStore};
use madrigal_http::calls::{Calls, Neighbour};
use madrigal_projection::{MemoryOffsets, MemoryViews};
use madrigal_sim::{Link, Machine, Network, Place, RemoteStore, Server, StoreServer, Witness, World};

use crate::mutants::{Mutant, mount, wrap_store};
use crate::plan::Plan;

pub(crate) use catalog::{PRODUCTS, product_id, stock_up};

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// order-service: both sagas, the order view.
    Order,
    /// catalog-service: products, stock, reservations.
    Catalog,
    /// payment-service.
    Payment,
    /// The provider, with a ledger of its own.
    Provider,
    /// notification-service: the outbox.
    Mail,
    /// Someone who hears the topic `orders` and writes each message down once.
    Reports,
}

impl Role {
    /// Everybody, in the order of starting.
    pub const SERVICES: [Self; 6] =
        [Self::Provider, Self::Payment, Self::Catalog, Self::Mail, Self::Order, Self::Reports];

    /// The name of its log.
    pub const fn log(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Catalog => "catalog",
            Self::Payment => "payment",
            Self::Provider => "provider",
            Self::Mail => "notification",
            Self::Reports => "reports",
        }
    }

    /// Its name on the network.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Order => "order-service",
            Self::Catalog => "catalog-service",
            Self::Payment => "payment-service",
            Self::Provider => "provider",
            Self::Mail => "notification-service",
            Self::Reports => "reports",
        }
    }

    /// The name of its store on the network.
    pub const fn store(self) -> &'static str {
        match self {
            Self::Order => "order-store",
            Self::Catalog => "catalog-store",
            Self::Payment => "payment-store",
            Self::Provider => "provider-store",
            Self::Mail => "notification-store",
            Self::Reports => "reports-store",
        }
    }

    const fn database(self) -> &'static str {
        match self {
            Self::Order => "order-db",
            Self::Catalog => "catalog-db",
            Self::Payment => "payment-db",
            Self::Provider => "provider-db",
            Self::Mail => "mail-db",
            Self::Reports => "reports-db",
        }
    }
}

/// A service: its machine, where it is found, and where its store is, if that is not on the same machine.
pub struct Node {
    role: Role,
    /// Its machine.
    pub machine: Machine,
    /// The machine of its store, if that is another one.
    pub database: Option<Machine>,
    place: Place,
    served: StoreServer,
}

/// What outlives a process without being a log: a database of views.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) views: Arc<MemoryViews>,
    pub(crate) offsets: Arc<MemoryOffsets>,
}

/// How long whoever looks after the processes waits before it starts one again that found no room on its disk.
const START_AGAIN: Duration = Duration::from_millis(200);

/// The order path. Shared by customers, blows and checks.
pub struct Shop {
    /// The world that it lives in.
    pub world: World,
    /// The network between its parts.
    pub network: Network,
    /// What stores acknowledged.
    pub witness: Witness,
    /// What the run is like.
    pub plan: Plan,
    pub(crate) mutant: Option<Mutant>,
    nodes: Vec<Node>,
    users: Arc<Calls>,
    users_place: Place,
    kept: Mutex<BTreeMap<Role, Kept>>,
    refusals: Mutex<Vec<String>>,
}

impl Shop {
    /// The shop on machines that are still off.
    pub fn new(world: &World, plan: Plan, mutant: Option<Mutant>) -> Arc<Self> {
        let network = Network::new(world.dice("network"), plan.weather, world.trace().clone());
        let node = |role: Role| {
            let remote = plan.remote.contains(&role);
            let machine = |name| Machine::new(name, world, |disk| mount(mutant, disk));
            Node {
                role,
                machine: machine(role.log()),
                database: remote.then(|| machine(role.database())),
                place: Place::default(),
                served: StoreServer::default(),
            }
        };
        let users_place = Place::default();
        let users = users::calls(&world.host("keys of persons"));
        users_place.opens(Arc::clone(&users), tasks::TaskGroup::new());
        Arc::new(Self {
            nodes: Role::SERVICES.into_iter().map(node).collect(),
            witness: Witness::new(world.trace().clone()),
            world: world.clone(),
            network,
            plan,
            mutant,
            users,
            users_place,
            kept: Mutex::default(),
            refusals: Mutex::default(),
        })
    }

    /// Starts everybody.
    pub async fn open(self: &Arc<Self>) {
        for role in Role::SERVICES {
            self.start_database(role).await;
            self.start(role).await;
        }
    }

    /// A service.
    ///
    /// # Panics
    /// Never: all are made with the shop.
    #[expect(clippy::expect_used, reason = "all roles are made with the shop")]
    pub fn node(&self, role: Role) -> &Node {
        self.nodes.iter().find(|node| node.role == role).expect("a node for every role")
    }

    /// Starts a service; one that runs becomes a zombie. Returns when it is open or has died over it; where it dies for
    /// lack of room on its disk, it is started again until there is some.
    pub async fn start(self: &Arc<Self>, role: Role) {
        let node = self.node(role);
        loop {
            let server = node.machine.start();
            let (shop, tasks) = (Arc::clone(self), server.tasks.clone());
            let opening = tasks.spawn(async move { shop.boot(role, &server).await });
            let Ok(Err(fault)) = opening.await else { return };
            if !self.is_short_of_room(role) {
                return self.refuses_to_open(node.machine.name(), &fault);
            }
            self.kill(role);
            self.opens_later(node.machine.name(), &fault).await;
        }
    }

    /// Starts the machine of a service's store, if it has one.
    pub async fn start_database(self: &Arc<Self>, role: Role) {
        let Some(database) = &self.node(role).database else { return };
        loop {
            let Server { tasks, host, .. } = database.start();
            let shop = Arc::clone(self);
            let serving = tasks.clone();
            let opening = tasks.spawn(async move {
                let node = shop.node(role);
                let Some(database) = &node.database else { return Ok(()) };
                let store = database.open_log(role.log(), role.log(), &host)?;
                node.served.opens(shop.witness.watch(store), serving);
                Ok::<_, Fault>(())
            });
            let Ok(Err(fault)) = opening.await else { return };
            if !self.is_short_of_room(role) {
                return self.refuses_to_open(database.name(), &fault);
            }
            self.kill_database(role);
            self.opens_later(database.name(), &fault).await;
        }
    }

    /// Kills a service.
    pub fn kill(&self, role: Role) {
        let node = self.node(role);
        node.machine.kill();
        node.place.closes();
    }

    /// Kills the machine of a service's store, if it has one; else the service.
    pub fn kill_database(&self, role: Role) {
        let node = self.node(role);
        match &node.database {
            Some(database) => {
                database.kill();
                node.served.closes();
            }
            None => self.kill(role),
        }
    }

    /// Loses a service's views, as if their file had been removed: they are rebuilt from the log.
    pub fn lose_views(&self, role: Role) {
        self.world.trace().say(role.log(), format_args!("its views are lost"));
        self.kept_map().entry(role).or_default().views = Arc::default();
    }

    /// Everything in a service's log, as a new process finds it after all power was lost.
    ///
    /// # Errors
    /// Where the log cannot be opened or read.
    pub async fn read_log_again(self: &Arc<Self>, role: Role) -> Result<Vec<RecordedEvent>, String> {
        self.kill_database(role);
        if self.node(role).database.is_some() {
            self.kill(role);
        }
        tasks::sleep(Duration::from_millis(10)).await;
        let Server { tasks, host, .. } = self.node(role).machine_of_store().start();
        let shop = Arc::clone(self);
        let reading = tasks.spawn(async move {
            let machine = shop.node(role).machine_of_store();
            let store = machine.open_log(role.log(), role.log(), &host).map_err(|fault| fault.chain())?;
            read_whole(&*store).await
        });
        reading.await.map_err(|error| error.to_string())?
    }

    /// Has a second process open the log of a service that is alone with it: its lock must refuse that.
    pub fn opens_once(&self, role: Role) {
        let machine = self.node(role).machine_of_store();
        if machine.opens_twice(role.log(), role.log(), &self.world.host("second process")) {
            self.note_refusal(format!("{}: two processes have its log", machine.name()));
        }
    }

    /// Logs that could not be opened.
    pub fn refusals(&self) -> Vec<String> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The way from outside to order-service, with what its customers may ask.
    pub fn front_door(&self, caller: &str) -> Neighbour {
        let link = Arc::new(self.link(caller, Role::Order));
        let calls = Calls::new(Role::Order.service())
            .on::<api::Place>(Arc::clone(&link))
            .on::<api::Cancel>(Arc::clone(&link))
            .on::<api::GiveUp>(Arc::clone(&link))
            .on::<api::Ship>(Arc::clone(&link))
            .on::<api::Tend>(link);
        Neighbour::in_process(Arc::new(calls))
    }

    /// What outlives the processes of a service.
    pub(crate) fn kept(&self, role: Role) -> Kept {
        self.kept_map().entry(role).or_default().clone()
    }

    async fn boot(self: &Arc<Self>, role: Role, server: &Server) -> Result<(), Fault> {
        let store = wrap_store(self.mutant, role, self.connect(role, server).await?);
        let calls = match role {
            Role::Order => order::start(self, store, server)?,
            Role::Catalog => catalog::start(self, store, server).await?,
            Role::Payment => payment::start(self, store),
            Role::Provider => payment::start_provider(store, server),
            Role::Mail => notification::start(self, store, server),
            Role::Reports => reports::start(self, &store, server),
        };
        self.node(role).place.opens(calls, server.tasks.clone());
        Ok(())
    }

    async fn connect(&self, role: Role, server: &Server) -> Result<DynEventStore, Fault> {
        let node = self.node(role);
        if node.database.is_none() {
            return Ok(self.witness.watch(node.machine.open_log(role.log(), role.log(), &server.host)?));
        }
        loop {
            if let Some(store) = RemoteStore::connect(role.log(), node.served.clone(), self.network.clone()) {
                return Ok(Arc::new(store));
            }
            tasks::sleep(Duration::from_millis(20)).await;
        }
    }

    fn link(&self, caller: &str, to: Role) -> Link {
        let node = self.node(to);
        let link = Link::new(caller, to.service(), self.network.clone(), node.place.clone());
        link.guessing(self.mutant.and_then(Mutant::guess))
    }

    pub(crate) fn to_users(&self, caller: &str) -> Neighbour {
        let service = self.users.service();
        let link = Arc::new(Link::new(caller, service, self.network.clone(), self.users_place.clone()));
        Neighbour::in_process(Arc::new(Calls::new(service).on::<GetBuyer>(Arc::clone(&link)).on::<GetPersonKey>(link)))
    }

    pub(crate) fn to_catalog(&self, caller: &str) -> Neighbour {
        let link = Arc::new(self.link(caller, Role::Catalog));
        let calls = Calls::new(Role::Catalog.service())
            .on::<QuoteProducts>(Arc::clone(&link))
            .on::<ReserveStock>(Arc::clone(&link))
            .on::<ReleaseReservation>(Arc::clone(&link))
            .on::<ConfirmReservation>(Arc::clone(&link))
            .on::<ReturnStock>(link);
        Neighbour::in_process(Arc::new(calls))
    }

    pub(crate) fn to_payments(&self, caller: &str) -> Neighbour {
        let link = Arc::new(self.link(caller, Role::Payment));
        let calls =
            Calls::new(Role::Payment.service()).on::<ChargePayment>(Arc::clone(&link)).on::<RefundPayment>(link);
        Neighbour::in_process(Arc::new(calls))
    }

    pub(crate) fn to_provider(&self) -> Neighbour {
        let link = Arc::new(self.link("payment", Role::Provider));
        let calls = Calls::new(Role::Provider.service())
            .on::<payment::AskCharge>(Arc::clone(&link))
            .on::<payment::AskRefund>(link);
        Neighbour::in_process(Arc::new(calls))
    }

    pub(crate) fn to_mail(&self, caller: &str) -> Neighbour {
        let link = Arc::new(self.link(caller, Role::Mail));
        Neighbour::in_process(Arc::new(Calls::new(Role::Mail.service()).on::<RequestMail>(link)))
    }

    pub(crate) fn to_orders(&self, caller: &str) -> Neighbour {
        let link = Arc::new(self.link(caller, Role::Order));
        let calls = Calls::new(Role::Order.service()).on::<GetSagaStanding>(Arc::clone(&link)).on::<api::Poll>(link);
        Neighbour::in_process(Arc::new(calls))
    }

    fn refuses_to_open(&self, machine: &str, fault: &Fault) {
        let refusal = format!("{machine}: {}", fault.chain());
        self.world.trace().say(machine, format_args!("does not open: {refusal}"));
        self.note_refusal(refusal);
    }

    /// Whether the disk of a service's store takes nothing now: then it need not open, but must as soon as that is over.
    fn is_short_of_room(&self, role: Role) -> bool {
        let mut short = false;
        self.node(role).machine_of_store().disk().set(|faults| short = faults.room.is_some() || faults.read_only);
        short
    }

    async fn opens_later(&self, machine: &str, fault: &Fault) {
        self.world.trace().say(machine, format_args!("does not open for lack of room: {}", fault.chain()));
        tasks::sleep(START_AGAIN).await;
    }

    fn note_refusal(&self, refusal: String) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push(refusal);
    }

    fn kept_map(&self) -> MutexGuard<'_, BTreeMap<Role, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// The machine that has the log.
    pub fn machine_of_store(&self) -> &Machine {
        self.database.as_ref().unwrap_or(&self.machine)
    }
}

async fn read_whole(store: &dyn EventStore) -> Result<Vec<RecordedEvent>, String> {
    let mut events = Vec::new();
    let mut after = madrigal_core::Position::START;
    loop {
        let read = store.read_log(after, 10_000).await.map_err(|error| error.to_string())?;
        events.extend(read.events);
        after = read.scanned_through;
        if after >= read.end {
            return Ok(events);
        }
    }
}

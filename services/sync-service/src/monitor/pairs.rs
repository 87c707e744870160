//! Which rows are compared with which, and where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::future::join_all;
use madrigal_consistency::{DynRowSet, Pair};
use madrigal_core::Host;
use madrigal_http::Neighbour;

use super::holders::Holder;
use super::transformed::Telling;

/// A pair as it is declared: named like its copy, unless one copy is told by two owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredPair {
    /// The pair's name.
    pub name: &'static str,
    /// The owner's row set.
    pub owner: &'static str,
    /// The copy's row set.
    pub copy: &'static str,
    /// What the rows are: the label `entity_type`.
    pub entity: &'static str,
    /// Who keeps the copy: the label `service`.
    pub service: &'static str,
}

const fn pair(
    name: &'static str,
    owner: &'static str,
    copy: &'static str,
    entity: &'static str,
    service: &'static str,
) -> DeclaredPair {
    DeclaredPair { name, owner, copy, entity, service }
}

/// All pairs of the shop. A pair of which no service holds the copy is not compared: a shop without that service.
pub const PAIRS: &[DeclaredPair] = &[
    pair("users.key-value", "users.table", "users.key-value", "users", "user-service"),
    pair("users.index", "users.table", "users.index", "users", "catalog-service"),
    pair("users.analytics", "users.table", "users.analytics", "users", "analytics-service"),
    pair("orders.view", "orders.events", "orders.view", "orders", "order-service"),
    pair("orders.analytics", "orders.events", "orders.analytics", "orders", "analytics-service"),
    pair("products.view", "products.events", "products.view", "products", "catalog-service"),
    pair("stock.view", "stock.events", "stock.view", "inventory", "catalog-service"),
    pair("products.search", "products.events", "products.search", "products", "catalog-service"),
    pair("stock.search", "stock.events", "stock.search", "inventory", "catalog-service"),
    pair("products.cache", "products.events", "products.cache", "products", "catalog-service"),
    pair("stock.cache", "stock.events", "stock.cache", "inventory", "catalog-service"),
];

/// The pairs whose sets were found, and the services that hold them.
pub struct Pairs {
    holders: Vec<Arc<Holder>>,
    /// Made once; a pair remembers since when its copy is behind.
    made: Mutex<BTreeMap<&'static str, Made>>,
    /// What rows pass on their way to copies, once it is known.
    telling: OnceLock<Telling>,
}

/// A pair, and who holds its two sides.
#[derive(Clone)]
struct Made {
    pair: Arc<Pair>,
    owner: Arc<Holder>,
    copy: Arc<Holder>,
}

/// What became of looking for the pairs.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that can be compared.
    pub pairs: Vec<(DeclaredPair, Arc<Pair>)>,
    /// Those that cannot.
    pub troubles: Vec<Unfit>,
    /// The services that do not answer, and why.
    pub silent: BTreeMap<&'static str, String>,
}

/// A pair that cannot be compared.
pub struct Unfit {
    /// Which.
    pub declared: DeclaredPair,
    /// Why.
    pub trouble: String,
    /// Its owner's rows, where they can be counted, and the copy is to have all of them.
    pub owner: Option<DynRowSet>,
}

/// Whom to ask before the pairs are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Those that did not answer, and all where a pair was not found before.
    Needed,
    /// All that hold one of the pairs.
    All,
}

impl Pairs {
    /// The pairs between the row sets of these services.
    pub fn new(services: Vec<Neighbour>, host: &Host) -> Self {
        let holder = |service| Arc::new(Holder::new(service, host.clone()));
        let holders = services.into_iter().map(holder).collect();
        Self { holders, made: Mutex::new(BTreeMap::new()), telling: OnceLock::new() }
    }

    /// From now on pairs are made with what their rows pass; only the first word counts.
    pub(crate) fn pass(&self, telling: Telling) {
        // A second word would have pairs made in two ways.
        let _ = self.telling.set(telling);
    }

    /// The pairs as they are known, or the one of this name. Services are asked for what was not found before, and whether
    /// they answer again.
    pub async fn find(&self, only: Option<&str>) -> Found {
        self.look(only, Ask::Needed).await
    }

    /// The pairs, or the one of this name, after all services that hold them were asked whether they answer: at the same time,
    /// for at most 5 s.
    pub async fn roll_call(&self, only: Option<&str>) -> Found {
        self.look(only, Ask::All).await
    }

    async fn look(&self, only: Option<&str>, ask: Ask) -> Found {
        let wanted = || PAIRS.iter().filter(|pair| only.is_none_or(|only| only == pair.name));
        let made = self.made().clone();
        let missing = wanted().any(|declared| !made.contains_key(declared.name));
        let holds = |holder: &Arc<Holder>| {
            let of = |made: &Made| Arc::ptr_eq(&made.owner, holder) || Arc::ptr_eq(&made.copy, holder);
            wanted().filter_map(|declared| made.get(declared.name)).any(of)
        };
        let asked = self
            .holders
            .iter()
            .filter(|holder| missing || holds(holder) && (ask == Ask::All || holder.silence().is_some()));
        let answers = join_all(asked.map(async |holder| (holder, holder.ask().await))).await;
        let (mut sets, mut found) = (BTreeMap::<String, (Arc<Holder>, DynRowSet)>::new(), Found::default());
        for (holder, answer) in answers {
            match answer {
                Ok(held) => sets.extend(held.into_iter().map(|set| (set.description().name, (holder.clone(), set)))),
                Err(fault) => drop(found.silent.insert(holder.service(), fault.chain())),
            }
        }
        for declared in wanted().copied() {
            match made.get(declared.name) {
                Some(made) => found.known(declared, made),
                None => self.make(declared, &sets, &mut found),
            }
        }
        found
    }

    /// Puts together what was not found before.
    fn make(&self, declared: DeclaredPair, sets: &BTreeMap<String, (Arc<Holder>, DynRowSet)>, found: &mut Found) {
        let owned = |set: &(Arc<Holder>, DynRowSet)| Arc::clone(&set.1);
        match (sets.get(declared.owner), sets.get(declared.copy)) {
            (Some((owner, owned)), Some((copy, copied))) => {
                let told = self.telling.get().map_or_else(|| Ok(Arc::clone(owned)), |it| it.owner_of(declared, owned));
                let pair = told.and_then(|told| {
                    Pair::new(declared.name, told, Arc::clone(copied)).map_err(|error| error.to_string())
                });
                match pair {
                    Ok(pair) => {
                        let made = Made { pair: Arc::new(pair), owner: Arc::clone(owner), copy: Arc::clone(copy) };
                        found.pairs.push((declared, Arc::clone(&made.pair)));
                        self.made().insert(declared.name, made);
                    }
                    Err(trouble) => found.troubles.push(Unfit { declared, trouble, owner: None }),
                }
            }
            (owner, None) => {
                // A service that answers and does not hold the copy, or is not there at all: not a pair of this shop.
                if let Some(trouble) = found.silent.get(declared.service).cloned() {
                    found.troubles.push(Unfit { declared, trouble, owner: owner.map(owned) });
                }
            }
            (None, Some(_)) => {
                let silent: Vec<&str> = found.silent.values().map(String::as_str).collect();
                let trouble = match silent.as_slice() {
                    [] => format!("no service holds {}", declared.owner),
                    silent => silent.join("; "),
                };
                found.troubles.push(Unfit { declared, trouble, owner: None });
            }
        }
    }

    /// Those that were found before; nobody is asked.
    pub fn known(&self) -> Vec<(DeclaredPair, Arc<Pair>)> {
        let made = self.made();
        PAIRS.iter().filter_map(|declared| Some((*declared, Arc::clone(&made.get(declared.name)?.pair)))).collect()
    }

    fn made(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// A pair that was found before: it can be compared unless one of its sides is silent.
    fn known(&mut self, declared: DeclaredPair, made: &Made) {
        let (owner, copy) = (made.owner.silence(), made.copy.silence());
        let counts = owner.is_none() && !made.pair.described().partial;
        match owner.or(copy) {
            None => self.pairs.push((declared, Arc::clone(&made.pair))),
            Some(trouble) => {
                let owner = counts.then(|| Arc::clone(made.pair.owner()));
                self.troubles.push(Unfit { declared, trouble, owner });
            }
        }
    }
}

impl std::fmt::Debug for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unfit")
            .field("pair", &self.declared.name)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pairs").field("made", &self.made().keys()).finish_non_exhaustive()
    }
}

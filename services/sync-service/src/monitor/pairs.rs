//! Which rows are compared with which, and where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use madrigal_consistency::{DynRowSet, Pair, RowSet};
use madrigal_contracts::rows::RemoteRowSet;
use madrigal_core::Host;
use madrigal_http::Neighbour;

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
    services: Vec<Neighbour>,
    host: Host,
    /// Made once; a pair remembers since when its copy is behind.
    made: Mutex<BTreeMap<&'static str, Arc<Pair>>>,
    /// What rows pass on their way to copies, once it is known.
    telling: OnceLock<Telling>,
}

/// What became of looking for the pairs.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that can be compared.
    pub pairs: Vec<(DeclaredPair, Arc<Pair>)>,
    /// Those that cannot, and why.
    pub troubles: Vec<(DeclaredPair, String)>,
}

impl Pairs {
    /// The pairs between the row sets of these services.
    pub const fn new(services: Vec<Neighbour>, host: Host) -> Self {
        Self { services, host, made: Mutex::new(BTreeMap::new()), telling: OnceLock::new() }
    }

    /// From now on pairs are made with what their rows pass; only the first word counts.
    pub(crate) fn pass(&self, telling: Telling) {
        // A second word would have pairs made in two ways.
        let _ = self.telling.set(telling);
    }

    /// The pairs as they are now, or the one of this name. Services are asked for what was not found before.
    pub async fn find(&self, only: Option<&str>) -> Found {
        let wanted = PAIRS.iter().filter(|pair| only.is_none_or(|only| only == pair.name));
        let (mut found, mut missing) = (Found::default(), Vec::new());
        for declared in wanted {
            match self.made().get(declared.name) {
                Some(pair) => found.pairs.push((*declared, Arc::clone(pair))),
                None => missing.push(*declared),
            }
        }
        if missing.is_empty() {
            return found;
        }
        let (mut sets, mut silent) = (BTreeMap::<String, DynRowSet>::new(), Vec::new());
        for service in &self.services {
            match RemoteRowSet::all_of(service, &self.host).await {
                Ok(held) => {
                    sets.extend(held.into_iter().map(|set| (set.description().name, Arc::new(set) as DynRowSet)))
                }
                Err(fault) => silent.push(fault.chain()),
            }
        }
        for declared in missing {
            let (owner, copy) = (sets.get(declared.owner), sets.get(declared.copy));
            match (owner, copy) {
                (Some(owner), Some(copy)) => match self.pair(declared, owner, copy) {
                    Ok(pair) => {
                        let pair = Arc::new(pair);
                        self.made().insert(declared.name, Arc::clone(&pair));
                        found.pairs.push((declared, pair));
                    }
                    Err(why) => found.troubles.push((declared, why)),
                },
                _ if !silent.is_empty() => found.troubles.push((declared, silent.join("; "))),
                (None, Some(_)) => found.troubles.push((declared, format!("no service holds {}", declared.owner))),
                _ => {}
            }
        }
        found.pairs.sort_by_key(|(declared, _)| PAIRS.iter().position(|pair| pair == declared));
        found
    }

    fn pair(&self, declared: DeclaredPair, owner: &DynRowSet, copy: &DynRowSet) -> Result<Pair, String> {
        let told = self.telling.get().map_or_else(|| Ok(Arc::clone(owner)), |it| it.owner_of(declared, owner))?;
        Pair::new(declared.name, told, Arc::clone(copy)).map_err(|error| error.to_string())
    }

    /// Those that were found before; nobody is asked.
    pub fn known(&self) -> Vec<(DeclaredPair, Arc<Pair>)> {
        let made = self.made();
        PAIRS.iter().filter_map(|declared| Some((*declared, Arc::clone(made.get(declared.name)?)))).collect()
    }

    fn made(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Arc<Pair>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pairs").field("made", &self.made().keys()).finish_non_exhaustive()
    }
}

//! The services that order-service asks: the only place that knows them.

use madrigal_contracts::person_keys::RemotePersonKeys;
use madrigal_core::Host;
use madrigal_http::calls::Neighbour;

/// Who is asked for what.
#[derive(Clone)]
pub struct OrderNeighbours {
    /// Buyers and keys of persons.
    pub users: Neighbour,
    /// Prices and stock.
    pub catalog: Neighbour,
    /// Money.
    pub payments: Neighbour,
    /// Mails.
    pub notifications: Neighbour,
}

impl OrderNeighbours {
    /// Keys of persons, with a short memory.
    pub fn person_keys(&self, host: &Host) -> RemotePersonKeys {
        RemotePersonKeys::new(self.users.clone(), host.clone())
    }
}

impl std::fmt::Debug for OrderNeighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderNeighbours").finish_non_exhaustive()
    }
}

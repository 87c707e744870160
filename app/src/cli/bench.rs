//! `madrigal bench …`.

use clap::Subcommand;
use madrigal_performance::{cache, consistency, footprint, journal, orders, projection, search, store, sync, year};

/// What can be measured. Each takes the machine for itself: figures of a busy one mean little.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Appends to a journal, beside the raw device and SQLite, and opens a long one.
    Journal(journal::Options),
    /// Appends to an event store, loads streams with and without snapshots, scans it, and opens a large one.
    Store(store::Options),
    /// Folds the events of orders into the order view, in memory and in SQLite.
    Projection(projection::Options),
    /// Reads a cache on one core, beside a bare look-up: hits, invalidations, loads, two levels.
    Cache(cache::Options),
    /// Sweeps over a pair of row sets on one core, by versions and by contents.
    Consistency(consistency::Options),
    /// Loads a whole shop with orders over HTTP.
    Orders(orders::Options),
    /// Searches the retail products over HTTP.
    Search(search::Options),
    /// Changes users over HTTP and says how long a change takes to every copy.
    Sync(sync::Options),
    /// Changes a year of baskets while all copies are checked: false alarms, rows verified, latency.
    Year(year::Options),
    /// Looks at a shop that does nothing: time until it is ready, memory.
    Footprint(footprint::Options),
}

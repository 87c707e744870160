//! Who may name whom.

use crate::metadata::{Package, members};

/// Database drivers; each belongs into one adapter.
const DRIVERS: &[&str] =
    &["rusqlite", "tantivy", "tokio-postgres", "redis", "mongodb", "clickhouse", "rdkafka", "kurrentdb", "lettre"];

fn named(package: &'static Package) -> impl Iterator<Item = &'static str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| !dependency.only_for_tests)
        .map(|dependency| dependency.name.as_str())
}

fn room_of(name: &str) -> Option<&'static str> {
    members().find(|(_, package)| package.name == name).map(|(room, _)| room)
}

/// Every dependency of a member of `room` inside the workspace that `allowed` does not accept.
fn offenders(room: &str, allowed: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut offenders = Vec::new();
    for (from, package) in members().filter(|(from, _)| from.starts_with(room)) {
        for name in named(package) {
            if let Some(to) = room_of(name)
                && !allowed(from, to)
            {
                offenders.push(format!("{from} names {to}"));
            }
        }
    }
    offenders
}

#[test]
fn blocks_name_no_service_no_adapter_and_no_driver() {
    assert_eq!(offenders("crates/", |_, to| to.starts_with("crates/")), Vec::<String>::new());
    for (room, package) in members().filter(|(room, _)| room.starts_with("crates/")) {
        let drivers: Vec<_> = named(package).filter(|name| DRIVERS.contains(name)).collect();
        assert!(drivers.is_empty(), "{room} names the driver {drivers:?}");
    }
}

#[test]
fn adapters_name_blocks_and_their_own_driver() {
    assert_eq!(offenders("adapters/", |_, to| to.starts_with("crates/")), Vec::<String>::new());
    for (room, package) in members().filter(|(room, _)| room.starts_with("adapters/")) {
        let drivers: Vec<_> = named(package).filter(|name| DRIVERS.contains(name)).collect();
        assert!(drivers.len() <= 1, "{room} names several drivers: {drivers:?}");
    }
}

#[test]
fn services_name_blocks_adapters_and_the_contracts_but_no_other_service() {
    let allowed =
        |_: &str, to: &str| to.starts_with("crates/") || to.starts_with("adapters/") || to == "services/contracts";
    assert_eq!(offenders("services/", allowed), Vec::<String>::new());
}

/// Peers that are measured as anybody would use them, not through our adapters.
const PEERS: [(&str, &str); 1] = [("tests/performance", "rusqlite")];

#[test]
fn only_adapters_name_drivers() {
    for (room, package) in members().filter(|(room, _)| !room.starts_with("adapters/")) {
        let is_peer = |name: &&str| PEERS.contains(&(room, *name));
        let drivers: Vec<_> = named(package).filter(|name| DRIVERS.contains(name) && !is_peer(name)).collect();
        assert!(drivers.is_empty(), "{room} names the driver {drivers:?}");
    }
}

#[test]
fn engines_other_than_sqlite_and_tantivy_are_optional() {
    for (room, package) in members().filter(|(room, _)| room.starts_with("services/") || *room == "app") {
        for dependency in &package.dependencies {
            let Some(adapter) = room_of(&dependency.name).and_then(|room| room.strip_prefix("adapters/")) else {
                continue;
            };
            let embedded = matches!(adapter, "sqlite" | "tantivy");
            assert!(embedded || dependency.optional, "{room} names {adapter} without a feature");
        }
    }
}

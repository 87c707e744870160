//! The engine's rules, on the in-memory event store.

mod definitions;
mod directory;
mod every_node;
mod shop;
mod troubles;
mod way_of_a_saga;

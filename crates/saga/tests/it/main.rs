//! The engine's rules, on the in-memory event store.

mod every_node;
mod shop;
mod way_of_a_saga;

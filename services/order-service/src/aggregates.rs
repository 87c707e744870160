//! Aggregates: the rules of orders, pure.

pub mod order;
